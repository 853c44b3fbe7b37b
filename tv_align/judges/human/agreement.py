"""How far raters agree: Krippendorff's alpha for nominal labels, majorities and ties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Krippendorff's alpha for nominal labels; 1 is full agreement, 0 what chance would give.

    units: for each labelled item, its labels, in any order; any number of raters, who need
        not have labelled everything. Units with fewer than two labels say nothing and are left out.

    From the coincidence matrix (K. Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011): each unit
    with m labels adds 1 / (m - 1) for each ordered pair of its labels; alpha = 1 - (n - 1) D_o / D_e with D_o
    the sum off the diagonal and D_e the sum of n_c n_k over c != k, of n paired labels.

    None where it is not defined: no unit has two labels, or only one label was ever given.

    Example:
        >>> round(krippendorff_alpha([["yes", "yes"], ["no", "no"], ["yes", "no"]]), 3)
        0.444
    """
    margins: Counter[str] = Counter()
    disagreement = 0.0
    for labels in units:
        if len(labels) < 2:
            continue
        counts = Counter(labels)
        margins.update(counts)
        total = len(labels)
        disagreement += sum(n * (total - n) for n in counts.values()) / (total - 1)
    n = margins.total()
    expected = sum(count * (n - count) for count in margins.values())
    if expected == 0:
        return None
    return 1 - (n - 1) * disagreement / expected


def majority(labels: Sequence[str]) -> str | None:
    """The label that more raters gave than any other; None for a tie or no label.

    Example:
        >>> majority(["yes", "yes", "no"]), majority(["yes", "no"])
        ('yes', None)
    """
    ranked = Counter(labels).most_common(2)
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
