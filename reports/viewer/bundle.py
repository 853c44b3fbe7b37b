"""Writes the page with everything it shows into a folder, for any web server or to be opened as a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Protocol

from reports.viewer.samples import SampleGroup, sample_groups, script
from vtok_eval.errors import RunFolderError
from vtok_eval.results.store import write_bytes

STATIC = ("index.html", "viewer.css", "viewer.js")


class ClipPictures(Protocol):
    """Makes pictures of a sample's clip and of what systems decode from their tokens of it."""

    def of(self, benchmark: str, sample_id: str, systems: Sequence[str]) -> Mapping[str, object]:
        """JSON for the page: `truth`, `strips` and `notes`, which say what could not be shown."""
        ...


def write_viewer(
    runs: Sequence[Path], out: Path, pictures: Mapping[Path, ClipPictures], *, clips: int
) -> Path:
    """Write the page of some runs' samples to `out`; returns the path of its `index.html`.

    pictures: by run; a run without has no clips. clips: of each benchmark, of how many samples clips are
    shown: those on which the systems differ most.

    Raises:
        RunFolderError: a run cannot be read, or the folder not be written.
    """
    groups = sample_groups(runs)
    shown = {group.index: group.most_disputed(clips) if group.run in pictures else [] for group in groups}
    for name, content in page_files(groups, shown=shown):
        _write(out / name, content)
    for group in groups:
        for i in shown[group.index]:
            found = pictures[group.run].of(group.benchmark, group.sample_ids[i], group.systems)
            _write(out / clip_file(group.index, i), clip_script(group.index, i, found))
    return out / "index.html"


def page_files(
    groups: Sequence[SampleGroup], *, shown: Mapping[int, Sequence[int]] | None
) -> Iterator[tuple[str, bytes]]:
    """Every file but the clips, by its path in the bundle. shown: samples with clips; None: all of them."""
    for name in STATIC:
        yield name, (resources.files("reports.viewer") / "static" / name).read_bytes()
    overview = [
        {**group.overview(), "clips": None if shown is None else sorted(shown[group.index])}
        for group in groups
    ]
    yield "data.js", script("viewer.open", overview).encode()
    for group in groups:
        for piece, details in group.details():
            content = script("viewer.details", group.index, piece, details)
            yield f"details/{group.index}/{piece}.js", content.encode()


def clip_file(group: int, sample: int) -> str:
    """Where the clips of a sample are in the bundle."""
    return f"clips/{group}/{sample}.js"


def clip_script(group: int, sample: int, content: Mapping[str, object]) -> bytes:
    """The file of a sample's clips."""
    return script("viewer.clips", group, sample, content).encode()


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    write_bytes(path, content)
