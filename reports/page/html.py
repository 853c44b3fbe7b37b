"""One self-contained page of a run: the finding, tables, pictures, failures, notes and provenance."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reports.plots.gallery import WHOLE_RUN, WrittenPicture
from reports.plots.sheets import played_videos
from reports.plots.svg import dark_rules
from reports.run_document import Session
from reports.run_report import BenchmarkReport, RunReport
from reports.tables.beside_vbench import beside_vbench_grid
from reports.tables.budget import BudgetTables
from reports.tables.clips import clips_grid
from reports.tables.grid import Grid, RowKind, comparison_grid, details_grid
from reports.tables.photos import PHOTOS_EXPLAINED, photos_grid
from reports.text.answer import answer
from reports.text.headline import compared, headline, how_to_read
from reports.text.notes import (
    VIOLATED,
    self_check_notes,
    self_check_verdict,
    status_notes,
    table_notes,
)
from vtok_eval.errors import RunFolderError
from vtok_eval.results.causes import failure_causes

MOST_FAILURES = 200
"""Reasons of failed samples listed on the page; the rest are counted there and are in samples.parquet."""


@dataclass(frozen=True)
class Part:
    """A benchmark's part of the page.

    budget: tables at equal budget, with titles and notes. photos: the differences by test photo, None where
    they were not looked at. scope: what ran and what did not, with the reason.
    """

    identifier: str
    title: str
    comparison: Grid
    details: Grid | None
    photos: Grid | None
    table_notes: Sequence[str]
    budget: Sequence[tuple[str, Grid, Sequence[str]]]
    pictures: Sequence[Mapping[str, str]]
    videos: Sequence[Mapping[str, str]]
    clips: tuple[Grid, str] | None
    beside: Grid | None
    notes: Sequence[str]
    scope: Sequence[tuple[str, str]]


def page(
    report: RunReport,
    pictures: Sequence[WrittenPicture],
    budget: Mapping[str, BudgetTables] | None = None,
) -> str:
    """The page as HTML: no script, nothing fetched; pictures are inline SVG, in a wide and a narrow form."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("reports.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    template = environment.get_template("report.html.j2")
    causes = failure_causes(report.failed)
    passed = [note for note in self_check_notes(report.self_checks) if not note.startswith(VIOLATED)]
    first = _first_pictures(report, pictures)
    others = [written for written in pictures if written not in first]
    parts = [_part(benchmark, report, others, budget or {}) for benchmark in report.benchmarks]
    shared = parts[0].table_notes if parts else ()
    # What holds for every table is said once; a part keeps what only its own tables need.
    parts = [replace(part, table_notes=[n for n in part.table_notes if n not in shared]) for part in parts]
    return template.render(
        report=report,
        status=[note for note in status_notes(report) if note not in passed],
        answers=answer(report),
        first_pictures=[_inlined(written) for written in first],
        checks=self_check_verdict(report.self_checks),
        check_details=passed,
        shared_notes=shared,
        findings=headline(report),
        reading=how_to_read(report),
        parts=parts,
        unscored=[info for info in report.described if report.benchmark(info.id) is None],
        failed=causes[:MOST_FAILURES],
        n_more_failed=max(0, len(causes) - MOST_FAILURES),
        sessions=[_session(session) for session in report.run.sessions],
        systems=[(system, _pretty(system.description)) for system in report.systems],
        described=[(info, _pretty({**info.options, **info.description})) for info in report.described],
        row_kinds=RowKind,
        photos_explained=PHOTOS_EXPLAINED,
        view_command=shlex.join(["vtok-eval", "view", *map(str, report.paths)]),
        dark_rules=dark_rules(".plot"),
    )


def _first_pictures(report: RunReport, pictures: Sequence[WrittenPicture]) -> list[WrittenPicture]:
    """What the first screen shows: all differences, and the frontier of the first benchmark that has them."""
    differences = [written for written in pictures if written.benchmark == WHOLE_RUN]
    leading = next((benchmark.info.id for benchmark in compared(report)), None)
    frontiers = [written for written in pictures if written.benchmark == leading]
    return [*differences, *frontiers[:1]]


def _part(
    benchmark: BenchmarkReport,
    report: RunReport,
    pictures: Sequence[WrittenPicture],
    budget: Mapping[str, BudgetTables],
) -> Part:
    scope = _scope(benchmark.info.description)
    in_long_table = set(benchmark.details) - set(benchmark.headline)
    return Part(
        identifier=benchmark.info.id,
        title=benchmark.info.title,
        comparison=comparison_grid(benchmark, baseline=report.baseline),
        details=details_grid(benchmark) if in_long_table else None,
        photos=photos_grid(report, benchmark),
        table_notes=table_notes(benchmark, baseline=report.baseline),
        budget=budget[benchmark.info.id].grids(benchmark) if benchmark.info.id in budget else [],
        pictures=[_inlined(written) for written in pictures if written.benchmark == benchmark.info.id],
        videos=_playing(report, benchmark),
        clips=clips_grid(report, benchmark),
        beside=beside_vbench_grid(report, benchmark),
        notes=[note for note in benchmark.info.notes if not _said_by(scope, note)],
        scope=scope,
    )


MOST_VIDEO_BYTES = 8 * 2**20
"""Of all videos that a page holds of one benchmark; what goes beyond it stays in the run folder."""


def _playing(report: RunReport, benchmark: BenchmarkReport) -> list[dict[str, str]]:
    """The videos that the page plays, as data within it.

    Raises:
        RunFolderError: a video cannot be read.
    """
    playing: list[dict[str, str]] = []
    room = MOST_VIDEO_BYTES
    for video in played_videos(report, benchmark):
        try:
            content = video.path.read_bytes()
        except OSError as error:
            raise RunFolderError(f"cannot read {video.path}: {error.strerror}") from error
        room -= len(content)
        if room < 0:
            break
        source = f"data:video/mp4;base64,{base64.b64encode(content).decode()}"
        playing.append({"title": video.title, "source": source})
    return playing


def _scope(description: Mapping[str, object]) -> list[tuple[str, str]]:
    """What a benchmark of several dimensions ran, and why it did not run the others."""
    dimensions = description.get("dimensions")
    if not isinstance(dimensions, Mapping):
        return []
    return [(str(name), str(state)) for name, state in dimensions.items()]


def _said_by(scope: Sequence[tuple[str, str]], note: str) -> bool:
    """Whether a note repeats a line of the scope, which the page shows in full."""
    return any(name in note and note.endswith(state) for name, state in scope)


def _inlined(written: WrittenPicture) -> dict[str, str]:
    return {
        "title": written.picture.title,
        "alt": written.picture.alt,
        "wide": written.wide,
        "narrow": written.narrow,
        "data": written.picture.data.to_html(  # type: ignore[call-overload]  # the stubs lack formats as text
            index=False, border=0, na_rep="", float_format="%.4g"
        ),
    }


def _session(session: Session) -> dict[str, str]:
    """A session's lines: the command first, the rest as it is recorded."""
    rest = session.model_dump(exclude_unset=True, exclude={"command"})
    return {"command": " ".join(session.command), "rest": _pretty(rest)}


def _pretty(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, default=str) if content else ""
