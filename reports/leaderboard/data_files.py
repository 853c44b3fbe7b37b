"""The site's data files: JSON and CSV of everything, and the same as scripts for file://."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from reports.leaderboard.boards import Board, BoardEntry
from reports.leaderboard.charts import family_classes
from reports.leaderboard.views import board_view, why_unranked
from reports.tables.csv_text import safe_cell
from vtok_eval.results.records import SCORE_NUMBERS, Metric

SCHEMA_VERSION = 1
"""Of leaderboard.json; raised when a reader of version N could misread version N+1."""

SCORE_COLUMNS = (
    "board",
    "benchmark",
    "version",
    "setting",
    "system",
    "id",
    "run",
    "kind",
    "spec",
    "control",
    "caveats",
    "submitted",
    "tokens_per_clip",
    "metric",
    "title",
    "unit",
    "higher_is_better",
    *SCORE_NUMBERS,
    "sound",
    "rank",
    "worst_rank",
    "why_unranked",
    "method",
    "label",
)
PAIR_COLUMNS = (
    *("metric", "a", "b", "difference", "low", "high", "p", "p_corrected", "no_test", "n", "n_clusters"),
)


def as_json(content: object) -> str:
    r"""Compact strict JSON that is also safe inside a script: `<`, `>` and `&` are escaped.

    Example:
        >>> as_json({"name": "<b>"})
        '{"name":"\\u003cb\\u003e"}'
    """
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def as_script(kind: str, content: object) -> str:
    r"""The content as a script that hands it to the site's own; a page of file:// cannot fetch JSON.

    Example:
        >>> as_script("scores", [1, 2])
        'window.vtokEval.scores([1,2]);\n'
    """
    return f"window.vtokEval.{kind}({as_json(content)});\n"


def leaderboard_json(boards: Sequence[Board]) -> dict[str, Any]:
    """Everything but the pairs, which are one file per board."""
    families = family_classes(boards)
    return {"schema_version": SCHEMA_VERSION, "boards": [board_view(board, families) for board in boards]}


def scores_csv(boards: Sequence[Board]) -> str:
    """Every score of every board, a row each; values in the metrics' units (fractions from 0 to 1)."""
    rows = (
        _score_row(board, entry, metric)
        for board in boards
        for entry in board.entries
        for metric in board.metrics
        if metric.name in entry.scores
    )
    return _csv(SCORE_COLUMNS, rows)


def pairs_csv(board: Board) -> str:
    """Every paired test of a board, a row each: system a minus system b."""
    return _csv(PAIR_COLUMNS, ([getattr(pair, name) for name in PAIR_COLUMNS] for pair in board.pairs))


def _score_row(board: Board, entry: BoardEntry, metric: Metric) -> list[object]:
    score = entry.scores[metric.name]
    why = "; ".join(entry.reasons) or ("a control" if entry.control else why_unranked(board, metric))
    headline = metric in board.headline
    rank = board.ranks.get((entry.key, metric.name))
    return [
        board.key,
        board.benchmark.name,
        board.benchmark.version,
        board.setting,
        entry.name,
        entry.key,
        entry.source.run.name,
        entry.system.kind,
        entry.system.spec,
        entry.control,
        "; ".join((*entry.caveats, *board.caveats)),
        entry.source.manifest is not None,
        entry.tokens,
        metric.name,
        metric.title,
        metric.unit,
        metric.higher_is_better,
        *(getattr(score, name) for name in SCORE_NUMBERS),
        score.sound,
        None if rank is None else rank.best,
        None if rank is None else rank.worst,
        why if headline else why or "no headline metric",
        score.method,
        board.label,
    ]


def _csv(columns: Sequence[str], rows: Iterator[list[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue()
