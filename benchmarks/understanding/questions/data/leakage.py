"""Finds clips that are in two sets: by path, by name, by content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from benchmarks.understanding.questions.data.video_library import ArchivedVideo
from vtok_eval.errors import VideoError
from vtok_eval.video.sources import VideoFile, content_hash

if TYPE_CHECKING:
    from vtok_eval.benchmark import ClipSource


def shared_clips(ours: Mapping[str, ClipSource], theirs: Mapping[str, ClipSource]) -> frozenset[str]:
    """Names of our clips that are also theirs: same name (without folders and suffix), or equal bytes.

    Two clips with one name and different sizes may be one video encoded twice, so they count as the same.
    Files are read only if the other side has one of the same size. Missing clips are compared by name alone,
    folders of pictures by the folder's name.
    """
    names = {_stem(name) for name in theirs}
    shared = {name for name in ours if _stem(name) in names}
    by_size: dict[int, list[ClipSource]] = defaultdict(list)
    for source in theirs.values():
        by_size[_size(source)].append(source)
    hashes: dict[int, frozenset[str | None]] = {}
    for name, source in ours.items():
        size = _size(source)
        if name in shared or size <= 0 or size not in by_size:
            continue
        if size not in hashes:
            hashes[size] = frozenset(_content(other) for other in by_size[size])
        if (content := _content(source)) is not None and content in hashes[size]:
            shared.add(name)
    return frozenset(shared)


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem


def _size(source: ClipSource) -> int:
    """Bytes of a clip's file; 0 for what is not a single file."""
    if isinstance(source, VideoFile):
        return source.path.stat().st_size if source.path.is_file() else 0
    if isinstance(source, ArchivedVideo) and source.frame_rate is None:
        return source.archive.members[source.members[0]]
    return 0


def _content(source: ClipSource) -> str | None:
    """The hash of a clip's file; None if it cannot be read, which loading the clip will report."""
    try:
        return content_hash(_file(source))
    except VideoError:
        return None


def _file(source: ClipSource) -> Path:
    if isinstance(source, VideoFile):
        return source.path
    if isinstance(source, ArchivedVideo):
        source.archive.extract(source.members[:1])
        return source.archive.extracted(source.members[0])
    raise VideoError(f"{type(source).__name__} is not a file")
