"""The first page: every system on every benchmark, with its rank, or why it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reports.leaderboard.boards import Board, BoardEntry
from reports.leaderboard.views import metric_view, ordered, row_view
from reports.text.wording import MISSING
from vtok_eval.results.records import Metric

MOST_METRICS = 3
"""Columns of a benchmark on this page; its own page has all of its measures."""
MOST_LEADERS = 4
"""Names that share a first place; of more, their number is said."""


@dataclass(frozen=True)
class OverviewRow:
    """A system: its name, and a cell for each column, None where the benchmark did not measure it."""

    entry: BoardEntry
    view: Mapping[str, Any]
    cells: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)


def overview(boards: Sequence[Board], families: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows: columns by benchmark, a row for each system, and who leads where."""
    shown = {board.key: board.headline[:MOST_METRICS] for board in boards}
    rows: dict[str, OverviewRow] = {}
    for board in boards:
        for entry in ordered(board):
            view = row_view(board, entry, families)
            row = rows.setdefault(entry.key, OverviewRow(entry, view))
            for metric, score in zip(board.headline, view["scores"], strict=True):
                if metric in shown[board.key]:
                    row.cells[board.key, metric.name] = {**score, "why": _why(board, entry, metric)}
    columns = [(board.key, metric.name) for board in boards for metric in shown[board.key]]
    return {
        "heads": [
            {
                "id": board.key,
                "metrics": [metric_view(board, metric) for metric in shown[board.key]],
                "leaders": [
                    {"metric": metric_view(board, metric)["title"], "said": leaders(board, metric)}
                    for metric in shown[board.key]
                ],
                "more": len(board.headline) - len(shown[board.key]),
            }
            for board in boards
        ],
        "rows": [
            {**row.view, "cells": [row.cells.get(column) for column in columns]}
            for row in sorted(rows.values(), key=lambda row: row.entry.control)
        ],
    }


def leaders(board: Board, metric: Metric) -> str:
    """Who holds the first place on a metric, in words; why nobody does where nobody is ranked."""
    first = [
        e.name for e in ordered(board) if (rank := board.ranks.get((e.key, metric.name))) and rank.best == 1
    ]
    if not first:
        return f"no ranks: {metric_view(board, metric)['why_unranked'] or 'no system can be tested'}"
    if len(first) == 1:
        alone = board.ranks[next(e.key for e in board.entries if e.name == first[0]), metric.name].worst == 1
        return f"{first[0]}, better than every other" if alone else f"{first[0]}; no other is better than it"
    named, more = first[:MOST_LEADERS], len(first) - MOST_LEADERS
    listed = ", ".join(named) + (f" and {more} more" if more > 0 else "")
    return f"{listed}: the tests show no difference between them"


def _why(board: Board, entry: BoardEntry, metric: Metric) -> str:
    """Why the system has no rank, in a word or two; empty where it has one."""
    if (entry.key, metric.name) in board.ranks:
        return ""
    if entry.control:
        return "control"
    if entry.reasons:
        return "not ranked"
    score = entry.scores.get(metric.name)
    if score is None or score.value is None:
        return "no value" if score is not None else MISSING
    if not score.sound:
        return "reader not sound"
    return "no ranks here" if metric_view(board, metric)["why_unranked"] else "no test"
