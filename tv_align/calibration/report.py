"""A judge's errors by category: what is kept of a calibration, read, written and shown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tv_align.prompts.schema import CATEGORIES
from vtok_eval.errors import SpecError
from vtok_eval.results.store import write_json

LEAST_YOUDEN = 0.2
"""Below this lower bound of Youden's J a judge is near chance: division by J would swell errors fivefold."""
_VERSION = 1


@dataclass(frozen=True)
class Rate:
    """A proportion `hits` of `n`, with its 95 % Clopper-Pearson interval (Biometrika 26, 1934)."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """The proportion; None where there was nothing to count."""
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """The interval; all of [0, 1] where there was nothing to count."""
        from scipy.special import betaincinv

        tail, misses = 0.025, self.n - self.hits
        low = float(betaincinv(self.hits, misses + 1, tail)) if self.hits else 0.0
        high = float(betaincinv(self.hits + 1, misses, 1 - tail)) if misses else 1.0
        return low, high


@dataclass(frozen=True)
class CategoryRow:
    """A judge on one category's control questions.

    yes_if_yes: of the questions whose truth is yes, those answered yes (sensitivity). yes_if_no: of those
    whose truth is no, those answered yes all the same. no_if_no (specificity), no_if_yes: likewise. A reply
    "unsure" is in none of the hits. n_failed: clips that could not be loaded or judged; they count in nothing
    else.
    """

    category: str
    yes_if_yes: Rate
    yes_if_no: Rate
    no_if_no: Rate
    no_if_yes: Rate
    n_clips: int
    n_failed: int = 0

    @property
    def youden(self) -> tuple[float, float, float] | None:
        """Sensitivity + specificity - 1 and its interval by the sum of squared distances (MOVER; Newcombe,
        Statistics in Medicine 17, 1998); None where either is unknown."""
        sensitivity, specificity = self.yes_if_yes, self.no_if_no
        if sensitivity.value is None or specificity.value is None:
            return None
        j = sensitivity.value + specificity.value - 1
        (low_1, high_1), (low_2, high_2) = sensitivity.interval, specificity.interval
        below = math.hypot(sensitivity.value - low_1, specificity.value - low_2)
        above = math.hypot(high_1 - sensitivity.value, high_2 - specificity.value)
        return j, max(-1.0, j - below), min(1.0, j + above)

    @property
    def near_chance(self) -> str | None:
        """Why no score may be given in this category; None where the judge can tell yes from no."""
        youden = self.youden
        if youden is None:
            return "the control set lacks questions of this category whose truth is yes, or whose truth is no"
        j, low, high = youden
        if low >= LEAST_YOUDEN:
            return None
        return (
            f"the judge is near chance on the control set: sensitivity + specificity - 1 = {j:.2f} "
            f"[{low:.2f}, {high:.2f}], and it must be surely above {LEAST_YOUDEN}"
        )


@dataclass(frozen=True)
class Calibration:
    """A judge on a control set. description: the judge's own; failures: control item -> reason."""

    judge: str
    control_set: str
    rows: tuple[CategoryRow, ...]
    description: Mapping[str, object] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    def row(self, category: str) -> CategoryRow | None:
        """The category's row; None where the control set has nothing of it."""
        return next((row for row in self.rows if row.category == category), None)

    def to_json(self) -> dict[str, object]:
        """As JSON can hold it."""
        return {"calibration_version": _VERSION, **asdict(self)}


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write it as JSON, whole or not at all.

    Raises:
        RunFolderError: the file cannot be written.
    """
    write_json(path, calibration.to_json())


def read_calibration(path: Path) -> Calibration:
    """What `write_calibration` wrote.

    Raises:
        SpecError: there is no such file, or it holds no calibration that this version can read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("calibration_version") != _VERSION:
            raise SpecError(f"{path}: a calibration of another version; run the calibration again")
        rows = tuple(_row(entry) for entry in content.pop("rows"))
        return Calibration(rows=rows, **content)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as a judge's calibration ({error})") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SpecError(f"{path}: holds no judge's calibration ({error!r})") from error


def calibration_table(calibration: Calibration) -> str:
    """The judge's table as Markdown: one line per category, percentages with 95 % intervals."""
    lines = [
        f"Judge {calibration.judge} on {calibration.control_set}",
        "",
        "| Category | Sensitivity | Specificity | Unsure | J | Clips | Failed | Verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in calibration.rows:
        n = row.yes_if_yes.n + row.no_if_no.n
        known = row.yes_if_yes.hits + row.yes_if_no.hits + row.no_if_no.hits + row.no_if_yes.hits
        unsure = f"{100 * (n - known) / n:.1f} %" if n else "-"
        youden = "-" if row.youden is None else f"{row.youden[0]:.2f}"
        lines.append(
            f"| {CATEGORIES[row.category]} | {_percent(row.yes_if_yes)} | {_percent(row.no_if_no)} "
            f"| {unsure} | {youden} | {row.n_clips} | {row.n_failed} | {row.near_chance or 'usable'} |"
        )
    return "\n".join(lines)


def _percent(rate: Rate) -> str:
    if rate.value is None:
        return "-"
    low, high = rate.interval
    return f"{100 * rate.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of {rate.n}"


def _row(entry: dict[str, Any]) -> CategoryRow:
    rates: dict[str, Any] = {
        name: Rate(**entry.pop(name)) for name in ("yes_if_yes", "yes_if_no", "no_if_no", "no_if_yes")
    }
    if entry["category"] not in CATEGORIES:
        raise ValueError(f"unknown category {entry['category']!r}")
    return CategoryRow(**rates, **entry)
