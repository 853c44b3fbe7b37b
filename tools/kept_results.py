"""What docs/results/ keeps of one suite's run, and its tables as Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from reports.text.wording import (
    corrected_p_text,
    difference_text,
    score_text,
    shown,
    signed_text,
    title_text,
    tokens_text,
)
from vtok_eval.results.records import Comparison, Metric, Score
from vtok_eval.results.self_checks import CheckKind, SelfCheck
from vtok_eval.results.soundness import marked_score, unsound_groups
from vtok_eval.results.store import comparison_of, score_of

KEPT = ("scores.json", "comparisons.json", "self_checks.json")
"""Copied as they are. A run that an earlier version kept has no self-checks."""


class Tested(BaseModel):
    """A system of the run. control: shows what a number is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    control: bool = False


class About(BaseModel):
    """What the tables say of the run apart from its numbers, `about.json`.

    options: of each benchmark, by id. tokens: mean tokens per clip by benchmark and system. measured_on: the
    machine, versions and revision as text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    label: str
    baseline: str | None
    systems: tuple[Tested, ...]
    options: dict[str, dict[str, Any]]  # as suites give them, JSON values
    tokens: dict[str, dict[str, float]]
    measured_on: str


@dataclass(frozen=True)
class Results:
    """The kept results of one suite's run."""

    about: About
    scores: Sequence[Score]
    comparisons: Sequence[Comparison]
    self_checks: Sequence[SelfCheck] = ()

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Those that `keep` left in a folder."""
        about = About.model_validate_json((folder / "about.json").read_text(encoding="utf-8"))
        found: dict[str, list[dict[str, Any]]] = {}
        for name in KEPT:
            kind = name.removesuffix(".json")
            text = (folder / name).read_text(encoding="utf-8") if (folder / name).is_file() else "{}"
            found[kind] = json.loads(text).get(kind, [])
        checks = [SelfCheck.of(each) for each in found["self_checks"]]
        unsound = unsound_groups(checks)
        return cls(
            about,
            [marked_score(score_of(each), unsound) for each in found["scores"]],
            [comparison_of(each) for each in found["comparisons"]],
            checks,
        )

    def has(self, benchmark: str, kind: str = "") -> bool:
        """Whether the run has what the table is made of."""
        if kind == "photos":
            checks = self.self_checks
            return any(each.kind is CheckKind.PHOTOS and each.benchmark == benchmark for each in checks)
        return any(score.benchmark == benchmark for score in self.scores)

    def table(self, benchmark: str, kind: str = "") -> str:
        """A table as Markdown, with its caption.

        kind: "" for the headline scores, "differences" for the paired differences from the baseline,
        "categories" for the headline scores and every category's first metric, "photos" for the differences
        by test photo.

        Raises:
            ValueError: the run has no such benchmark, or there is no such kind of table.
        """
        scores = [score for score in self.scores if score.benchmark == benchmark and score.metric.headline]
        if not scores:
            raise ValueError(f"the kept run of {self.about.suite} has no scores of {benchmark}")
        kinds: dict[str, Callable[[str, Sequence[Score]], Iterator[str]]] = {
            "": self._scores,
            "differences": self._differences,
            "categories": self._categories,
            "photos": self._photos,
        }
        if kind not in kinds:
            known = ", ".join(f"SUITE/BENCHMARK/{name}" for name in kinds if name)
            raise ValueError(f"no table {kind!r}: write SUITE/BENCHMARK, {known}")
        return "\n".join(kinds[kind](benchmark, scores)) + "\n"

    def _scores(self, benchmark: str, scores: Sequence[Score]) -> Iterator[str]:
        metrics = list({score.metric.name: score.metric for score in scores}.values())
        yield self._caption(benchmark, scores)
        yield ""
        yield row(["system", "tokens per clip", "seeds", *map(title_text, metrics)])
        yield row(["---", *["--:"] * (2 + len(metrics))])
        tokens = self.about.tokens.get(benchmark, {})
        for system in self.about.systems:
            own = {score.metric.name: score for score in scores if score.system == system.name}
            if not own:
                continue
            count = tokens_text(tokens[system.name]) if system.name in tokens else ""
            seeds = str(max(score.seeds for score in own.values()) or "")
            cells = [_score_text(own.get(metric.name)) for metric in metrics]
            yield row([_name(system), count, seeds, *cells])
        chances = [f"{shown(each.chance, each):.1f}" if each.chance else "" for each in metrics]
        if any(chances):
            yield row(["chance", "", "", *chances])

    def _differences(self, benchmark: str, scores: Sequence[Score]) -> Iterator[str]:
        metrics = list({score.metric.name: score.metric for score in scores}.values())
        found = {(each.system, each.metric): each for each in self.comparisons if each.benchmark == benchmark}
        metrics = [metric for metric in metrics if any(name == metric.name for _, name in found)]
        yield (
            f"Paired differences from `{self.about.baseline}` on the same clips, in points, with 95 % "
            f"intervals and p-values corrected over all systems and headline scores of the benchmark "
            f"({_corrections(list(found.values()))})."
        )
        yield ""
        yield row(["system", *(metric.title for metric in metrics)])
        yield row(["---", *["--:"] * len(metrics)])
        for system in self.about.systems:
            own = [found.get((system.name, metric.name)) for metric in metrics]
            if any(own):
                pairs = zip(own, metrics, strict=True)
                yield row([_name(system), *(_difference_text(*pair) for pair in pairs)])

    def _categories(self, benchmark: str, scores: Sequence[Score]) -> Iterator[str]:
        """Headline scores with intervals, then of each other group the first metric, as whole percent."""
        headline = [m for m in {s.metric.name: s.metric for s in scores}.values() if not m.derived]
        every = [score for score in self.scores if score.benchmark == benchmark]
        by_group: dict[str, Metric] = {}
        for score in every:
            if score.metric not in headline and not score.metric.derived:
                by_group.setdefault(score.metric.group, score.metric)
        yield self._caption(benchmark, scores)
        yield ""
        yield row(["system", "tokens per clip", "seeds", *map(title_text, headline), *by_group])
        yield row(["---", *["--:"] * (2 + len(headline) + len(by_group))])
        tokens = self.about.tokens.get(benchmark, {})
        for system in self.about.systems:
            own = {score.metric.name: score for score in every if score.system == system.name}
            if not own:
                continue
            count = tokens_text(tokens[system.name]) if system.name in tokens else ""
            seeds = str(max(score.seeds for score in own.values()) or "")
            cells = [_score_text(own.get(metric.name)) for metric in headline]
            whole = [_whole(own.get(metric.name)) for metric in by_group.values()]
            yield row([_name(system), count, seeds, *cells, *whole])

    def _photos(self, benchmark: str, scores: Sequence[Score]) -> Iterator[str]:
        """By system and photo, the differences from the baseline."""
        metrics = list({score.metric.name: score.metric for score in scores}.values())
        found = {
            (check.systems[0], check.metric): check
            for check in self.self_checks
            if check.kind is CheckKind.PHOTOS and check.benchmark == benchmark
        }
        photos = sorted({photo for check in found.values() for photo in check.values})
        yield (
            f"Differences from `{self.about.baseline}` on the test clips over each photo, in points; no "
            "intervals and no tests."
        )
        yield ""
        yield row(["system", "photo", *(metric.title for metric in metrics)])
        yield row(["---", "---", *["--:"] * len(metrics)])
        for system in self.about.systems:
            for photo in photos:
                own = [found.get((system.name, metric.name)) for metric in metrics]
                if any(own) and not system.control:
                    cells = [
                        signed_text(check.values[photo], metric) if check and photo in check.values else ""
                        for check, metric in zip(own, metrics, strict=True)
                    ]
                    yield row([_name(system), photo, *cells])

    def _caption(self, benchmark: str, scores: Sequence[Score]) -> str:
        options = self.about.options.get(benchmark, {})
        clips = [
            f"{options[f'{split}_clips']:,} {name}"
            for split, name in (("train", "training"), ("validation", "validation"), ("test", "test"))
            if f"{split}_clips" in options
        ]
        counted = f" {', '.join(clips)} clips;" if clips else ""
        varied = any(score.seed_deviation is not None for score in scores)
        spread = "; ±: standard deviation between training seeds" if varied else ""
        return (
            f"Suite `{self.about.suite}`, `{benchmark}`:{counted} 95 % intervals{spread}. "
            f"{self.about.label[:1].upper()}{self.about.label[1:]}. {self.about.measured_on}."
        )


def _name(system: Tested) -> str:
    return f"`{system.name}`" + (" (control)" if system.control else "")


def _score_text(score: Score | None) -> str:
    if score is None or score.value is None:
        return ""
    text = score_text(score)
    if score.seed_deviation is None:
        return text
    return f"{text} ±{shown(score.seed_deviation, score.metric):.1f}"


def _whole(score: Score | None) -> str:
    """A fraction as whole percent."""
    return "" if score is None or score.value is None else f"{shown(score.value, score.metric):.0f}"


def _difference_text(found: Comparison | None, metric: Metric) -> str:
    if found is None or found.difference is None:
        return ""
    return f"{difference_text(found, metric)}, {corrected_p_text(found)}"


def _corrections(comparisons: Sequence[Comparison]) -> str:
    return " and ".join(dict.fromkeys(each.correction.value for each in comparisons)) or "none"


def row(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"
