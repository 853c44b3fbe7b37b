"""A run's tables as LaTeX that a plain pdflatex compiles, with booktabs and nothing else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reports.run_report import BenchmarkReport, RunReport
from reports.tables.budget import BudgetTables
from reports.tables.grid import Grid, GridCell, RowKind, comparison_grid, details_grid
from reports.text.notes import status_notes, table_notes

if TYPE_CHECKING:
    import pandas as pd

LINE_WIDTH = 92
"""Characters of footnotesize that a table* takes."""

_SPECIALS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "`": r"\textasciigrave{}",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "±": r"$\pm$",
    "×": r"$\times$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "Δ": r"$\Delta$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "…": r"\ldots{}",
    "→": r"$\rightarrow$",
    "▲": r"$\bigtriangleup$",
    "▼": r"$\bigtriangledown$",
    "◆": r"$\diamond$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "∞": r"$\infty$",
    "§": r"\S{}",
}


def latex(report: RunReport, budget: Mapping[str, BudgetTables] | None = None) -> str:
    """Every table of the run as table* environments, to be \\input; needs \\usepackage{booktabs}."""
    tables = [
        table
        for benchmark in report.benchmarks
        for table in (
            *_comparison(benchmark, report),
            *_details(benchmark, report),
            *_budget(benchmark, report, budget or {}),
        )
    ]
    notes = [_comment(line) for line in (report.label, *status_notes(report))]
    return "\n".join([*notes, "% needs \\usepackage{booktabs}", "", *tables])


def latex_text(text: str) -> str:
    r"""Text as LaTeX prints it in any font encoding, with every special character escaped.

    Accented letters lose their accents and other letters beyond ASCII become their code points: plain
    pdflatex has no glyphs for most of them.

    Example:
        >>> latex_text("50 % of vtok_eval")
        '50 \\% of vtok\\_eval'
    """
    escaped = "".join(_latex_character(character) for character in " ".join(text.split()))
    # No dashes or quotes out of neighbours, and no optional argument of the row break before a cell.
    escaped = re.sub(r"([-',])(?=\1)", r"\1{}", escaped)
    return f"{{[}}{escaped[1:]}" if escaped.startswith("[") else escaped


def _latex_character(character: str) -> str:
    if character in _SPECIALS:
        return _SPECIALS[character]
    if character.isascii():
        return character if character.isprintable() else ""
    letters = [part for part in unicodedata.normalize("NFKD", character) if part.isascii()]
    if letters:
        return "".join(_SPECIALS.get(letter, letter) for letter in letters)
    return rf"\texttt{{U+{ord(character):04X}}}"


def _comparison(benchmark: BenchmarkReport, report: RunReport) -> list[str]:
    notes = " ".join(table_notes(benchmark, baseline=report.baseline))
    grid = comparison_grid(benchmark, baseline=report.baseline)
    caption = _caption(benchmark.info.title, report)
    return _tables(grid, caption=caption, notes=notes, label=f"tab:{_slug(benchmark.info.id)}")


def _details(benchmark: BenchmarkReport, report: RunReport) -> list[str]:
    if not set(benchmark.details) - set(benchmark.headline):
        return []
    caption = _caption(f"{benchmark.info.title}, metric by metric", report)
    return _tables(
        details_grid(benchmark), caption=caption, notes="", label=f"tab:{_slug(benchmark.info.id)}-metrics"
    )


def _budget(benchmark: BenchmarkReport, report: RunReport, budget: Mapping[str, BudgetTables]) -> list[str]:
    if benchmark.info.id not in budget:
        return []
    return [
        table
        for title, grid, notes in budget[benchmark.info.id].grids(benchmark)
        for table in _tables(
            grid,
            caption=_caption(f"{benchmark.info.title}, {title}", report),
            notes=" ".join(notes),
            label=f"tab:{_slug(benchmark.info.id)}-{_slug(title)}",
        )
    ]


def _caption(what: str, report: RunReport) -> str:
    unfinished = " Unfinished run." if report.unfinished else ""
    return f"{what} ({report.label}).{unfinished}"


def _tables(grid: Grid, *, caption: str, notes: str, label: str) -> list[str]:
    """The grid as one table or more; notes about all of it are under the first."""
    parts = list(grid.parts(width=LINE_WIDTH, gap=2))
    if len(parts) == 1:
        return [latex_table(grid, caption=f"{caption} {notes}".strip(), label=label)]
    return [
        latex_table(
            part,
            caption=f"{caption} Part {number} of {len(parts)}. {notes if number == 1 else ''}".strip(),
            label=f"{label}-{number}",
        )
        for number, part in enumerate(parts, start=1)
    ]


def latex_table(grid: Grid, *, caption: str, label: str, column_format: str | None = None) -> str:
    """The grid as a table* environment; column_format: default: the first column left, the others right."""
    import pandas as pd

    frame = pd.DataFrame(
        [[latex_text(cell.text) for cell in row.cells] for row in grid.rows],
        columns=pd.RangeIndex(len(grid.columns)),
    )
    styler = frame.style.hide(axis="index")
    titles = {place: latex_text(column) for place, column in enumerate(grid.columns)}
    styler = styler.format_index(lambda place: titles[int(str(place))], axis="columns")
    styler = styler.apply(_styles, grid=grid, axis=None)
    styler = styler.set_table_styles(
        [
            {"selector": "footnotesize", "props": ":;"},
            {"selector": "setlength", "props": r":{\tabcolsep}{3pt};"},
        ]
    )
    text: str = styler.to_latex(
        environment="table*",
        position="tbp",
        position_float="centering",
        hrules=True,
        caption=latex_text(caption),
        label=label,
        column_format=column_format or "l" + "r" * (len(grid.columns) - 1),
    )
    return text


def _styles(frame: pd.DataFrame, *, grid: Grid) -> pd.DataFrame:
    """LaTeX commands of each cell, as Styler takes them."""
    styles = [
        [_command(row.kind, cell, first=i == 0) for i, cell in enumerate(row.cells)] for row in grid.rows
    ]
    return frame.__class__(styles, index=frame.index, columns=frame.columns)


def _command(kind: RowKind, cell: GridCell, *, first: bool) -> str:
    if kind is RowKind.HEADING:
        return "textit:--rwrap;" if first else ""
    if kind is RowKind.DIFFERENCES:
        return "scriptsize:--wrap;"
    if cell.bold:
        return "textbf:--rwrap;"
    return "underline:--rwrap;" if cell.underlined else ""


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "table"


def _comment(line: str) -> str:
    return f"% {' '.join(line.split())}"
