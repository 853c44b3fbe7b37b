"""The videos of a folder, at any depth: files, and folders of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vtok_eval.errors import DataError, VideoError
from vtok_eval.video.folder import FRAME_SUFFIXES, VIDEO_SUFFIXES


@dataclass(frozen=True)
class FoundVideo:
    """One video of a folder. name: its path within the folder, with forward slashes."""

    name: str
    path: Path


def list_videos(folder: Path, *, only: Path | None = None) -> list[FoundVideo]:
    """Every video below a folder, by name; what begins with a dot is left out.

    only: a text file that names some of them, the first word of each line (as UCF101's lists do).

    Raises:
        VideoError: there is no such folder, or no video in it.
        DataError: the text file cannot be read, or names a video that is not there.
    """
    if not folder.is_dir():
        raise VideoError(f"{folder}: there is no such folder")
    found = sorted(_walk(folder), key=lambda video: video.name)
    if not found:
        raise VideoError(
            f"{folder}: holds no video ({', '.join(VIDEO_SUFFIXES[:6])}, ...) and no folder of pictures"
        )
    return found if only is None else _chosen(found, only)


def _walk(folder: Path) -> Iterator[FoundVideo]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = [name for name in files if not name.startswith(".")]
        videos = [name for name in shown if name.lower().endswith(VIDEO_SUFFIXES)]
        for name in videos:
            path = Path(place) / name
            yield FoundVideo(path.relative_to(folder).as_posix(), path)
        if not videos and any(name.lower().endswith(FRAME_SUFFIXES) for name in shown):
            path = Path(place)
            yield FoundVideo(path.relative_to(folder).as_posix() if path != folder else folder.name, path)


def _chosen(found: list[FoundVideo], only: Path) -> list[FoundVideo]:
    try:
        lines = only.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{only}: cannot be read as a list of videos ({error})") from error
    by_name = {video.name: video for video in found}
    chosen = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if words[0] not in by_name:
            raise DataError(f"{only}, line {number}: {words[0]} is not among the {len(found):,} videos")
        chosen.append(by_name[words[0]])
    if not chosen:
        raise DataError(f"{only}: names no video")
    return chosen
