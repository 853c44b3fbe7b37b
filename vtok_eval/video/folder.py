"""A folder of videos under test: which files it has, and which prompt each was made for."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vtok_eval.errors import VideoError
from vtok_eval.files.tables import SUFFIXES, TableFile, TableRow, read_table
from vtok_eval.video.uncounted import Uncounted

VIDEO_SUFFIXES = (
    *(".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
    *(".mts", ".ogv", ".ts", ".webm", ".wmv"),
)
"""Of files that count as videos; capitals do not matter."""
FRAME_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
"""Of the pictures in a folder of frames; those that VBench looks for."""
MANIFESTS = tuple(f"manifest{suffix}" for suffix in SUFFIXES if suffix != ".json")
"""Tables that list a folder's videos; capitals do not matter. (Other programs write a manifest.json.)"""
MANIFEST_COLUMNS = ("path", "prompt", "index")


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
    otherwise has no prompt. Prompts are in composed Unicode (NFC), however the file system stores names. A
    folder with pictures in it, called `{prompt}-{index}`, is a video by its frames (not every benchmark reads
    such). Or else the folder holds a table called `manifest.csv` (or `.tsv`, `.jsonl`, `.parquet`) with the
    columns path (relative to the folder), prompt and index; the last two may be empty. Then only the videos
    listed there count.

    names: only these files, in place of all; None takes all.
    """

    path: Path
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    def entries(self) -> tuple[VideoEntry, ...]:
        """Every video, sorted by prompt (or file name), index and path.

        A missing file that a manifest lists is included: loading it fails, so it is counted as failed and
        not lost.

        Raises:
            VideoError: no such folder, no video in it, or a manifest that cannot be read, has no path
                column, an index that is not a whole number, or one file twice.
        """
        manifest = self._manifest()
        entries = list(_from_names(self.path) if manifest is None else _from_manifest(manifest))
        if self.names is not None:
            entries = [entry for entry in entries if entry.path.name in self.names]
        if not entries:
            raise VideoError(f"{self.path}: no video in this folder ({self._looked_for(manifest)})")
        return tuple(sorted(entries, key=_order))

    def name_of(self, path: Path) -> str:
        """What a video is called in this folder: its path from there, with slashes; unique in the folder.

        Example:
            >>> VideoFolder(Path("clips")).name_of(Path("clips/night/a cat-0.mp4"))
            'night/a cat-0.mp4'
        """
        return Path(os.path.relpath(path, self.path)).as_posix()

    def uncounted(self) -> Uncounted:
        """What is in the folder, or in its manifest, and does not count.

        Raises:
            VideoError: as `entries`.
        """
        if self.names is not None:
            return Uncounted()
        manifest = self._manifest()
        counted = {os.path.abspath(entry.path) for entry in self.entries()}
        ignored = [file for file in self.path.iterdir() if os.path.abspath(file) not in counted]
        folders = {Path(path).parent for path in counted}
        found = Uncounted.of(
            [file for file in ignored if manifest is None or file != manifest.path],
            video_suffixes=VIDEO_SUFFIXES,
            used_folders=folders,
        )
        columns = (
            [] if manifest is None else [name for name in manifest.columns if name not in MANIFEST_COLUMNS]
        )
        return found.with_columns(columns)

    def manifests(self) -> tuple[Path, ...]:
        """The tables called `manifest` in the folder; none, or one where it can be read."""
        return tuple(sorted(file for file in self.path.iterdir() if file.name.lower() in MANIFESTS))

    def _manifest(self) -> TableFile | None:
        if not self.path.is_dir():
            what = "is a file, not a folder of videos" if self.path.exists() else "no such folder of videos"
            raise VideoError(f"{self.path}: {what}")
        manifests = self.manifests()
        if len(manifests) > 1:
            names = " and ".join(file.name for file in manifests)
            raise VideoError(f"{self.path}: has {names}; keep one")
        return read_table(manifests[0], error=VideoError, names=MANIFEST_COLUMNS) if manifests else None

    def _looked_for(self, manifest: TableFile | None) -> str:
        if manifest is not None:
            return f"looked for {manifest.path.name}"
        looked_for = f"looked for *{', *'.join(VIDEO_SUFFIXES)}, folders of frames"
        there = Uncounted.of(list(self.path.iterdir()), video_suffixes=VIDEO_SUFFIXES, used_folders=set())
        return f"{looked_for}; there are {there.summary()}" if there else looked_for


def composed(text: str) -> str:
    """A text in composed Unicode (NFC); macOS stores an accent in a file's name as a separate character.

    Example:
        >>> len("e\u0301"), len(composed("e\u0301"))
        (2, 1)
    """
    return unicodedata.normalize("NFC", text)


def is_frame(file: Path) -> bool:
    """Whether it is a picture that counts as a frame.

    Example:
        >>> from pathlib import Path
        >>> Path("0001.png").touch()
        >>> is_frame(Path("0001.png")), is_frame(Path("clip.mp4"))
        (True, False)
    """
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
        prompt, index = (composed(named[1]), int(named[2])) if named else (None, None)
        yield VideoEntry(path=path, prompt=prompt, index=index)


def _from_manifest(manifest: TableFile) -> Iterator[VideoEntry]:
    seen: set[str] = set()
    for row in manifest.rows:
        name = row.columns.get("path")
        if not isinstance(name, str) or not name:
            raise VideoError(
                f"{row.where}: no path; each line has path, prompt and index, not {', '.join(row.columns)}"
            )
        path = manifest.path.parent / name
        normal = os.path.normpath(path)
        if normal in seen:
            raise VideoError(f"{row.where}: {name} is listed twice")
        seen.add(normal)
        yield VideoEntry(path=path, prompt=_prompt(row), index=_index(row))


def _prompt(row: TableRow) -> str | None:
    value = row.columns.get("prompt")
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise VideoError(f"{row.where}: prompt must be a text, not {value!r}")
    return composed(value)


def _index(row: TableRow) -> int | None:
    value = row.columns.get("index")
    if value is None or value == "":
        return None
    if not isinstance(value, bool) and re.fullmatch(r"[0-9]+(\.0+)?", str(value)):
        return int(str(value).partition(".")[0])
    raise VideoError(f"{row.where}: index must be a whole number, not {value!r}")
