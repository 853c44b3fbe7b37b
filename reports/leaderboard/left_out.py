"""What a leaderboard leaves out, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LeftOut:
    """A run that is not on the site, and why."""

    path: Path
    reason: str


def left_out_line(left_out: Sequence[LeftOut], *, n_runs: int) -> str:
    """What was left out of so many runs, in one line; runs with one reason are named together.

    Example:
        >>> runs = [LeftOut(Path(name), "it has no scores yet") for name in ("a", "b")]
        >>> left_out_line([*runs, LeftOut(Path("c.zip"), "not a zip file")], n_runs=7)
        'left out 3 of 7 runs: a, b (it has no scores yet); c.zip (not a zip file)'
    """
    names: dict[str, list[str]] = {}
    for entry in left_out:
        names.setdefault(" ".join(entry.reason.split()), []).append(entry.path.name)
    parts = [f"{', '.join(those)} ({reason})" for reason, those in names.items()]
    return f"left out {len(left_out)} of {n_runs} runs: {'; '.join(parts)}"
