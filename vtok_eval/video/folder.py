"""A folder of videos as a thing under test: which files it has, and which prompt each was made for."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtok_eval.errors import VideoError

VIDEO_SUFFIXES = (".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm")
FRAME_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
"""Of the pictures in a folder of frames; those that VBench looks for."""
MANIFESTS = ("manifest.csv", "manifest.jsonl")


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
    (not every benchmark reads such). Or else the folder holds `manifest.csv` or `manifest.jsonl` with the
    columns path (relative to the folder), prompt and index, of which the last two may be empty; then it alone
    counts.

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
        manifests = [self.path / name for name in MANIFESTS if (self.path / name).is_file()]
        if len(manifests) > 1:
            raise VideoError(f"{self.path}: has both {' and '.join(MANIFESTS)}; keep one")
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
    for line, row in _rows(manifest):
        if not row.get("path"):
            raise VideoError(f"{manifest}, line {line}: no path; each line needs path, prompt and index")
        path = manifest.parent / str(row["path"])
        if path in seen:
            raise VideoError(f"{manifest}, line {line}: {row['path']} is listed twice")
        seen.add(path)
        yield VideoEntry(path=path, prompt=_text(row.get("prompt")), index=_index(row, manifest, line))


def _rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        text = manifest.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise VideoError(f"{manifest}: cannot be read ({error})") from error
    if manifest.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        for row in reader:
            yield reader.line_num, row
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise VideoError(f"{manifest}, line {number}: not JSON ({error.msg})") from error
        if not isinstance(row, dict):
            raise VideoError(f"{manifest}, line {number}: must be an object with path, prompt and index")
        yield number, row


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _index(row: Mapping[str, Any], manifest: Path, line: int) -> int | None:
    text = _text(row.get("index"))
    if text is None:
        return None
    if not re.fullmatch(r"\d+", text):
        raise VideoError(f"{manifest}, line {line}: index must be a whole number, not {text!r}")
    return int(text)
