"""The tables of README.md and docs/, written from one run of a shipped suite that docs/results/ keeps.

`python -m tools.readme_table RUN` copies the run's scores and comparisons to docs/results/SUITE/ and writes
every table anew; without RUN the tables are written from what is kept. A table is what is between one of

    <!-- table:SUITE/BENCHMARK -->
    <!-- table:SUITE/BENCHMARK/differences -->
    <!-- table:FILE.jsonl -->

and `<!-- /table -->`; FILE.jsonl in docs/results/ holds points as `tools.learning_curve` measures them. A
test fails where a page and the kept results differ.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from reports.run_document import RunDocument
from reports.run_report import RunReport, gather
from reports.text.wording import (
    corrected_p_text,
    difference_text,
    score_text,
    shown,
    title_text,
    tokens_text,
)
from tools.learning_curve import points_table, read_points
from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import Comparison, Metric, Score
from vtok_eval.results.store import comparison_of, score_of, write_json
from vtok_eval.run.suite import load_suite, shipped_suites

ROOT = Path(__file__).resolve().parents[1]
_KEPT = ("scores.json", "comparisons.json")
_PICTURES = {"understanding-scenes-against-tokens.png": "accuracy_against_tokens.png"}
"""Pictures of the run's report, and what they are called in docs/images/."""
_TABLE = re.compile(r"(<!-- table:(?P<name>[^ ]+) -->\n).*?(<!-- /table -->)", re.DOTALL)


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

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Those that `keep` left in a folder."""
        about = About.model_validate_json((folder / "about.json").read_text(encoding="utf-8"))
        scores, comparisons = (
            json.loads((folder / name).read_text(encoding="utf-8"))[name.removesuffix(".json")]
            for name in _KEPT
        )
        return cls(about, [score_of(each) for each in scores], [comparison_of(each) for each in comparisons])

    def table(self, benchmark: str, kind: str = "") -> str:
        """A table as Markdown, with its caption.

        kind: "" for the headline scores, "differences" for the paired differences from the baseline.

        Raises:
            ValueError: the run has no such benchmark, or there is no such kind of table.
        """
        scores = [score for score in self.scores if score.benchmark == benchmark and score.metric.headline]
        if not scores:
            raise ValueError(f"the kept run of {self.about.suite} has no scores of {benchmark}")
        if kind not in ("", "differences"):
            raise ValueError(f"no table {kind!r}: write SUITE/BENCHMARK or SUITE/BENCHMARK/differences")
        lines = self._differences(benchmark, scores) if kind else self._scores(benchmark, scores)
        return "\n".join(lines) + "\n"

    def _scores(self, benchmark: str, scores: Sequence[Score]) -> Iterator[str]:
        metrics = list({score.metric.name: score.metric for score in scores}.values())
        yield self._caption(benchmark, scores)
        yield ""
        yield _row(["system", "tokens per clip", "seeds", *map(title_text, metrics)])
        yield _row(["---", *["--:"] * (2 + len(metrics))])
        tokens = self.about.tokens.get(benchmark, {})
        for system in self.about.systems:
            own = {score.metric.name: score for score in scores if score.system == system.name}
            if not own:
                continue
            count = tokens_text(tokens[system.name]) if system.name in tokens else ""
            seeds = str(max(score.seeds for score in own.values()) or "")
            cells = [_score_text(own.get(metric.name)) for metric in metrics]
            yield _row([_name(system), count, seeds, *cells])
        chances = [f"{shown(each.chance, each):.1f}" if each.chance else "" for each in metrics]
        if any(chances):
            yield _row(["chance", "", "", *chances])

    def _differences(self, benchmark: str, scores: Sequence[Score]) -> Iterator[str]:
        metrics = list({score.metric.name: score.metric for score in scores}.values())
        found = {(each.system, each.metric): each for each in self.comparisons if each.benchmark == benchmark}
        yield (
            f"Paired differences from `{self.about.baseline}` on the same clips, in points, with 95 % "
            f"intervals and p-values corrected over all systems and headline scores of the benchmark "
            f"({_corrections(list(found.values()))})."
        )
        yield ""
        yield _row(["system", *(metric.title for metric in metrics)])
        yield _row(["---", *["--:"] * len(metrics)])
        for system in self.about.systems:
            own = [found.get((system.name, metric.name)) for metric in metrics]
            if any(own):
                pairs = zip(own, metrics, strict=True)
                yield _row([_name(system), *(_difference_text(*pair) for pair in pairs)])

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


def keep(run: Path, results: Path) -> Path:
    """Copy what the tables need of a run to `results`/SUITE; returns that folder.

    Raises:
        RunFolderError: the run is not finished, or not of a shipped suite as it is shipped.
    """
    report = gather(run, rank=False)
    _require_shipped(report)
    folder = results / report.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in _KEPT:
        shutil.copyfile(run / name, folder / name)
    about = About(
        suite=report.name,
        label=report.label,
        baseline=report.baseline,
        systems=tuple(Tested(name=system.name, control=system.control) for system in report.systems),
        options={entry.id: entry.options for entry in report.run.benchmarks},
        tokens={each.info.id: dict(each.tokens) for each in report.benchmarks},
        measured_on=_measured_on(report.run),
    )
    write_json(folder / "about.json", about.model_dump(mode="json"))
    return folder


def copy_pictures(run: Path, images: Path) -> None:
    """Copy the pictures that README shows out of the run's report.

    Raises:
        RunFolderError: the report does not have one.
    """
    for name, kept_as in _PICTURES.items():
        if not (run / "report" / name).is_file():
            raise RunFolderError(f"no {name} in {run / 'report'}: vtok-eval report {run}")
        shutil.copyfile(run / "report" / name, images / kept_as)


def rendered(page: str, results: Path, *, name: str = "the page") -> str:
    """A page with its tables written anew from the kept results.

    Raises:
        ValueError: a table's name is not SUITE/BENCHMARK or SUITE/BENCHMARK/differences of kept results,
            nor a file of points.
    """

    def table(found: re.Match[str]) -> str:
        if found["name"].endswith(".jsonl"):
            points = read_points(results / found["name"])
            if not points:
                raise ValueError(f"{name}: table {found['name']!r}: no such file of points in {results}")
            return f"{found[1]}{points_table(points)}{found[3]}"
        suite, _, rest = found["name"].partition("/")
        benchmark, _, kind = rest.partition("/")
        if not benchmark or not (results / suite / "about.json").is_file():
            kept = ", ".join(sorted(path.parent.name for path in results.glob("*/about.json"))) or "none"
            raise ValueError(f"{name}: table {found['name']!r}: no kept results of {suite!r}; kept: {kept}")
        return f"{found[1]}{Results.read(results / suite).table(benchmark, kind)}{found[3]}"

    return _TABLE.sub(table, page)


def pages(root: Path) -> list[Path]:
    """README.md and the pages of docs/ that have tables of results."""
    candidates = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return [path for path in candidates if path.is_file() and _TABLE.search(path.read_text(encoding="utf-8"))]


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> None:
    """Keep the run, if one is given, and write all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", nargs="?", type=Path, help="a finished run folder of a shipped suite")
    run: Path | None = parser.parse_args(arguments).run
    results = root / "docs" / "results"
    if run is not None:
        sys.stdout.write(f"kept: {keep(run, results)}\n")
        copy_pictures(run, root / "docs" / "images")
    for path in pages(root):
        text = path.read_text(encoding="utf-8")
        written = rendered(text, results, name=path.name)
        path.write_text(written, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(root)}: {'written' if written != text else 'as it was'}\n")


def _require_shipped(report: RunReport) -> None:
    if report.unfinished:
        raise RunFolderError(f"{report.paths[0]} is not finished: {report.unfinished[0]}")
    if report.name not in shipped_suites():
        raise RunFolderError(f"{report.paths[0]} is of {report.name!r}, not of a shipped suite")
    suite = load_suite(report.name)
    run = report.run
    shipped: dict[str, tuple[object, bool]] = {
        f"system {each.name}": (each.spec, each.optional) for each in suite.systems
    }
    shipped |= {f"benchmark {each.id}": (_plain(each.options), each.optional) for each in suite.benchmarks}
    shipped |= {"limit": (None, False), "seed": (suite.seed, False)}
    found: dict[str, object] = {f"system {each.name}": each.spec for each in run.systems}
    found |= {f"benchmark {each.id}": each.options for each in run.benchmarks}
    found |= {"limit": run.limit, "seed": run.seed}
    different = [
        what
        for what in sorted(shipped | found)
        if what not in shipped
        or (what in found and found[what] != shipped[what][0])
        or (what not in found and not shipped[what][1])
    ]
    if different:
        raise RunFolderError(
            f"{report.paths[0]}: {different[0]} is not as in the shipped suite {report.name}; "
            "run the suite as it is shipped"
        )


def _plain(options: Mapping[str, object]) -> object:
    """Options as JSON gives them back."""
    return json.loads(json.dumps(options))


def _measured_on(run: RunDocument) -> str:
    """The last session's device, versions and day, as text."""
    session = run.sessions[-1]
    machine = session.machine or {}
    device = session.device or "a device that was not recorded"
    if device == "cpu" and machine.get("processor"):
        device = f"{device} ({machine['processor']}, {machine.get('cores')} cores)"
    revision = session.git.revision[:10] if session.git else "unknown"
    return (
        f"Measured on {str(session.started)[:10]} on {device}, Python {session.python}, "
        f"torch {session.packages.get('torch')}, revision {revision}"
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


def _difference_text(found: Comparison | None, metric: Metric) -> str:
    if found is None or found.difference is None:
        return ""
    return f"{difference_text(found, metric)}, {corrected_p_text(found)}"


def _corrections(comparisons: Sequence[Comparison]) -> str:
    return " and ".join(dict.fromkeys(each.correction.value for each in comparisons)) or "none"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
