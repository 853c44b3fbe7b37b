"""The table of claims as Markdown, CSV, HTML, LaTeX and plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reports.reproduce.claims import Claims, published_claims
from reports.reproduce.measure import ClaimRow, rows
from reports.run_report import gather
from reports.tables.csv_text import csv_text
from reports.tables.grid import Grid, GridCell, GridRow, RowKind
from reports.tables.latex import latex_table
from reports.tables.markdown import escape, markdown_table
from vtok_eval.errors import RunFolderError, UnknownNameError
from vtok_eval.results.plain_text import printable
from vtok_eval.results.store import RunFolder, write_bytes

if TYPE_CHECKING:
    import pandas as pd

HOW_TO_READ = (
    "Agrees within the interval: measured in the paper's own setting, and the published number is in our "
    "95 % interval (or tokens were counted and are equal).",
    "Agrees in sign: a paired test shows a difference in the claimed direction; from another setting or a "
    "re-creation that is all that can be said, and it says nothing about the size.",
    "No sign shown: measured, but no difference was shown. Disagrees: the difference has the other sign, or "
    "the paper's own setting gives another number.",
    "Not measured: no run has it, or what was measured (another setting's level, random weights, a stand-in) "
    "can neither confirm nor refute it, or a self-check of the run found that its reader is not sound there.",
)


@dataclass(frozen=True)
class ReproducePaths:
    """What `write_reproduce` wrote."""

    markdown: Path
    csv: Path
    html: Path
    latex: Path


def gather_rows(runs: Sequence[Path], *, systems: Collection[str] = ()) -> list[ClaimRow]:
    """The rows of the VTok paper's claims over these runs, each run separately.

    Raises:
        RunFolderError: no run is named, or one cannot be read.
        UnknownNameError: no run has one of `systems`.
    """
    if not runs:
        raise RunFolderError("no run folder is named")
    found = [gather(path, rank=False) for path in runs]
    known = {system.name for report in found for system in report.systems}
    for name in systems:
        if name not in known:
            raise UnknownNameError(what="system", name=name, known=known)
    return rows(published_claims().claims, found, systems=systems)


def write_reproduce(
    found: Sequence[ClaimRow], runs: Sequence[Path], out: Path | None = None
) -> ReproducePaths:
    """Write the table in four forms; default: into the report folder of the only run.

    Raises:
        RunFolderError: several runs and no folder, or it cannot be written.
    """
    if out is None and len(runs) > 1:
        raise RunFolderError("a table of several runs belongs to none of them: name its folder with --out")
    folder = RunFolder(runs[0]).report() if out is None else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make the folder {folder}: {error.strerror}") from error
    claims = published_claims()
    paths = ReproducePaths(*(folder / f"reproduce.{suffix}" for suffix in ("md", "csv", "html", "tex")))
    for path, text in (
        (paths.markdown, as_markdown(claims, found)),
        (paths.csv, csv_text(as_frame(found))),
        (paths.html, as_html(claims, found)),
        (paths.latex, as_latex(claims, found)),
    ):
        write_bytes(path, text.encode())
    return paths


def grid(found: Sequence[ClaimRow]) -> Grid:
    """Claims as rows; a claim's text is shown once, before the first of its rows."""
    columns = ("Claim", "Published", "Where", "Ours, with 95 % interval", "Measured in", "Verdict")
    lines = []
    last = None
    for row in found:
        claim = row.claim
        first = claim.id != last
        last = claim.id
        texts = (
            claim.claim if first else "",
            claim.published_text if first else "",
            claim.place if first else "",
            f"{row.value} {row.interval}".strip() or "–",
            row.where or "–",
            f"{row.verdict.value}: {row.reason}",
        )
        lines.append(GridRow(RowKind.VALUES, tuple(GridCell(text) for text in texts)))
    return Grid(columns, tuple(lines))


def as_markdown(claims: Claims, found: Sequence[ClaimRow]) -> str:
    """A heading, the table, and how verdicts are read."""
    notes = "\n".join(f"- {escape(note)}" for note in HOW_TO_READ)
    table = markdown_table(grid(found), align="---")
    return f"# The paper's claims\n\n{escape(claims.paper)}\n\n{table}\n\n{notes}\n"


def as_latex(claims: Claims, found: Sequence[ClaimRow]) -> str:
    """A table* environment; needs booktabs."""
    table = latex_table(
        grid(found),
        caption=f"Claims of {claims.paper} and our runs. {' '.join(HOW_TO_READ)}",
        label="tab:reproduce",
        column_format="p{.16\\textwidth}p{.07\\textwidth}p{.13\\textwidth}p{.13\\textwidth}p{.24\\textwidth}"
        "p{.16\\textwidth}",
    )
    return f"% needs \\usepackage{{booktabs}}\n{table}"


def as_html(claims: Claims, found: Sequence[ClaimRow]) -> str:
    """One self-contained page, in light and dark."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("reports.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    template = environment.get_template("reproduce.html.j2")
    return template.render(paper=claims.paper, rows=found, notes=HOW_TO_READ)


def as_frame(found: Sequence[ClaimRow]) -> pd.DataFrame:
    """`as_lines` as a table."""
    import pandas as pd

    return pd.DataFrame(as_lines(found))


def as_lines(found: Sequence[ClaimRow]) -> list[dict[str, object]]:
    """One line per row, numbers in full; differences and levels as fractions, tokens as counts."""
    return [
        {
            "claim_id": row.claim.id,
            "claim": row.claim.claim,
            "published": row.claim.published,
            "published_text": row.claim.published_text,
            "place": row.claim.place,
            "kind": row.claim.kind.value,
            "run": row.run,
            "system": row.system,
            "value": None if row.measured is None else row.measured.value,
            "low": None if row.measured is None else row.measured.low,
            "high": None if row.measured is None else row.measured.high,
            "p_corrected": None if row.measured is None else row.measured.p,
            "predicted": None if row.measured is None else row.measured.expected,
            "setting": None if row.measured is None else row.measured.setting,
            "caveats": None if row.measured is None else "; ".join(row.measured.caveats),
            "measured_in": row.where,
            "verdict": row.verdict.value,
            "reason": row.reason,
        }
        for row in found
    ]


def as_text(claims: Claims, found: Sequence[ClaimRow], *, width: int = 100) -> str:
    """For a terminal: a paragraph per claim, since settings are long."""
    lines = [*_wrapped(claims.paper, width), ""]
    last = None
    for row in found:
        if row.claim.id != last:
            last = row.claim.id
            head = f"{row.claim.claim}. Published: {row.claim.published_text} ({row.claim.place})."
            lines += _wrapped(head, width)
        ours = f"{row.value} {row.interval}".strip()
        lines += _wrapped(f"  {row.verdict.value.upper()}: {row.reason}", width)
        if ours:
            lines += _wrapped(f"    ours: {ours}; {row.where}", width)
    return "\n".join([*lines, "", *(line for note in HOW_TO_READ for line in _wrapped(note, width))])


def _wrapped(text: str, width: int) -> list[str]:
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(
        printable(text.strip()), width=width, initial_indent=indent, subsequent_indent=indent + "  "
    )
