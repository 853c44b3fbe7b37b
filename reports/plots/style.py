"""How pictures look: themes, a colour and marker for each system, the label below, and how they are saved."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports.families import color_key
from reports.run_document import RunSystem

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PNG_DPI = 200
PNG_COMPRESSION = 3
"""Of 9: higher ones save a tenth of the size and take several times as long."""
SMALL = 7.0
"""Points; the size of labels next to points and of the line below a picture."""
FONTS = ["DejaVu Sans", "Verdana", "sans-serif"]
"""What text is drawn in; a browser without the first takes the next, whose letters are as wide."""
COLUMN_WIDTH = 3.3
"""Inches of a paper's column."""
MOST_LABEL_LINES = 8
LABEL_LINE = 0.108
"""Inches of a line of the label below a picture."""


@dataclass(frozen=True)
class Theme:
    """Colours and size of a picture.

    vtok, frames, others: families of systems, from Okabe and Ito's palette, which colour-blind readers
    can distinguish. in_column: drawn for a paper's column, `COLUMN_WIDTH` wide, with letters as large as on a
    page.
    """

    name: str
    background: str
    text: str
    faint: str
    vtok: str
    frames: str
    others: tuple[str, ...]
    in_column: bool = False


LIGHT = Theme(
    name="light",
    background="#ffffff",
    text="#1b1f24",
    faint="#6a737d",
    vtok="#0072b2",
    frames="#d55e00",
    others=("#009e73", "#cc79a7", "#8a6d00", "#56b4e9"),
)
DARK = Theme(
    name="dark",
    background="#16191d",
    text="#e6e8ea",
    faint="#9aa4ae",
    vtok="#56b4e9",
    frames="#f08a3c",
    others=("#2fc497", "#e29ac4", "#f0e442", "#9ecfff"),
)
COLUMN = replace(LIGHT, name="column", in_column=True)
MARKERS = {"vtok": "DsPXd", "frames": "o^v<>hp8", "other": "*HdpX"}


@dataclass(frozen=True)
class Picture:
    """A picture: how it is drawn in a theme, what it shows as text, and the numbers it shows."""

    name: str
    title: str
    alt: str
    data: pd.DataFrame
    draw: Callable[[Theme], Figure]


@dataclass(frozen=True)
class Look:
    """How a system is drawn. face: the marker's filling, hollow for controls."""

    color: str
    marker: str
    face: str


def looks(systems: Sequence[RunSystem], theme: Theme) -> dict[str, Look]:
    """A look for each system: its family's colour, and a marker that no other of the family has.

    Two folders of videos have nothing in common but their kind, and neither have two generators.
    """
    used: Counter[str] = Counter()
    contenders = [color_key(system) for system in systems if not system.control]
    other_families = list(dict.fromkeys(name for name in contenders if name not in {"vtok", "frames"}))
    found = {}
    for system in systems:
        name = color_key(system)
        if name in {"vtok", "frames"}:
            color, shape = (theme.vtok, "vtok") if name == "vtok" else (theme.frames, "frames")
        elif system.control:
            color, shape = theme.faint, "other"
        else:
            color, shape = theme.others[other_families.index(name) % len(theme.others)], "other"
        marker = MARKERS[shape][used[shape] % len(MARKERS[shape])]
        used[shape] += 1
        found[system.name] = Look(color, marker, theme.background if system.control else color)
    return found


def new_figure(theme: Theme, *, width: float, height: float) -> Figure:
    """An empty figure of this size in inches, drawn by Agg, without pyplot and its global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, facecolor=theme.background)
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, theme: Theme, *, title: str = "") -> None:
    """Colours and spines of the theme; a grid that stays behind the data; the title at the left."""
    axes.set_title(literal(title), loc="left", color=theme.text, fontsize=SMALL + 2.5)
    axes.set_facecolor(theme.background)
    axes.tick_params(which="both", colors=theme.text, labelsize=SMALL + 0.5)
    axes.tick_params(length=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(theme.faint)
    axes.grid(visible=True, color=theme.faint, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color(theme.text)
        text.set_fontsize(SMALL + 1.5)


def add_axes(figure: Figure, theme: Theme, *, left: float, right: float, top: float, bottom: float) -> Axes:
    """Dressed axes that leave these inches of the figure free around them."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    )
    dress(axes, theme)
    return axes


def literal(text: str) -> str:
    r"""Text that matplotlib must not read as mathematics.

    Example:
        >>> literal("50 $")
        '50 \\$'
    """
    return text.replace("$", r"\$")


def heading_height(text: str, width: float) -> float:
    """Inches that `write_heading` takes above a picture of this width."""
    return 0.1 + 0.14 * len(_heading_lines(text, width))


def _heading_lines(text: str, width: float) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width=int(width * 16))


def write_heading(figure: Figure, text: str, theme: Theme) -> None:
    """Write what a picture is about along its upper edge."""
    width, height = figure.get_size_inches()
    lines = literal("\n".join(_heading_lines(text, width)))
    figure.text(0.06 / width, 1 - 0.06 / height, lines, fontsize=SMALL + 1, color=theme.text, va="top")


def label_height(label: str, width: float) -> float:
    """Inches that `write_label` takes below a picture of this width."""
    return LABEL_LINE * len(_label_lines(label, width)) + 0.06


def _label_lines(label: str, width: float) -> list[str]:
    import textwrap

    return textwrap.wrap(label, width=int(width * 20), max_lines=MOST_LABEL_LINES, placeholder=" …")


def write_label(figure: Figure, label: str, theme: Theme) -> None:
    """Write the run's label along the lower edge; what does not fit is in the picture's data."""
    figure.text(
        0.06 / figure.get_figwidth(),
        0.04 / figure.get_figheight(),
        literal("\n".join(_label_lines(label, figure.get_figwidth()))),
        fontsize=SMALL - 0.5,
        color=theme.faint,
        ha="left",
        va="bottom",
        linespacing=1.15,
    )


@contextmanager
def _quiet_font_tools() -> Iterator[None]:
    """Without the hundreds of lines that fontTools logs for a PDF, which a user's program may show."""
    logger = logging.getLogger("fontTools")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _without_layout_tables() -> Iterator[None]:
    """Fonts are cut down to a PDF's glyphs without their tables for laying out text, which no reader of a PDF
    uses: going through them would take most of the time that a PDF takes."""
    from fontTools.subset import Options

    name = "_drop_tables_default"
    before = getattr(Options, name, None)  # not public: without it PDFs only take longer
    if before is None:
        yield
        return
    setattr(Options, name, [*before, "GDEF", "GPOS", "GSUB"])
    try:
        yield
    finally:
        setattr(Options, name, before)


def render(figure: Figure, form: str, *, title: str, alt: str) -> bytes:
    """The figure as "png", "svg" or "pdf"; equal figures give equal bytes. The alt text goes with it."""
    import io

    import matplotlib as mpl

    metadata = {
        "svg": {"Title": title, "Description": alt, "Date": None},
        "png": {"Title": title, "Description": alt, "Software": None},
        "pdf": {"Title": title, "Subject": alt, "CreationDate": None, "Producer": None, "Creator": None},
    }[form]
    content = io.BytesIO()
    # Text stays text in an SVG. Type 42: fonts that publishers take, and letters that can be searched.
    with (
        mpl.rc_context(
            {
                "svg.hashsalt": "vtok-eval",
                "svg.fonttype": "none",
                "pdf.fonttype": 42,
                "font.sans-serif": FONTS,
            }
        ),
        _quiet_font_tools(),
        _without_layout_tables() if form == "pdf" else nullcontext(),
    ):
        if form == "png":
            compression = {"compress_level": PNG_COMPRESSION}
            figure.savefig(content, format=form, dpi=PNG_DPI, metadata=metadata, pil_kwargs=compression)
        else:
            figure.savefig(content, format=form, dpi=PNG_DPI, metadata=metadata)
    return content.getvalue()
