"""What the site shows of single samples: a page for each run, and a strip of what each system decodes."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from reports.leaderboard.boards import Board, BoardEntry, slug
from reports.leaderboard.sources import BoardSource
from reports.plots.sheets import SheetRow, sheet_of
from reports.viewer.bundle import write_viewer
from vtok_eval.errors import RunFolderError

VIEW = "view"
"""In a run folder: the page that `vtok-eval view RUN --out RUN/view` wrote, clips and all."""
STRIP_HEIGHT = 96
"""Pixels of a strip's frames, at most."""
STRIP_QUALITY = 82


def write_samples(folder: Path, sources: Sequence[BoardSource]) -> dict[str, str]:
    """Write the samples' pages of your own runs into a site; returns their paths within it, by run.

    A run's page with clips is taken as it is (see `VIEW`); else one without clips is made. Submissions have
    none.

    Raises:
        RunFolderError: a run cannot be read, or its page not be written.
    """
    written = {}
    for source in sources:
        if source.run.path is None:
            continue
        name = slug(source.run.name)
        place = folder / "samples" / name
        made = source.run.path / VIEW
        if (made / "index.html").is_file():
            shutil.copytree(made, place)
        else:
            write_viewer([source.run.path], place, {}, clips=0)
        written[source.run.name] = f"samples/{name}/index.html"
    return written


def samples_link(board: Board, entry: BoardEntry, written: Mapping[str, str]) -> str:
    """The page of the samples of an entry on a board, within the site; empty where there is none."""
    page = written.get(entry.source.run.name)
    if page is None:
        return ""
    return f"{page}#{urlencode({'benchmark': _benchmark_id(board, entry), 'a': entry.system.name})}"


def _benchmark_id(board: Board, entry: BoardEntry) -> str:
    """What the board's benchmark is called in the entry's run."""
    return next(iter(entry.scores.values())).benchmark if entry.scores else board.benchmark.id


def strip_of(board: Board, entry: BoardEntry) -> tuple[bytes, str] | None:
    """Frames of a clip, what the system decodes of them below, as WebP, with an alternative text.

    None where the system's job kept no sheet of reconstructions.

    Raises:
        RunFolderError: the sheet breaks its contract, or a frame cannot be read.
    """
    if entry.source.run.path is None:
        return None
    found = sheet_of(entry.source.run.path, f"{_benchmark_id(board, entry)}/{entry.system.name}")
    if found is None:
        return None
    folder, rows = found
    shown = [row for row in rows if row.clip == rows[0].clip]
    return _strip(folder, shown), f"Frames of {shown[0].clip or 'a clip'}, from top to bottom: " + ", ".join(
        row.title for row in shown
    )


def _strip(folder: Path, rows: Sequence[SheetRow]) -> bytes:
    from PIL import Image

    try:
        frames = [[Image.open(folder / name).convert("RGB") for name in row.frames] for row in rows]
    except (OSError, SyntaxError) as error:  # Pillow calls a broken PNG a SyntaxError
        raise RunFolderError(f"{folder}: a frame cannot be read as PNG: {error}") from error
    scale = min(1.0, STRIP_HEIGHT / frames[0][0].height)
    width, height = (max(1, round(side * scale)) for side in frames[0][0].size)
    sheet = Image.new("RGB", (max(map(len, frames)) * width, len(frames) * height))
    for y, row in enumerate(frames):
        for x, frame in enumerate(row):
            sheet.paste(frame.resize((width, height)), (x * width, y * height))
    content = io.BytesIO()
    sheet.save(content, "WEBP", quality=STRIP_QUALITY)
    return content.getvalue()
