"""Objects passed in Python as systems under test, in place of spec strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vtok_eval.errors import SpecError
from vtok_eval.specs.object_identity import object_sha256
from vtok_eval.systems import Answerer, Generator, SystemKind, Tokenizer

LIVE = "live:"
_PROTOCOLS = {
    SystemKind.TOKENIZER: (Tokenizer, "encode(clips) -> Tokens"),
    SystemKind.GENERATOR: (Generator, "generate(prompts, seeds) -> Clips"),
    SystemKind.ANSWERER: (Answerer, "answer(clip, question, options) -> text or scores"),
}
_PREFIXES = {SystemKind.TOKENIZER: "", SystemKind.GENERATOR: "generator:", SystemKind.ANSWERER: "answerer:"}


@dataclass(frozen=True)
class LiveObject:
    """An object under test.

    name: in tables. identity: equal for two objects only if they are the same system: a hash of code and
    weights, or what the user calls this version.

    Example:
        >>> LiveObject("mine", object(), SystemKind.GENERATOR, identity="first try").spec
        'generator:live:mine@first try'
    """

    name: str
    subject: object
    kind: SystemKind
    identity: str

    @property
    def reference(self) -> str:
        """How a spec names it, without the prefix of its kind: its name and identity (a hash cut short)."""
        is_hash = len(self.identity) == 64
        return f"{LIVE}{self.name}@{self.identity[:12] if is_hash else self.identity}"

    @property
    def spec(self) -> str:
        """The text in place of a spec string in the run folder."""
        return _PREFIXES[self.kind] + self.reference


def live_object(subject: object, *, name: str, identity: str | None = None) -> LiveObject:
    """An object as a system under test.

    Args:
        subject: satisfies the protocol `Tokenizer`, `Generator` or `Answerer`.
        name: its name in tables.
        identity: what the user calls this version of it; None for a hash of its code and weights.

    Raises:
        SpecError: it is a class, satisfies none of the protocols or several, or cannot be identified.

    Example:
        >>> class Grey:
        ...     def encode(self, clips): ...
        >>> live_object(Grey(), name="grey", identity="first try").spec
        'live:grey@first try'
    """
    if isinstance(subject, type):
        call = f"{subject.__qualname__}(...)"
        raise SpecError(f"{name}: {subject.__qualname__} is a class; pass an object of it: {call}")
    kinds = [kind for kind, (protocol, _) in _PROTOCOLS.items() if isinstance(subject, protocol)]
    class_name = type(subject).__qualname__
    if not kinds:
        methods = ", ".join(method for _, method in _PROTOCOLS.values())
        raise SpecError(f"{name}: {class_name} has none of the methods that can be tested: {methods}")
    if len(kinds) > 1:
        raise SpecError(
            f"{name}: {class_name} is a {' and a '.join(kinds)} at once; "
            "wrap it in a class that has one of the methods"
        )
    if identity is not None and not identity.strip():
        raise SpecError(f"{name}: identity must name the object's version, not be empty")
    return LiveObject(name, subject, kinds[0], identity or object_sha256(subject, what=name))


def live_reference(spec: str, objects: Mapping[str, LiveObject]) -> LiveObject | None:
    """The object that a spec (without the prefix of its kind) names; None for any other spec.

    Raises:
        SpecError: it names an object that this process does not have.

    Example:
        >>> live_reference("vtok:grid=4", {}) is None
        True
    """
    if not spec.startswith(LIVE):
        return None
    if spec not in objects:
        raise SpecError(f"{spec} is an object of another Python process; pass it to vtok_eval.evaluate again")
    return objects[spec]
