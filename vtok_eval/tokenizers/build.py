"""From a spec string to a tokenizer: its class found, its options checked, its backbone made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.devices.precision import AUTO, check_precision
from vtok_eval.environments.spec import is_exec
from vtok_eval.environments.systems import ExecSystem, exec_generator, exec_tokenizer
from vtok_eval.errors import SpecError
from vtok_eval.files.content_hash import content_sha256
from vtok_eval.inputs.fitted import FittedTokenizer, fitted
from vtok_eval.registry import BACKBONES, GENERATORS, TOKENIZERS
from vtok_eval.results.description import Describes, Description, joined_caveats
from vtok_eval.specs.binding import bind, construct
from vtok_eval.specs.content import class_facts, class_name
from vtok_eval.specs.grammar import LEADING, MATCH, Spec, parse_spec, without_parentheses
from vtok_eval.specs.live_objects import live_reference
from vtok_eval.specs.object_identity import state_facts
from vtok_eval.specs.seeding import seeded_globally
from vtok_eval.specs.user_code import load_user_class
from vtok_eval.systems import Answerer, CountingTokenizer, Generator, Tokenizer

if TYPE_CHECKING:
    import torch

    from vtok_eval.specs.live_objects import LiveObject
    from vtok_eval.tokenizers.backbones.base import Backbone
    from vtok_eval.tokenizers.feature_cache import FeatureCache

# Any: what registered code makes, and what it says of itself.

DEFAULT_BACKBONE = "efficientnet_lite0"


@dataclass(frozen=True)
class BuildContext:
    """What tokenizers are built with.

    device: where backbones and projections live. cache: where maps are kept; None computes every one.
    precision: of the backbones, one of `vtok_eval.devices.precision.PRECISIONS`.
    names: the suite's system names -> specs, so that `match:NAME` may name a system of the suite.
    objects: what `vtok_eval.evaluate` was given in place of specs, by reference.
    run_folder: where what workers of `exec:` print is kept, once there is a run; None keeps nothing of it.
    Tokenizers built with one context share its backbones.

    Example:
        >>> import torch
        >>> context = BuildContext(device=torch.device("cpu"))
        >>> context.backbone("efficientnet_lite0").channels
        152
    """

    device: torch.device
    cache: FeatureCache | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, LiveObject] = field(default_factory=dict)
    run_folder: Path | None = None
    precision: str = AUTO
    _backbones: dict[str, Backbone] = field(default_factory=dict, repr=False, compare=False)

    def backbone(self, spec: str) -> Backbone:
        """The backbone that a spec such as `open_clip:ViT-L-14-336/openai` names, through the cache if any.

        Raises:
            UnknownNameError, SpecError, MissingDependencyError: it cannot be had; one line says why.
        """
        if spec not in self._backbones:
            self._backbones[spec] = self._make_backbone(spec)
        return self._backbones[spec]

    def _make_backbone(self, spec: str) -> Backbone:
        name, _, argument = spec.partition(":")
        cls = BACKBONES.resolve(name)
        made: Backbone
        if not argument:
            made = construct(cls, {"device": self.device}, what=spec)
        elif "model" in inspect.signature(cls).parameters:
            made = construct(cls, {"model": argument, "device": self.device}, what=spec)
        else:
            raise SpecError(f"backbone {name!r} takes nothing after its name, not {argument!r}")
        made.precision = check_precision(self.precision)
        if self.cache is None:
            return made
        from vtok_eval.tokenizers.backbones.cached import CachedBackbone

        return CachedBackbone(made, self.cache)


def build_tokenizer(spec: str, context: BuildContext) -> Tokenizer:
    """Build the tokenizer that a spec string names.

    Options become keyword arguments of its class, read as their annotations say. A parameter named `backbone`
    gets a `Backbone` (the embedded default where the spec names none), one named `device` the run's
    `torch.device`. A value `match:NAME` or `match:SPEC`
    becomes that tokenizer, which must be able to count its tokens. A tokenizer with an input contract,
    `accepts`, is returned behind it.

    Raises:
        SpecError: the spec, an option's value or a user's file cannot be read, or the constructor raises.
        UnknownNameError: no such tokenizer, class, backbone or option; names the nearest.
        MissingDependencyError: a package or weights are needed and not there.

    Example:
        >>> import torch
        >>> context = BuildContext(device=torch.device("cpu"), names={"baseline": "frames-2"})
        >>> build_tokenizer("frames:budget=match:baseline", context).token_count(16)
        32
    """
    return _build(spec, context, pending=())


def build_generator(spec: str, context: BuildContext) -> Generator:
    r"""Build a user's generator, `FILE.py:Class`, `package.module:Class` or `exec:PYTHON@FILE.py:Class`.

    Options are as for tokenizers.

    Raises:
        SpecError, UnknownNameError, MissingDependencyError: as `build_tokenizer`.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> file = Path(tempfile.mkdtemp()) / "mine.py"
        >>> _ = file.write_text("class Mine:\n    def generate(self, prompts, seeds): ...")
        >>> type(build_generator(f"{file}:Mine", BuildContext(device=torch.device("cpu")))).__name__
        'Mine'
    """
    live = live_reference(spec, context.objects)
    if live is not None and isinstance(live.subject, Generator):
        return live.subject
    if is_exec(spec):
        return exec_generator(spec, context.device, context.run_folder)
    if ":" not in spec and spec not in GENERATORS:
        raise SpecError(
            f"{spec!r} is not a generator; write generator:FILE.py:Class or generator:module:Class"
        )
    parsed = parse_spec(spec, known=GENERATORS, what="generator")
    if parsed.is_user_class:
        cls = load_user_class(parsed.name, method="generate", what="generator", known=GENERATORS)
    else:
        cls = GENERATORS.resolve(parsed.name)
    arguments = _arguments(cls, parsed, context, ())
    with seeded_globally():
        generator = construct(cls, arguments, what=spec)
    if not isinstance(generator, Generator):
        raise SpecError(
            f"{spec}: {parsed.name} is not a generator; it needs a method generate(prompts, seeds) -> Clips"
        )
    return generator


def describe_tokenizer(tokenizer: Tokenizer | Generator | Answerer) -> Description:
    """What provenance keeps of a user's own tokenizer, generator or answerer.

    class; options: the constructor's parameters that the object keeps as attributes, but for `device`, which
    differs between the lanes of a run and decides nothing; backbone: its
    description with the weights' hash; sampling_rule; checkpoint_sha256; of a user's class source_sha256 of
    its file, the hashes of its sources, and state_sha256 of the weights that it holds.
    caveats: its backbone's and those of its own `describe() -> Description`, where it has that method; what
    else this says goes into the description too.

    Raises:
        SpecError: what its `describe` gives is not a description.

    Example:
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> describe_tokenizer(Blind()).facts["class"]
        'vtok_eval.tokenizers.controls:Blind'
    """
    if isinstance(tokenizer, FittedTokenizer):
        contract = {"accepts": tokenizer.accepts.text()}
        return describe_tokenizer(tokenizer.inner).with_facts(contract)
    if isinstance(tokenizer, ExecSystem):
        return tokenizer.describe()
    cls = type(tokenizer)
    own = _own_description(tokenizer)
    facts: dict[str, object] = {"class": class_name(cls)}
    options: dict[str, object] = {}
    caveats = own.caveats
    for name in inspect.signature(cls).parameters:
        value = getattr(tokenizer, name, None)
        if name == "backbone" and isinstance(value, Describes):
            part = Description.of(value.describe())
            facts["backbone"] = part.identity()
            caveats = joined_caveats(caveats, part.caveats)
        elif name != "device" and hasattr(tokenizer, name):
            options[name] = _as_json(value)
    checkpoint = getattr(tokenizer, "checkpoint", None)
    if isinstance(checkpoint, str | Path) and Path(checkpoint).is_file():
        facts["checkpoint_sha256"] = content_sha256(Path(checkpoint))
    if isinstance(tokenizer, Tokenizer):
        facts["sampling_rule"] = str(getattr(tokenizer, "sampling_rule", "not declared"))
    if not cls.__module__.startswith("vtok_eval.tokenizers."):
        facts |= class_facts(cls)
        facts |= state_facts(tokenizer)
    return own | Description(caveats=caveats, options=options, facts=facts)


def _own_description(subject: object) -> Description:
    """What a tokenizer's or generator's own method `describe` says; empty where it has none."""
    if not isinstance(subject, Describes):
        return Description()
    try:
        return Description.of(subject.describe())
    except (TypeError, ValueError, AttributeError) as error:
        raise SpecError(f"{type(subject).__qualname__}.describe(): {error}") from error


def _build(text: str, context: BuildContext, *, pending: tuple[str, ...]) -> Tokenizer:
    if text in pending:
        raise SpecError(f"tokenizers match each other in a circle: {' -> '.join((*pending, text))}")
    live = live_reference(text, context.objects)
    if live is not None:
        return fitted(_checked(live.subject, text, text))
    if is_exec(text):
        return fitted(exec_tokenizer(text, context.device, context.run_folder))
    spec = parse_spec(text)
    cls = load_user_class(spec.name) if spec.is_user_class else TOKENIZERS.resolve(spec.name)
    arguments = _arguments(cls, spec, context, (*pending, text))
    with seeded_globally():
        tokenizer = construct(cls, arguments, what=text)
    return fitted(_checked(tokenizer, text, spec.name))


def _checked(tokenizer: object, text: str, name: str) -> Tokenizer:
    if not isinstance(tokenizer, Tokenizer):
        raise SpecError(f"{text}: {name} is not a tokenizer; it needs a method encode(clips) -> Tokens")
    return tokenizer


def _arguments(
    cls: Callable[..., object], spec: Spec, context: BuildContext, pending: tuple[str, ...]
) -> dict[str, Any]:  # Any: each value has its parameter's type
    # Where a spec says which device, its own class reads that; else it gets the run's.
    given = {} if "device" in spec.options else {"device": context.device}
    return bind(
        cls,
        spec.options,
        what=spec.name,
        subject=LEADING.get(spec.name, ""),
        given=given,
        read={"backbone": lambda text: context.backbone(text or DEFAULT_BACKBONE)},
        prefixes={MATCH: lambda text: _matched(text, context, pending)},
    )


def _matched(text: str, context: BuildContext, pending: tuple[str, ...]) -> CountingTokenizer:
    name = without_parentheses(text.removeprefix(MATCH).strip())
    tokenizer = _build(context.names.get(name, name), context, pending=pending)
    if not isinstance(tokenizer, CountingTokenizer):
        raise SpecError(f"{text}: {name} cannot count its tokens; it needs token_count(n_frames) -> int")
    return tokenizer


def _as_json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tokenizer):
        return describe_tokenizer(value).identity()
    text = str(value)
    # An address says nothing; of an object passed in Python, its identity tells the content.
    return f"{type(value).__module__}.{type(value).__qualname__}" if " at 0x" in text else text
