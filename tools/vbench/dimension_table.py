"""The table of docs/vbench.md, from the dimensions as the code has them.

python -m tools.vbench.dimension_table
"""

from __future__ import annotations

import sys

from benchmarks.vbench.dimensions import DIMENSIONS, Dimension
from benchmarks.vbench.scorers.scorer import LEAST_FLOW_SIDE

_HEAD = (
    "dimension",
    "total",
    "model",
    "files",
    "frames",
    "preprocessing",
    "score of a video",
    "range",
    "limits",
    "standard mode",
    "custom mode",
)
_PADDED_TO = {"motion_smoothness": 16, "dynamic_degree": 8}
_DECODERS = {"decord": "decord", "cv2": "cv2", "decord384": "decord"}


def lines() -> list[str]:
    """The table in Markdown, a row for each dimension."""
    return [_row(_HEAD), _row(["---"] * len(_HEAD)), *(_row(_cells(entry)) for entry in DIMENSIONS)]


def _cells(entry: Dimension) -> list[str]:
    return [
        f"`{entry.name}`",
        f"{entry.group}, weighs {entry.weight:g}",
        entry.model,
        "<br>".join(f"`{file.path}`" for file in entry.weights) or "none",
        f"{_DECODERS[entry.decoder]}; {entry.frames}",
        entry.preprocessing,
        entry.score,
        f"{entry.low:g} to {entry.high:g}",
        "; ".join(_limits(entry)) or "none",
        "yes",
        f"with the {entry.information} (`information`)" if entry.information else "yes",
    ]


def _limits(entry: Dimension) -> list[str]:
    limits = [
        f"needs {module}, which is not on PyPI; run by us with random weights only"
        for module in entry.modules
    ]
    if entry.least_frames > 1:
        limits.append(f"at least {entry.least_frames} frames")
    if entry.name in _PADDED_TO:
        limits.append(f"sides of at least {LEAST_FLOW_SIDE - _PADDED_TO[entry.name] + 1} pixels")
    return limits


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
