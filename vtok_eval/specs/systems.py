"""How a suite's system entry becomes a `System`: its kind from the spec, its subject built when needed."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vtok_eval.environments.spec import is_exec
from vtok_eval.environments.systems import exec_answerer
from vtok_eval.errors import SpecError
from vtok_eval.registry import ANSWERERS
from vtok_eval.results.description import Describes, Description
from vtok_eval.specs.binding import bind, construct
from vtok_eval.specs.content import content_of
from vtok_eval.specs.grammar import MATCH, parse_spec
from vtok_eval.specs.live_objects import live_reference
from vtok_eval.specs.seeding import seeded_globally
from vtok_eval.specs.user_code import load_user_class
from vtok_eval.systems import Answerer, DecodingTokenizer, System, SystemKind

if TYPE_CHECKING:
    from vtok_eval.tokenizers.build import BuildContext
    from vtok_eval.video.folder import VideoFolder

_log = logging.getLogger(__name__)

_VIDEOS = "videos:"
_RECONSTRUCTED = "reconstructed:"
_GENERATOR = "generator:"
_ANSWERER = "answerer:"
_ORIGINALS = "originals"
_CODEC = "codec"


class NamedSpec(Protocol):
    """A system's spec and its name in tables: an entry of a suite.

    Example:
        >>> from vtok_eval.run.suite import SystemEntry
        >>> entry: NamedSpec = SystemEntry(name="vtok", spec="vtok:grid=4")
        >>> entry.name, entry.spec
        ('vtok', 'vtok:grid=4')
    """

    @property
    def name(self) -> str:
        """Its name in tables."""
        ...

    @property
    def spec(self) -> str:
        """As `build_system` reads it."""
        ...


@dataclass(frozen=True)
class VideoMaking:
    """Where a run puts the videos that are made for it, a folder for each system, and the run's seed.

    Example:
        >>> VideoMaking(Path("runs/mini/videos"), seed=0).folder.name
        'videos'
    """

    folder: Path
    seed: int


def kind_of(spec: str) -> SystemKind:
    """The kind of system that a spec names.

    Example:
        >>> kind_of("videos:my_folder"), kind_of("vtok:grid=4")
        (<SystemKind.VIDEOS: 'videos'>, <SystemKind.TOKENIZER: 'tokenizer'>)
    """
    if spec.startswith((_VIDEOS, _RECONSTRUCTED)):
        return SystemKind.VIDEOS
    if spec.startswith(_GENERATOR):
        return SystemKind.GENERATOR
    if spec == _ORIGINALS:
        return SystemKind.ORIGINALS
    if spec.partition(":")[0] == _CODEC:
        return SystemKind.CODEC
    if spec.startswith(_ANSWERER) or spec.partition(":")[0] in ANSWERERS:
        return SystemKind.ANSWERER
    return SystemKind.TOKENIZER


def build_system(entry: NamedSpec, context: BuildContext, making: VideoMaking) -> System:
    """Build what a suite's entry names.

    That is a tokenizer, a codec or an answerer by its spec, `videos:FOLDER`,
    `reconstructed:TOKENIZER@FOLDER`, `generator:FILE.py:Class`, `answerer:FILE.py:Class`, or `originals`: a
    benchmark's own clips as they are, the ceiling of what is reconstructed from tokens of them. In place of
    `FILE.py:Class`, `exec:PYTHON@FILE.py:Class` names a class in another Python environment.

    Raises:
        SpecError, UnknownNameError: the spec cannot be read or names nothing.
        MissingDependencyError: it needs a package or weights that are not there.
        VideoError: the folder of videos is missing or empty.

    Example:
        >>> import torch
        >>> from vtok_eval.run.suite import SystemEntry
        >>> from vtok_eval.tokenizers.build import BuildContext
        >>> entry = SystemEntry(name="nothing", spec="blind")
        >>> making = VideoMaking(Path("videos"), seed=0)
        >>> build_system(entry, BuildContext(device=torch.device("cpu")), making).kind
        <SystemKind.TOKENIZER: 'tokenizer'>
    """
    system = _with_content(_build(entry, context, making), context)
    objects = {ref: live.identity for ref, live in context.objects.items() if ref in entry.spec}
    if not objects:
        return system
    return replace(system, description=system.description.with_facts({"objects": objects}))


def _with_content(system: System, context: BuildContext) -> System:
    """The system, its description with the hashes of what its spec refers to: sources, weights."""
    spec = system.spec
    if spec.startswith(_VIDEOS):
        return system  # the folder is the subject itself
    if spec.startswith(_RECONSTRUCTED):
        spec = spec.removeprefix(_RECONSTRUCTED).rpartition("@")[0]
    named = [other for name, other in context.names.items() if f"{MATCH}{name}" in spec]
    facts = content_of([spec, *named]).facts()
    known = system.description.facts
    for part in facts.keys() & known.keys():
        before, found = known[part], facts[part]
        if isinstance(before, Mapping) and isinstance(found, Mapping):
            facts[part] = {**before, **found}
    return replace(system, description=system.description.with_facts(facts)) if facts else system


def _build(entry: NamedSpec, context: BuildContext, making: VideoMaking) -> System:
    if entry.spec.startswith(_VIDEOS):
        return _build_videos(entry)
    if entry.spec.startswith(_RECONSTRUCTED):
        return _build_reconstruction(entry, context, making)
    if entry.spec.startswith(_GENERATOR):
        return _build_generator(entry, context, making)
    if entry.spec == _ORIGINALS:
        return System(
            entry.name,
            entry.spec,
            SystemKind.ORIGINALS,
            None,
            Description(facts={"originals": "clips as they are, the ceiling"}),
        )
    if kind_of(entry.spec) is SystemKind.ANSWERER:
        return _build_answerer(entry, context)
    from vtok_eval.tokenizers.build import build_tokenizer, describe_tokenizer

    tokenizer = build_tokenizer(entry.spec, context)
    description = describe_tokenizer(tokenizer)
    # A spec that matches a system of the suite by name can be built again only with that name's spec.
    matched = {name: spec for name, spec in context.names.items() if f"{MATCH}{name}" in entry.spec}
    if matched:
        description = description.with_facts({"names": matched})
    return System(entry.name, entry.spec, kind_of(entry.spec), tokenizer, description)


def _build_answerer(entry: NamedSpec, context: BuildContext) -> System:
    if entry.spec.startswith(_ANSWERER):
        return _build_own_answerer(entry, context)
    name, _, argument = entry.spec.partition(":")
    build = ANSWERERS.resolve(name)
    # One whose tokenizer may match a system of the suite by name needs those names.
    given = {"names": context.names} if "names" in inspect.signature(build).parameters else {}
    answerer = build(argument, device=context.device, **given)
    own = answerer.describe() if isinstance(answerer, Describes) else Description()
    description = Description(facts={"answerer": name}) | Description.of(own)
    return System(entry.name, entry.spec, SystemKind.ANSWERER, answerer, description)


def _build_own_answerer(entry: NamedSpec, context: BuildContext) -> System:
    from vtok_eval.tokenizers.build import describe_tokenizer

    text = entry.spec.removeprefix(_ANSWERER)
    if is_exec(text):
        remote = exec_answerer(text, context.device, context.run_folder)
        return System(entry.name, entry.spec, SystemKind.ANSWERER, remote, remote.describe())
    if text.partition(":")[0] in ANSWERERS:
        raise SpecError(f"{entry.spec!r}: write {text!r}, or answerer:FILE.py:Class for a class of your own")
    live = live_reference(text, context.objects)
    if live is not None and isinstance(live.subject, Answerer):
        description = describe_tokenizer(live.subject)
        return System(entry.name, entry.spec, SystemKind.ANSWERER, live.subject, description)
    spec = parse_spec(text, known=ANSWERERS, what="answerer")
    cls = load_user_class(spec.name, method="answer", what="answerer", known=ANSWERERS)
    arguments = bind(cls, spec.options, what=spec.name, given={"device": context.device})
    with seeded_globally():
        answerer = construct(cls, arguments, what=entry.spec)
    if not isinstance(answerer, Answerer):
        raise SpecError(f"{spec.name} is not an answerer; it needs a method answer(clip, question, options)")
    return System(entry.name, entry.spec, SystemKind.ANSWERER, answerer, describe_tokenizer(answerer))


def _build_generator(entry: NamedSpec, context: BuildContext, making: VideoMaking) -> System:
    from vtok_eval.results.store import folder_name
    from vtok_eval.tokenizers.build import build_generator, describe_tokenizer
    from vtok_eval.video.made import GeneratedVideos

    generator = build_generator(entry.spec.removeprefix(_GENERATOR), context)
    videos = GeneratedVideos(generator, making.folder / folder_name(entry.name), making.seed)
    seeds = {"seeds": "the run's seed plus the video's index"}
    description = describe_tokenizer(generator).with_facts(seeds)
    return System(entry.name, entry.spec, SystemKind.GENERATOR, videos, description)


def _build_reconstruction(entry: NamedSpec, context: BuildContext, making: VideoMaking) -> System:
    from vtok_eval.results.store import folder_name
    from vtok_eval.tokenizers.build import build_tokenizer, describe_tokenizer
    from vtok_eval.video.made import ReconstructedVideos

    spec, _, where = entry.spec.removeprefix(_RECONSTRUCTED).rpartition("@")
    if not spec or not where:
        raise SpecError(f"{entry.spec!r} must be reconstructed:TOKENIZER@FOLDER (or @shipped)")
    tokenizer = build_tokenizer(spec, context)
    if not isinstance(tokenizer, DecodingTokenizer):
        raise SpecError(f"{spec} cannot decode; a reconstruction needs a method decode(tokens) -> Clips")
    videos = ReconstructedVideos(
        tokenizer, _folder(where), making.folder / folder_name(entry.name), context.device
    )
    about = describe_tokenizer(tokenizer)
    description = _about_folder(videos.source, where, key="reconstruction_of")
    description |= Description(caveats=about.caveats, facts={"tokenizer": about.identity()})
    return System(entry.name, entry.spec, SystemKind.VIDEOS, videos, description)


def _folder(where: str) -> VideoFolder:
    from vtok_eval.video.sources import VideoFolder, shipped_clips

    return shipped_clips() if where == "shipped" else VideoFolder(Path(where))


def _build_videos(entry: NamedSpec) -> System:
    where = entry.spec.removeprefix(_VIDEOS)
    if not where:
        raise SpecError(f"{entry.spec!r} names no folder; write videos:FOLDER or videos:shipped")
    folder = _folder(where)
    return System(
        entry.name, entry.spec, SystemKind.VIDEOS, folder, _about_folder(folder, where, key="videos")
    )


def _about_folder(folder: VideoFolder, where: str, *, key: str) -> Description:
    """How many videos a folder has, and what in it does not count; the latter is also logged."""
    n_videos, uncounted = len(folder.entries()), folder.uncounted()
    facts: dict[str, object] = {key: where, "n_videos": n_videos}
    if not uncounted:
        return Description(facts=facts)
    note = f"{where}: {n_videos} videos are counted; not counted: {uncounted.summary()}"
    _log.warning("%s", note)
    return Description(facts={**facts, "not_counted": uncounted.to_json()}, notes=(note,))
