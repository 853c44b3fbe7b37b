"""CSV whose texts no spreadsheet runs as a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a formula may begin with; the last four are what spreadsheets of East Asian locales also read."""


def safe_cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula, with an apostrophe in front; all else as it is.

    Example:
        >>> safe_cell("=1+1"), safe_cell(0.5)
        ("'=1+1", 0.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def csv_text(frame: pd.DataFrame) -> str:
    """The table as CSV without its index; names and other texts are made safe, numbers stay numbers."""
    safe = frame.copy()
    for name in safe.columns:
        if safe[name].dtype.kind not in "biufc":
            safe[name] = safe[name].map(safe_cell)
    return str(safe.to_csv(index=False))
