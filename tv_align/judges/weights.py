"""What `vtok-eval doctor` says of the judges that need no weights."""

from __future__ import annotations

from vtok_eval.files.weights import WeightsOf


def oracle(argument: str | None) -> WeightsOf:
    """The judge that measures pixels.

    Example:
        >>> oracle(None).note
        'no weights: it measures pixels'
    """
    return WeightsOf("judge", "oracle", note="no weights: it measures pixels")


def human(argument: str | None) -> WeightsOf:
    """The judge that reads labels.

    Example:
        >>> human(None).note
        "no weights: it reads the raters' labels"
    """
    return WeightsOf("judge", "human", note="no weights: it reads the raters' labels")


def always_yes(argument: str | None) -> WeightsOf:
    """The control that agrees with everything.

    Example:
        >>> always_yes(None).note
        'no weights: a control'
    """
    return WeightsOf("judge", "always-yes", note="no weights: a control")
