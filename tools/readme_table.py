"""The tables of README.md and docs/, written from one run of a shipped suite that docs/results/ keeps.

`python -m tools.readme_table RUN` copies the run's scores and comparisons to docs/results/SUITE/ and writes
every table anew; without RUN the tables are written from what is kept. A table is what is between one of

    <!-- table:SUITE/BENCHMARK -->
    <!-- table:SUITE/BENCHMARK/differences -->
    <!-- table:SUITE/BENCHMARK/categories -->
    <!-- table:SUITE/BENCHMARK/photos -->
    <!-- table:FILE -->

and `<!-- /table -->`. FILE is one of docs/results/ that another tool measured (`FILES` says which), or a JSON
file of a single table with its source. A test fails where a page and the kept results differ. A shipped suite
of which no run is kept has a line in place of its tables, with the commands.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from reports.run_document import RunDocument
from reports.run_report import RunReport, gather
from tools.kept_results import KEPT, About, Results, Tested, row
from tools.readers.learning_curve import points_table, read_points
from tools.readers.reading_trials import read_ridge, read_trials, ridge_table, trials_table
from tools.readers.training_photos import photos_table, read_photo_points
from tools.statistics_simulation import read_rows, rows_table
from vtok_eval.errors import RunFolderError
from vtok_eval.results.store import write_json
from vtok_eval.run.suite import load_suite, shipped_suites
from vtok_eval.specs.systems import kind_of

ROOT = Path(__file__).resolve().parents[1]
FILES: Mapping[str, Callable[[Path], str]] = {
    "learning_curve.jsonl": lambda path: points_table(read_points(path)),
    "five_seeds.jsonl": lambda path: points_table(read_points(path)),
    "reading_trials.jsonl": lambda path: trials_table(read_trials(path)),
    "ridge.jsonl": lambda path: ridge_table(read_ridge(path)),
    "training_photos.jsonl": lambda path: photos_table(read_photo_points(path)),
    "statistics_simulation.jsonl": lambda path: rows_table(read_rows(path)),
}
"""How the files of docs/results/ that other tools measured become tables."""
_PICTURES = {
    ("mini", "understanding-scenes"): {
        "understanding-scenes-against-tokens.png": "accuracy_against_tokens.png"
    }
}
"""By suite and benchmark, pictures of the run's report, and what they are called in docs/images/."""
_TABLE = re.compile(r"(<!-- table:(?P<name>[^ ]+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def keep(run: Path, results: Path) -> Path:
    """Copy what the tables need of a run to `results`/SUITE; returns that folder.

    A run of some of the suite's benchmarks is kept too, unless a run with others is kept already.

    Raises:
        RunFolderError: the run is not finished, not of a shipped suite as it is shipped, or would replace
            one with benchmarks that it lacks.
    """
    report = gather(run, rank=False)
    _require_shipped(report)
    folder = results / report.name
    _require_no_loss(report, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
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


def copy_pictures(run: Path, images: Path, *, kept: Results) -> None:
    """Copy the pictures that README shows of this suite's benchmarks out of the run's report.

    Raises:
        RunFolderError: the report does not have one.
    """
    shown = [
        found
        for (suite, benchmark), found in _PICTURES.items()
        if suite == kept.about.suite and kept.has(benchmark)
    ]
    for name, kept_as in (pair for found in shown for pair in found.items()):
        if not (run / "report" / name).is_file():
            raise RunFolderError(f"no {name} in {run / 'report'}: vtok-eval report {run}")
        shutil.copyfile(run / "report" / name, images / kept_as)


def rendered(page: str, results: Path, *, name: str = "the page") -> str:
    """A page with its tables written anew from the kept results.

    Raises:
        ValueError: a table's name is neither of kept results, nor of a shipped suite, nor a file.
    """

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}{_made(found['name'], results, page=name)}{found[3]}"

    return _TABLE.sub(table, page)


def _made(table: str, results: Path, *, page: str) -> str:
    """One table, or the line that says how to make it."""
    if table.endswith((".jsonl", ".json")):
        return _from_file(table, results, page=page)
    suite, _, rest = table.partition("/")
    benchmark, _, kind = rest.partition("/")
    kept = (results / suite / "about.json").is_file()
    found = Results.read(results / suite) if kept else None
    shipped = suite in shipped_suites() and _ships(suite, benchmark)
    if found is not None and (found.has(benchmark, kind) or not shipped):
        return found.table(benchmark, kind)
    if shipped:
        return (
            f"*No run of `{suite}` with this is kept. To measure it: `vtok-eval run --suite {suite} "
            "--devices cpu,cpu --out DIR`, then `python -m tools.readme_table DIR`.*\n"
        )
    names = ", ".join(sorted(path.parent.name for path in results.glob("*/about.json"))) or "none"
    raise ValueError(f"{page}: table {table!r}: no kept results of {suite!r}; kept: {names}")


def _ships(suite: str, benchmark: str) -> bool:
    return any(each.id == benchmark for each in load_suite(suite).benchmarks)


def _from_file(table: str, results: Path, *, page: str) -> str:
    path = results / table
    if not path.is_file() or (table.endswith(".jsonl") and table not in FILES):
        known = ", ".join(sorted(each.name for each in results.glob("*.json*"))) or "none"
        raise ValueError(f"{page}: table {table!r}: no such file of results in {results}; there: {known}")
    if table in FILES:
        return FILES[table](path)
    return MeasuredOnce.model_validate_json(path.read_text(encoding="utf-8")).table()


class MeasuredOnce(BaseModel):
    """A single table with its source.

    source: what measured it, at which revision; it says so where that cannot be repeated with the present
    code. rows: cells as text, as many as columns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def table(self) -> str:
        """The table as Markdown, with its source."""
        lines = [self.source, "", row(self.columns), row(["---"] * len(self.columns))]
        return "\n".join([*lines, *map(row, self.rows)]) + "\n"


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
        kept = keep(run, results)
        sys.stdout.write(f"kept: {kept}\n")
        copy_pictures(run, root / "docs" / "images", kept=Results.read(kept))
    for path in pages(root):
        text = path.read_text(encoding="utf-8")
        written = rendered(text, results, name=path.name)
        path.write_text(written, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(root)}: {'written' if written != text else 'as it was'}\n")


def _require_no_loss(report: RunReport, folder: Path) -> None:
    if not (folder / "about.json").is_file():
        return
    optional = {entry.id for entry in load_suite(report.name).benchmarks if entry.optional}
    found = {entry.id for entry in report.run.benchmarks}
    lost = set(Results.read(folder).about.options) - found - optional
    if lost:
        raise RunFolderError(
            f"{report.paths[0]} lacks {min(lost)}, which the run of {report.name} that is kept has: "
            f"run all of it, or remove {folder}"
        )


def _require_shipped(report: RunReport) -> None:
    if report.unfinished:
        raise RunFolderError(f"{report.paths[0]} is not finished: {report.unfinished[0]}")
    if report.name not in shipped_suites():
        raise RunFolderError(f"{report.paths[0]} is of {report.name!r}, not of a shipped suite")
    suite = load_suite(report.name)
    run = report.run
    # Of a run of some benchmarks, others are left out, and systems of a kind that none of them takes.
    kinds = {system.kind for system in run.systems}
    part = {each.id for each in suite.benchmarks if not each.optional} - {each.id for each in run.benchmarks}
    shipped: dict[str, tuple[object, bool]] = {
        f"system {each.name}": (each.spec, each.optional or bool(part and kind_of(each.spec) not in kinds))
        for each in suite.systems
    }
    shipped |= {f"benchmark {each.id}": (_plain(each.options), True) for each in suite.benchmarks}
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


if __name__ == "__main__":
    main()
