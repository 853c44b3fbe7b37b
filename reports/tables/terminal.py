"""A run's comparison as plain text for a terminal."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence

from reports.run_report import RunReport
from reports.tables.grid import Grid, GridCell, comparison_grid
from reports.text.answer import answer
from reports.text.headline import headline, how_to_read
from reports.text.notes import self_check_verdict, status_notes, table_notes
from vtok_eval.results.plain_text import printable


def terminal(report: RunReport, *, width: int = 100) -> str:
    """The finding and the comparison tables in lines of at most `width` characters, without colours."""
    return "\n".join(line.rstrip() for block in _blocks(report, width) for line in (*block.splitlines(), ""))


def summary(report: RunReport, *, width: int = 100) -> str:
    """The answer of a run in about a dozen lines of at most `width` characters: what it says and whether its
    own checks passed. Where nothing is compared, the tables are the answer."""
    sentences = answer(report)
    if not sentences:
        return terminal(report, width=width)
    lines = [f"{report.name}: {report.label}"]
    lines += [note for note in status_notes(report) if not note.startswith("Self-checks,")]
    lines += sentences
    if checks := self_check_verdict(report.self_checks):
        lines.append(checks)
    return "\n".join(_wrapped(line, width, indent="  ") for line in lines)


def _blocks(report: RunReport, width: int) -> Iterator[str]:
    yield _wrapped(f"{report.name}: {report.label}", width)
    for note in status_notes(report):
        yield _wrapped(note, width)
    first: tuple[str, ...] = ()
    later: dict[str, list[str]] = {}
    for benchmark in report.benchmarks:
        yield _wrapped(f"{benchmark.info.title} ({report.label})", width)
        grid = comparison_grid(benchmark, baseline=report.baseline)
        yield from (_rendered(part) for part in grid.parts(width=width + 2, gap=2))
        own = table_notes(benchmark, baseline=report.baseline)
        first = first or own
        for note in own:
            if note not in first:
                later.setdefault(note, []).append(benchmark.info.id)
    # What the first table's readers were told is not said again; what later ones add names those tables.
    notes = [*first, *(_said_of(ids, note) for note, ids in later.items())]
    yield "\n".join(_wrapped(_with_stars(note), width, indent="  ") for note in notes)
    yield "\n".join(_wrapped(sentence, width, indent="  ") for sentence in headline(report))
    if reading := how_to_read(report):
        yield _wrapped(reading, width)


def _said_of(benchmarks: Sequence[str], note: str) -> str:
    """The note, with the benchmarks it holds for; one that begins with its benchmark already is left."""
    return note if note.startswith(f"{benchmarks[0]}: ") else f"{', '.join(benchmarks)}: {note}"


def _with_stars(note: str) -> str:
    """The note for plain text, where a star marks bold and ² underlined."""
    starred = note.replace("Bold:", "With a star:").replace("is bold", "has a star")
    return starred.replace("Underlined:", "With ²:")


def _mark(cell: GridCell) -> str:
    return "*" if cell.bold else "²" if cell.underlined else ""


def _rendered(grid: Grid) -> str:
    """The grid as text, as wide as its widest row: `Grid.parts` has seen to the width."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    widths = grid.widths()
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for i, (column, width) in enumerate(zip(grid.columns, widths, strict=True)):
        table.add_column(Text(printable(column)), justify="right" if i else "left", width=width)
    for row in grid.rows:
        table.add_row(*(Text(printable(cell.text) + _mark(cell)) for cell in row.cells))
    text = io.StringIO()
    console = Console(file=text, width=sum(widths) + 2 * len(widths), color_system=None, legacy_windows=False)
    console.print(table)
    return text.getvalue()


def _wrapped(text: str, width: int, *, indent: str = "") -> str:
    return "\n".join(textwrap.wrap(printable(text), width=width, subsequent_indent=indent)) or ""
