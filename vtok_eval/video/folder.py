"""A folder of videos as a thing under test: which files it has, and which prompt each was made for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vtok_eval.errors import VideoError
from vtok_eval.files.tables import SUFFIXES, TableRow, read_table

VIDEO_SUFFIXES = (".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm")
FRAME_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
"""Of the pictures in a folder of frames; those that VBench looks for."""
MANIFESTS = tuple(f"manifest{suffix}" for suffix in SUFFIXES if suffix != ".json")
"""Tables that list a folder's videos; capitals do not matter. (Other programs write a manifest.json.)"""


@dataclass(frozen=True)
class VideoEntry:
    """One video: its file (or folder of frames), the prompt it was made for and which of that prompt's it is,
    where known.
    """

    path: Path
    prompt: str | None
    index: int | None


@dataclass(frozen=True)
class VideoFolder:
    """A folder of videos, the subject of a system of kind "videos".

    Files are called `{prompt}-{index}.mp4` as VBench names them, any of `VIDEO_SUFFIXES`; a file called
    otherwise has no prompt. A folder with pictures in it, called `{prompt}-{index}`, is a video by its frames
    (not every benchmark reads such). Or else the folder holds a table called `manifest.csv` (or `.tsv`,
    `.jsonl`, `.parquet`) with the columns path (relative to the folder), prompt and index, of which
    the last two may be empty; then only the videos listed there count.

    names: only these files, in place of all; None takes all.
    """

    path: Path
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    def entries(self) -> tuple[VideoEntry, ...]:
        """Every video, sorted by prompt (or file name), index and path.

        A file that a manifest lists and that is not there is listed all the same: loading it fails, so it is
        counted as failed and not lost.

        Raises:
            VideoError: no such folder, no video in it, or a manifest that cannot be read, has no path
                column, an index that is no whole number, or one file twice.
        """
        if not self.path.is_dir():
            what = "is a file, not a folder of videos" if self.path.exists() else "no such folder of videos"
            raise VideoError(f"{self.path}: {what}")
        manifests = sorted(file for file in self.path.iterdir() if file.name.lower() in MANIFESTS)
        if len(manifests) > 1:
            names = " and ".join(file.name for file in manifests)
            raise VideoError(f"{self.path}: has {names}; keep one")
        entries = list(_from_manifest(manifests[0]) if manifests else _from_names(self.path))
        if self.names is not None:
            entries = [entry for entry in entries if entry.path.name in self.names]
        if not entries:
            source = manifests[0].name if manifests else f"*{', *'.join(VIDEO_SUFFIXES)}, folders of frames"
            raise VideoError(f"{self.path}: no video in this folder (looked for {source})")
        return tuple(sorted(entries, key=_order))


def is_frame(file: Path) -> bool:
    """Whether it is a picture that counts as a frame."""
    return file.suffix.lower() in FRAME_SUFFIXES and not file.name.startswith(".") and file.is_file()


def is_frame_folder(path: Path) -> bool:
    """Whether it is a folder with at least one picture in it."""
    return path.is_dir() and any(is_frame(file) for file in path.iterdir())


def _order(entry: VideoEntry) -> tuple[str, int, str]:
    prompt = entry.path.stem if entry.prompt is None else entry.prompt
    return prompt, -1 if entry.index is None else entry.index, str(entry.path)


def _from_names(folder: Path) -> Iterator[VideoEntry]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        frames = is_frame_folder(path)
        if not frames and (path.suffix.lower() not in VIDEO_SUFFIXES or not path.is_file()):
            continue
        named = re.fullmatch(r"(.+)-(\d+)", path.name if frames else path.stem, flags=re.DOTALL)
        prompt, index = (named[1], int(named[2])) if named else (None, None)
        yield VideoEntry(path=path, prompt=prompt, index=index)


def _from_manifest(manifest: Path) -> Iterator[VideoEntry]:
    seen: set[Path] = set()
    for row in read_table(manifest, error=VideoError, names=("path", "prompt", "index")).rows:
        name = row.columns.get("path")
        if not isinstance(name, str) or not name:
            raise VideoError(
                f"{row.where}: no path; each line has path, prompt and index, not {', '.join(row.columns)}"
            )
        path = manifest.parent / name
        if path in seen:
            raise VideoError(f"{row.where}: {name} is listed twice")
        seen.add(path)
        yield VideoEntry(path=path, prompt=_prompt(row), index=_index(row))


def _prompt(row: TableRow) -> str | None:
    value = row.columns.get("prompt")
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise VideoError(f"{row.where}: prompt must be a text, not {value!r}")
    return value


def _index(row: TableRow) -> int | None:
    value = row.columns.get("index")
    if value is None or value == "":
        return None
    if not isinstance(value, bool) and re.fullmatch(r"[0-9]+(\.0+)?", str(value)):
        return int(str(value).partition(".")[0])
    raise VideoError(f"{row.where}: index must be a whole number, not {value!r}")
