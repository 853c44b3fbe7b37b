"""Finds the input contract that a tokenizer without one seems to need, by trying lengths and sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vtok_eval.data import Clips
from vtok_eval.inputs.accepts import Accepts, Progression
from vtok_eval.inputs.fitting import fit_clips, plan_fit

if TYPE_CHECKING:
    from vtok_eval.systems import Tokenizer

LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 24, 25, 32, 33)
"""Numbers of frames that are tried; together they distinguish the rules below."""
LENGTH_RULES = ("1k", "2k", "4k", "8k", "16k", "1+2k", "1+3k", "1+4k", "1+6k", "1+8k", "1+16k")
FIRST_SIZES = (64, 128, 256, 224, 96, 192, 320, 336, 384, 512)
"""Square sizes in pixels, tried in this order until one works."""
STEPS = (1, 2, 4, 8, 16, 32, 64)
"""A working size is enlarged by each of these; the smallest that works is the step between sizes."""

Works = Callable[[Clips], bool]


def find_contract(tokenizer: Tokenizer, clips: Clips) -> Accepts | None:
    """The contract under which the tokenizer accepts clips like these; None if no trial succeeds.

    A clip works if `encode` raises no error and `decode`, if there is one, returns as many frames of the same
    size. Whatever works at every number tried, even by chance, is reported as accepted.

    Args:
        clips: uint8 `(B, T, 3, H, W)`; the first one is stretched to what is tried.
    """
    from vtok_eval.checks.trial import round_trip

    one = Clips(frames=clips.frames[:1], fps=clips.fps[:1])

    def works(trial: Clips) -> bool:
        return round_trip(tokenizer, trial)

    height, width = int(one.frames.shape[3]), int(one.frames.shape[4])
    sizes = [(height, width), *((side, side) for side in FIRST_SIZES)]
    start = next(
        (
            (length, size)
            for size in sizes
            for length in (16, 17, 8, 9, 1, 24, 32)
            if works(_at(one, length, size))
        ),
        None,
    )
    if start is None:
        return None
    length, size = start
    frames, least, most = _length_rule([n for n in LENGTHS if works(_at(one, n, size))] or [length])
    return Accepts(frames=frames, least=least, most=most, size=_size_rule(one, length, size, works))


def _at(one: Clips, n_frames: int, size: tuple[int, int]) -> Clips:
    """The clip with this many frames, resized to this size in pixels."""
    contract = Accepts(frames=n_frames, size=size)
    fit = plan_fit(
        contract,
        n_frames=one.n_frames,
        height=int(one.frames.shape[3]),
        width=int(one.frames.shape[4]),
        fps=float(one.fps[0]),
    )
    return fit_clips(one, fit)[0]


def _length_rule(working: Sequence[int]) -> tuple[str | int | None, int | None, int | None]:
    """The rule, the fewest and the most frames that describe which lengths work."""
    if len(working) == 1:
        return working[0], None, None
    for text in LENGTH_RULES:
        rule = Progression.parse(text, what="frames")
        inside = [n for n in LENGTHS if working[0] <= n <= working[-1] and rule.contains(n)]
        if inside == list(working):
            least = working[0] if working[0] > rule.offset else None
            most = working[-1] if working[-1] < max(n for n in LENGTHS if rule.contains(n)) else None
            return (None if text == "1k" else text), least, most
    return working[-1], None, None


def _size_rule(one: Clips, length: int, size: tuple[int, int], works: Works) -> str | tuple[int, int] | None:
    height, width = size
    for step in STEPS:
        if works(_at(one, length, (height + step, width + step))):
            return None if step == 1 else f"{step}k"
    return size
