"""What pages and data files show of boards and systems: plain texts and numbers, nothing left to decide."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from reports.leaderboard.bars import bar
from reports.leaderboard.boards import Board, BoardEntry
from reports.leaderboard.ranks import significant
from reports.run_document import Session
from reports.submission.text import visible
from reports.text.wording import (
    MISSING,
    NOT_SOUND_EXPLAINED,
    count_text,
    interval_text,
    limit_text,
    percent,
    title_text,
    tokens_text,
    unit_text,
    value_text,
)
from vtok_eval.results.records import Metric, NoTest, Score
from vtok_eval.results.statistics.pairs import Pair

OWN_COMMANDS = frozenset({"vtok-eval", "vtok_eval", "cli.py", "__main__.py"})
"""What a recorded command may begin with to be shown as one to run."""

MOST_TIED = 3
"""Names that a tie lists; of more, their number is said."""
MAX_JSON = 20_000
MAX_NOTES = 20
MAX_NOTE = 600


def board_view(board: Board, families: Mapping[str, str]) -> dict[str, Any]:
    """A board with its ranking table, as JSON can hold it. families: see `family_classes`."""
    return {
        "id": board.key,
        "title": board.title,
        "version": board.benchmark.version,
        "setting": board.setting or "no setting recorded",
        "label": board.label,
        "limit": None if board.limit is None else limit_text(board.limit),
        "seed": board.seed,
        "machine": board.machine,
        "samples": board.n_samples,
        "ranked": len(board.contenders()),
        "doubts": NOT_SOUND_EXPLAINED if any(not score.sound for score in _shown(board)) else "",
        "has_tokens": any(entry.tokens is not None for entry in board.entries),
        "metrics": [metric_view(board, metric) for metric in board.headline],
        "rows": [row_view(board, entry, families) for entry in ordered(board)],
    }


def metric_view(board: Board, metric: Metric) -> dict[str, Any]:
    """A metric; `why_unranked` is empty where it ranks."""
    return {
        "name": metric.name,
        "title": title_text(metric),
        "unit": unit_text(metric),
        "scale": 100 if metric.unit == "fraction" else 1,
        "higher_is_better": metric.higher_is_better,
        "why_unranked": why_unranked(board, metric),
    }


def _shown(board: Board) -> Iterator[Score]:
    """Every score of the board."""
    return (score for entry in board.entries for score in entry.scores.values())


def why_unranked(board: Board, metric: Metric) -> str:
    """Why a metric ranks no system; empty if it ranks them."""
    if metric.higher_is_better is None:
        return "neither end is better"
    if len(board.contenders()) < 2:
        return "fewer than two contenders"
    if metric.name in board.unsound:
        return f"{NoTest.NOT_SOUND.value}: a self-check found that the reader misses what the tokens hold"
    if metric.name in board.untestable:
        return "no paired test of it is possible: too few samples, or no values of single samples"
    if metric.name in board.silent:
        return "does not tell the systems apart: none is above chance, or all are at its ceiling"
    return ""


def row_view(board: Board, entry: BoardEntry, families: Mapping[str, str]) -> dict[str, Any]:
    """A system on a board; each score with its bar, and with the systems that share its ranks."""
    shown = [entry.scores[metric.name] for metric in board.headline if metric.name in entry.scores]
    return {
        "id": entry.key,
        "name": entry.name,
        "kind": entry.system.kind or "unknown",
        "control": entry.control,
        "caveats": list(entry.caveats),
        "submitted": entry.source.manifest is not None,
        "unranked": "; ".join(entry.reasons),
        "tokens": entry.tokens,
        "tokens_text": tokens_text(entry.tokens),
        "n": count_text(shown),
        "family": families[entry.key],
        "scores": [
            {
                **score_view(board, entry, metric),
                "bar": bar(entry.scores.get(metric.name), board.spans[metric.name]),
                "tied": _tied(board, entry, metric),
            }
            for metric in board.headline
        ],
    }


def _tied(board: Board, entry: BoardEntry, metric: Metric) -> str:
    """The ranked systems that no test tells apart from this one; empty where its rank is a single one."""
    rank = board.ranks.get((entry.key, metric.name))
    if rank is None or rank.best == rank.worst:
        return ""
    apart = board.told_apart.get((entry.key, metric.name), frozenset())
    names = [
        other.name
        for other in board.entries
        if other.key != entry.key and (other.key, metric.name) in board.ranks and other.key not in apart
    ]
    more = f" and {len(names) - MOST_TIED} more" if len(names) > MOST_TIED else ""
    return f"{', '.join(names[:MOST_TIED])}{more}"


def score_view(board: Board, entry: BoardEntry, metric: Metric) -> dict[str, Any]:
    """A score: number and texts, and its rank interval as numbers and text ("2–3").

    rank: the best rank that the paired tests allow; worst_rank: the worst.
    """
    score = entry.scores.get(metric.name)
    rank = board.ranks.get((entry.key, metric.name))
    return {
        "value": None if score is None else score.value,
        "text": value_text(score),
        "interval": interval_text(score),
        "rank": None if rank is None else rank.best,
        "worst_rank": None if rank is None else rank.worst,
        "rank_text": MISSING if rank is None else str(rank),
    }


def ordered(board: Board) -> list[BoardEntry]:
    """As a table first shows them: by best rank and value of the first metric, then the unranked."""
    metric = board.headline[0]
    sign = -1.0 if metric.higher_is_better else 1.0

    def place(entry: BoardEntry) -> tuple[int, int, float, str]:
        score = entry.scores.get(metric.name)
        value = None if score is None else score.value
        part = 1 if entry.control else 2 if entry.reasons else 0
        rank = board.ranks.get((entry.key, metric.name))
        best = len(board.entries) + 1 if rank is None else rank.best
        return part, best, float("inf") if value is None else sign * value, entry.name

    return sorted(board.entries, key=place)


def pairs_view(board: Board, links: Mapping[str, str]) -> dict[str, Any]:
    """The paired tests of a board: systems, and for each metric the pairs (i, j), i < j, row by row.

    winner: 1 where i is better at the corrected level, -1 where j is, 0 where the test shows no difference.
    links: by a system's key, the page of its samples.
    """
    compared = [entry for entry in board.entries if not entry.reasons]
    place = {entry.key: number for number, entry in enumerate(compared)}
    by_name = {metric.name: metric for metric in board.headline}
    found: dict[str, dict[str, list[object]]] = {
        name: {
            key: []
            for key in ("i", "j", "difference", "low", "high", "p", "p_corrected", "no_test", "winner", "n")
        }
        for name in by_name
    }
    for pair in board.pairs:
        better = significant(pair, higher_is_better=by_name[pair.metric].higher_is_better)
        columns = found[pair.metric]
        columns["i"].append(place[pair.a])
        columns["j"].append(place[pair.b])
        for key in ("difference", "low", "high"):
            columns[key].append(_digits(getattr(pair, key), 6))
        columns["p"].append(_digits(pair.p, 3))
        columns["p_corrected"].append(_digits(pair.p_corrected, 3))
        columns["no_test"].append("" if pair.no_test is None else pair.no_test.value)
        columns["winner"].append(0 if better is None else 1 if better[0] == pair.a else -1)
        columns["n"].append(pair.n)
    return {
        "id": board.key,
        "title": board.title,
        "setting": board.setting or "no setting recorded",
        "label": board.label,
        "tests": len(board.pairs),
        "systems": [
            {
                "id": entry.key,
                "name": entry.title,
                "control": entry.control,
                "samples": links.get(entry.key, ""),
                "system": entry.system.name,
                "tokens": tokens_text(entry.tokens),
                "scores": {
                    metric.name: f"{view['text']} {view['interval']}".strip()
                    for metric in board.headline
                    for view in [score_view(board, entry, metric)]
                },
            }
            for entry in compared
        ],
        "metrics": [metric_view(board, metric) for metric in board.headline],
        "pairs": found,
    }


def against(board: Board, entry: BoardEntry, other: str | None) -> Mapping[str, Pair]:
    """By metric, the pairs of an entry and the entry of the same run whose system is called `other`."""
    keys = {
        found.key for found in board.entries if found.system.name == other and found.source is entry.source
    }
    return {
        pair.metric: pair
        for pair in board.pairs
        if entry.key in (pair.a, pair.b) and (pair.a in keys or pair.b in keys) and entry.key not in keys
    }


def commands(sessions: Sequence[Session]) -> list[str]:
    """The commands that made a run, ready for a shell; those that are not vtok-eval's own are left out."""
    found = []
    for session in sessions:
        if session.command and PurePath(session.command[0]).name in OWN_COMMANDS:
            found.append(visible(shlex.join(["vtok-eval", *session.command[1:]])))
    return list(dict.fromkeys(found))


def how_to_install(session: Session) -> str:
    """The code that made a run, as a command; empty where it is not known."""
    if session.git is not None and all(c in "0123456789abcdef" for c in session.git.revision):
        return f"git checkout {session.git.revision}"
    return f"pip install {shlex.quote(f'vtok-eval=={session.vtok_eval}')}" if session.vtok_eval else ""


def session_facts(session: Session) -> list[tuple[str, str]]:
    """Provenance of a session as (what, text)."""
    machine, torch = session.machine or {}, session.torch or {}
    packages = [f"{name} {version}" for name, version in session.packages.items() if version]
    dirty = " with changes that are not committed" if session.git is not None and session.git.dirty else ""
    facts = {
        "vtok-eval": session.vtok_eval or "",
        "git revision": "" if session.git is None else f"{session.git.revision}{dirty}",
        "Python": session.python or "",
        "packages": ", ".join(packages),
        "platform": str(machine.get("platform") or ""),
        "processor": str(machine.get("processor") or ""),
        "cores": str(machine.get("cores") or ""),
        "device": session.device or "",
        "GPUs": ", ".join(str(gpu) for gpu in torch.get("gpus") or [] if isinstance(gpu, str)),
        "seed": "" if session.seed is None else str(session.seed),
        "started": session.started or "",
        "finished": session.finished or "not finished",
    }
    return [(what, visible(text)[:2_000]) for what, text in facts.items() if text]


def notes(description: Mapping[str, Any]) -> list[str]:
    """The notes that a benchmark wants shown with its numbers."""
    found = description.get("notes") or []
    listed = found if isinstance(found, list) else [found]
    return [visible(str(note))[:MAX_NOTE] for note in listed[:MAX_NOTES]]


def json_text(content: object) -> str:
    """Free JSON as a page shows it; empty where there is nothing in it."""
    if not content:
        return ""
    text = visible(json.dumps(content, ensure_ascii=False, indent=2))
    return text if len(text) <= MAX_JSON else f"{text[:MAX_JSON]}\n…"


def confidence_text(board: Board) -> str:
    """The level of the scores' intervals."""
    levels = sorted({score.confidence for entry in board.entries for score in entry.scores.values()})
    return " and ".join(percent(level) for level in levels)


def _digits(value: float | None, digits: int) -> float | None:
    return None if value is None else float(f"{value:.{digits}g}")
