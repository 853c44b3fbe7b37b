"""Where the data of a benchmark of questions are looked for."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.understanding.questions.data.tables import matching_files
from benchmarks.understanding.questions.description import BenchmarkDescription
from vtok_eval.files.cache_folder import cache_path
from vtok_eval.files.data_folder import DATA_VARIABLE


def data_folder(description: BenchmarkDescription, data: str | None = None) -> Path:
    """Where a benchmark's data are expected, whether or not they exist.

    `data`, or the folder with the benchmark's name in it; else `$VTOK_EVAL_DATA` likewise; else the cache's.
    A data set may itself contain a folder of its name, as Video-MME does: of the two, the one whose files
    match an earlier pattern of the tables is taken.
    """
    named = data or os.environ.get(DATA_VARIABLE)
    if not named:
        return cache_path() / "data" / description.name
    folder = Path(named).expanduser()
    inside = folder / description.name
    if not inside.is_dir():
        return folder
    return min((inside, folder), key=lambda place: _rank(description, place))


def _rank(description: BenchmarkDescription, folder: Path) -> int:
    """The number of the first pattern that any table has files for in the folder; past the last for none."""
    ranks = [
        next(
            (i for i, pattern in enumerate(table.files) if matching_files(folder, [pattern])),
            len(table.files),
        )
        for table in description.tables
    ]
    return min(ranks)
