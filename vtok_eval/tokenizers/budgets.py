"""Token budgets: how many tokens may be spent on a clip, and what they pay for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vtok_eval.errors import SpecError
from vtok_eval.systems import CountingTokenizer

Budget = int | CountingTokenizer
"""The most tokens that may be spent on a clip, or a tokenizer whose own number of tokens that is."""


def check_spending(given: Mapping[str, int | None], budget: Budget | None, *, needs: str, of: str) -> None:
    """Refuse a tokenizer that is told neither its numbers nor a budget, or both, or a number below 1.

    Args:
        given: by option, each number that may be given in place of a budget; all of them or none.
        budget: None where the numbers are given.
        needs: the message for anything else: what the tokenizer needs.
        of: what the numbers count, for the message about one below 1.

    Raises:
        SpecError: saying what is wrong.

    Example:
        >>> check_spending({"count": 4}, None, needs="frames needs a count or a budget", of="frame")
        >>> check_spending({"count": 0}, None, needs="frames needs a count or a budget", of="frame")
        Traceback (most recent call last):
        vtok_eval.errors.SpecError: count must be at least 1 frame, not 0
    """
    numbers = [number for number in given.values() if number is not None]
    if len(numbers) != (len(given) if budget is None else 0):
        raise SpecError(needs)
    for name, number in given.items():
        if number is not None and number < 1:
            raise SpecError(f"{name} must be at least 1 {of}, not {number}")


def tokens_to_spend(budget: Budget, n_frames: int) -> int:
    """The most tokens for a clip of `n_frames` frames.

    Raises:
        SpecError: it does not pay for one token.

    Example:
        >>> tokens_to_spend(31, n_frames=16)
        31
    """
    tokens = budget.token_count(n_frames) if isinstance(budget, CountingTokenizer) else budget
    if tokens < 1:
        raise SpecError(f"a budget of {tokens} tokens pays for no frame")
    return tokens


def frames_and_grid(tokens: int, *, n_frames: int, finest: int) -> tuple[int, int]:
    """Of all numbers of frames K and grids g up to `finest`, the pair that spends most of the tokens.

    Of equals it is the finer grid.

    Example:
        >>> frames_and_grid(31, n_frames=16, finest=4)
        (7, 2)
    """
    plans = [(min(n_frames, tokens // g**2), g) for g in range(finest, 0, -1)]
    # Finer grids first: max() keeps the first of equals.
    return max(plans, key=lambda plan: plan[0] * plan[1] ** 2)


def slow_and_fast(tokens: int, *, n_frames: int, finest: int, coarse: int) -> tuple[int, int, int]:
    """How to divide the tokens between few frames of a fine grid and many of a coarse one.

    Gives the number of fine frames, their grid (up to `finest`), and the number of coarse frames, of
    coarse x coarse cells each, of which there are more than fine ones wherever the clip has as many. It is
    the division that spends the most; of equals the one with the finest grid, then that with the most coarse
    frames.

    Raises:
        SpecError: no division pays for one frame of either kind.

    Example:
        >>> slow_and_fast(31, n_frames=16, finest=4, coarse=1)
        (1, 4, 15)
    """

    def divisions() -> Iterator[tuple[int, int, int]]:
        for grid in range(finest, coarse, -1):
            for slow in range(1, n_frames + 1):
                fast = min(n_frames, (tokens - slow * grid**2) // coarse**2)
                if fast >= min(n_frames, slow + 1):
                    yield slow, grid, fast

    found = list(divisions())
    if not found:
        raise SpecError(
            f"a budget of {tokens} tokens does not pay for a fine frame and others of {coarse**2} tokens each"
        )
    return max(found, key=lambda plan: (plan[0] * plan[1] ** 2 + plan[2] * coarse**2, plan[1], plan[2]))
