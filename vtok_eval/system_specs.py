"""How a suite's system entry becomes a `System`: its kind from the spec, its subject built when needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.benchmark import System
from vtok_eval.errors import SpecError
from vtok_eval.registry import ANSWERERS

if TYPE_CHECKING:
    from vtok_eval.suite import SystemEntry
    from vtok_eval.tokenizers.build import BuildContext

_VIDEOS = "videos:"


def kind_of(spec: str) -> str:
    """The kind of system that a spec names: "videos", "answerer" or "tokenizer"."""
    if spec.startswith(_VIDEOS):
        return "videos"
    return "answerer" if spec.partition(":")[0] in ANSWERERS else "tokenizer"


def build_system(entry: SystemEntry, context: BuildContext) -> System:
    """Build what a suite's entry names.

    Raises:
        SpecError, UnknownNameError: the spec cannot be read or names nothing.
        MissingDependencyError: it needs a package or weights that are not there.
        VideoError: the folder of videos is missing or empty.
    """
    if kind_of(entry.spec) == "videos":
        return _build_videos(entry)
    if kind_of(entry.spec) == "answerer":
        return _build_answerer(entry, context)
    from vtok_eval.tokenizers.build import build_tokenizer, describe_tokenizer

    tokenizer = build_tokenizer(entry.spec, context)
    description = dict(describe_tokenizer(tokenizer))
    # A spec that matches a system of the suite by name can be built again only with that name's spec.
    matched = {name: spec for name, spec in context.names.items() if f"match:{name}" in entry.spec}
    if matched:
        description["names"] = matched
    return System(entry.name, entry.spec, "tokenizer", tokenizer, description)


def _build_answerer(entry: SystemEntry, context: BuildContext) -> System:
    name, _, argument = entry.spec.partition(":")
    answerer = ANSWERERS.resolve(name)(argument, device=context.device)
    describe = getattr(answerer, "describe", dict)
    return System(entry.name, entry.spec, "answerer", answerer, {"answerer": name, **describe()})


def _build_videos(entry: SystemEntry) -> System:
    from vtok_eval.video.sources import VideoFolder, shipped_clips

    where = entry.spec.removeprefix(_VIDEOS)
    if not where:
        raise SpecError(f"{entry.spec!r} names no folder; write videos:FOLDER or videos:shipped")
    folder = shipped_clips() if where == "shipped" else VideoFolder(Path(where))
    return System(
        entry.name, entry.spec, "videos", folder, {"videos": where, "n_videos": len(folder.entries())}
    )
