"""What is in a folder of videos and does not count, so that a report can say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_NAMED = 3
"""How many names a line gives as examples."""
_KEPT = 100
"""How many names of a kind run.json keeps."""


@dataclass(frozen=True)
class Uncounted:
    """Names of what does not count, by kind, each sorted; true if there is anything.

    broken_links: links that lead nowhere. subfolders: folders without pictures. hidden: videos whose names
    begin with a dot. unlisted: videos that the manifest does not list. other_files: files of other kinds.
    unknown_columns: of the manifest.

    Example:
        >>> found = Uncounted(subfolders=("old",), other_files=("a.txt", "b.txt", "c.json"))
        >>> found.summary()
        '1 subfolder (old), 3 files of other kinds (2 .txt, 1 .json)'
    """

    broken_links: tuple[str, ...] = ()
    subfolders: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    other_files: tuple[str, ...] = ()
    unknown_columns: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, paths: Iterable[Path], *, video_suffixes: Collection[str], used_folders: Collection[Path]
    ) -> Uncounted:
        """Those of these paths; a folder that holds counted videos (`used_folders`) is left out."""
        found: dict[str, list[str]] = {}
        for path in sorted(paths):
            kind = None if path.is_dir() and _leads_to(path, used_folders) else _kind(path, video_suffixes)
            if kind is not None:
                found.setdefault(kind, []).append(path.name)
        return cls(**{kind: tuple(names) for kind, names in found.items()})

    def with_columns(self, names: Sequence[str]) -> Uncounted:
        """The same with a manifest's columns that nothing reads."""
        return replace(self, unknown_columns=tuple(names))

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def summary(self) -> str:
        """All of it in one line."""
        parts = [
            _listed(self.broken_links, "broken link"),
            _listed(self.subfolders, "subfolder"),
            _listed(self.hidden, "hidden video"),
            _listed(self.unlisted, "unlisted video"),
            _by_suffix(self.other_files),
            _listed(self.unknown_columns, "unknown manifest column"),
        ]
        return ", ".join(part for part in parts if part)

    def to_json(self) -> dict[str, object]:
        """For run.json: per kind, how many there are and the names of the first hundred."""
        return {
            kind: {"count": len(names), "names": list(names[:_KEPT])}
            for kind, names in vars(self).items()
            if names
        }


def _kind(path: Path, video_suffixes: Collection[str]) -> str | None:
    is_video = path.suffix.lower() in video_suffixes
    if path.is_symlink() and not path.exists():
        return "broken_links"
    if path.name.startswith("."):
        return "hidden" if is_video and path.is_file() else None
    if path.is_dir():
        return "subfolders"
    return "unlisted" if is_video else "other_files"


def _leads_to(folder: Path, used: Collection[Path]) -> bool:
    here = folder.absolute()
    return any(here == each or here in each.parents for each in used)


def _listed(names: Sequence[str], one: str) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names)} {one if len(names) == 1 else one + 's'} ({shown})"


def _by_suffix(names: Sequence[str]) -> str:
    if not names:
        return ""
    suffixes = Counter(Path(name).suffix.lower() or "without a suffix" for name in names)
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(_NAMED))
    more = ", ..." if len(suffixes) > _NAMED else ""
    return f"{len(names)} {'file' if len(names) == 1 else 'files'} of other kinds ({kinds}{more})"
