"""What made the numbers of a system and of a benchmark: sources, weights, data and settings, by content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vtok_eval.devices.precision import AUTO
from vtok_eval.files.content_hash import files_sha256, folder_files
from vtok_eval.results.identity import SETTINGS, digest_of_parts
from vtok_eval.run.reuse.own_code import code_of
from vtok_eval.specs.content import Content, class_content, content_of
from vtok_eval.specs.live_objects import LIVE
from vtok_eval.systems import SystemKind

if TYPE_CHECKING:
    from vtok_eval.benchmark import Benchmark, ClipSource, Sample
    from vtok_eval.results.description import Description
    from vtok_eval.systems import System
    from vtok_eval.video.folder import VideoFolder

_PARTS = ("sources", "files", "state_sha256")
"""Facts of a description that are parts of their own."""

_LISTED = 300
"""Files whose hashes run.json keeps one by one."""

_PATHS = frozenset({"videos", "reconstruction_of", "file"})
"""Facts that say where something is, not what it is."""


@runtime_checkable
class ReadsMoreClips(Protocol):
    """A benchmark that reads clips from files besides those of its samples: training clips, say."""

    def more_sources(self, system: System) -> Sequence[ClipSource]:
        """The clips that a system's results depend on and that no sample has."""
        ...


def system_identity(system: System) -> dict[str, object]:
    """Everything that a system's results depend on, by parts.

    kind; spec and description (paths replaced by their last part); sources of the user's own code; files
    (weights); state (weights in memory); videos (a folder's); seed (of generated videos); code of ours. Of an
    object that was passed in Python, its identity alone.
    """
    facts = system.description.facts
    if LIVE in system.spec and "objects" in facts:
        # What an object is, its caller says, or a hash of its code and weights.
        objects = facts["objects"]
        identities = list(objects.values()) if isinstance(objects, Mapping) else objects
        return {"kind": str(system.kind), "object": identities}
    content = content_of(_own_specs(system))
    classes = [type(system.subject)] if system.subject is not None else []
    classes += [type(part) for part in _inner(system.subject)]
    modules = {cls.__module__ for cls in classes} | content.ours
    for cls in classes:
        modules |= class_content(cls).ours
    parts: dict[str, object] = {
        "kind": str(system.kind),
        "spec": _plain_spec(system, content),
        "description": _plain(_described(system.description), content),
        "code": code_of(sorted(modules)),
    }
    parts |= {part: facts[part] for part in ("sources", "files") if part in facts}
    if "state_sha256" in facts:
        parts["state"] = facts["state_sha256"]
    folder = _video_folder(system)
    if folder is not None:
        parts["videos"] = _listing(_folder_content(folder))
    if system.kind is SystemKind.GENERATOR:
        parts["seed"] = system.subject.seed
    return parts


def benchmark_identity(
    benchmark: Benchmark,
    options: Mapping[str, object],
    *,
    description: Description,
    run: Mapping[str, object],
    jobs: Iterable[tuple[System, Iterable[Sample]]],
) -> dict[str, object]:
    """Everything but the system that a benchmark's results depend on, by parts.

    settings: name, version, effective options, data, protocol, seed and limit: runs that agree in them can be
    compared. sources and files: that options name. clips: the files that are shown. threads, precision and
    code: may move a score's last digits.

    Args:
        benchmark: the benchmark. options: as the suite gives them.
        description: what it says of itself.
        run: seed, limit and threads of the run.
        jobs: each system that it meets, with the samples.
    """
    content = content_of(text for value in options.values() for text in _texts(value))
    own = class_content(type(benchmark))
    effective = {**options, **_mapping(description.options)}
    facts = {key: value for key, value in _described(description).items() if key not in ("options", "data")}
    settings = {
        "benchmark": benchmark.name,
        "version": benchmark.version,
        **{name: _plain(value, content) for name, value in effective.items() if name != "data"},
        **({"data": _plain(description.data, content)} if description.data else {}),
        **{name: _plain(value, content) for name, value in facts.items() if name not in effective},
        "seed": run["seed"],
        "limit": run["limit"],
    }
    clips = files_sha256(_clip_files(benchmark, jobs), root=Path.cwd())
    parts: dict[str, object] = {
        SETTINGS: settings,
        "threads": run["threads"],
        # Runs that do not choose are known as those from before there was a choice.
        **({} if run.get("precision", AUTO) == AUTO else {"precision": run["precision"]}),
        "code": code_of(sorted({type(benchmark).__module__} | content.ours | own.ours)),
    }
    sources = {**own.files, **content.sources}
    named = {"sources": sources, "files": content.files, "clips": _listing(_by_name(clips))}
    return parts | {part: found for part, found in named.items() if found}


def _own_specs(system: System) -> list[str]:
    if system.kind is SystemKind.VIDEOS:
        return [system.spec.partition(":")[2].rpartition("@")[0]]
    return [system.spec]


def _inner(subject: object) -> Iterator[object]:
    """What a system's results come from besides its class: a tokenizer behind a contract, its backbone."""
    for name in ("inner", "tokenizer", "generator", "backbone"):
        part = getattr(subject, name, None)
        if part is not None and not isinstance(part, str | int | float | bool):
            yield part
            yield from _inner(part)


def _described(description: Description) -> dict[str, object]:
    return {key: value for key, value in description.identity().items() if key not in _PARTS}


def _plain_spec(system: System, content: Content) -> str:
    if system.kind is SystemKind.VIDEOS:
        kind, _, rest = system.spec.partition(":")
        return str(_plain(f"{kind}:{rest.rpartition('@')[0]}", content))
    return str(_plain(system.spec, content))


def _plain(value: object, content: Content) -> object:
    """A JSON value with each path in its texts replaced by the last part of the path."""
    if isinstance(value, Mapping):
        return {key: _plain(each, content) for key, each in value.items() if key not in _PATHS}
    if isinstance(value, list | tuple):
        return [_plain(each, content) for each in value]
    if isinstance(value, str):
        for path in sorted(content.names, key=len, reverse=True):
            value = value.replace(path, content.names[path])
    return value


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _mapping(value: Mapping[str, object]) -> dict[str, object]:
    return dict(value)


def _video_folder(system: System) -> VideoFolder | None:
    from vtok_eval.video.folder import VideoFolder

    subject = getattr(system.subject, "source", system.subject)
    return subject if isinstance(subject, VideoFolder) else None


def _folder_content(folder: VideoFolder) -> dict[str, str]:
    """By name: the hash of each video's file or frames, and of the manifest."""
    entries = [entry.path for entry in folder.entries()]
    frames = [file for path in entries if path.is_dir() for file in folder_files(path)]
    videos = [path for path in entries if not path.is_dir()]
    return files_sha256([*videos, *frames, *folder.manifests()], root=folder.path)


def _clip_files(benchmark: Benchmark, jobs: Iterable[tuple[System, Iterable[Sample]]]) -> Iterator[Path]:
    """The files of a benchmark's own clips; a folder of videos under test is a part of its system."""
    found: dict[Path, None] = {}
    for system, samples in jobs:
        if system.kind in (SystemKind.VIDEOS, SystemKind.GENERATOR):
            continue
        sources = [sample.clip for sample in samples if sample.clip is not None]
        if isinstance(benchmark, ReadsMoreClips):
            sources += benchmark.more_sources(system)
        for source in dict.fromkeys(sources):
            found |= dict.fromkeys(getattr(source, "files", ()))
    yield from found


def _listing(files: Mapping[str, str]) -> dict[str, str]:
    """Hashes by name; of very many files one hash of all."""
    if len(files) <= _LISTED:
        return dict(files)
    return {f"one of {len(files):,} files": digest_of_parts(files)}


def _by_name(clips: Mapping[str, str]) -> dict[str, str]:
    """By the files' names, which are the same wherever the data are; two of one name keep their paths."""
    names = [Path(path).name for path in clips]
    return {
        path if names.count(name) > 1 else name: found
        for (path, found), name in zip(clips.items(), names, strict=True)
    }
