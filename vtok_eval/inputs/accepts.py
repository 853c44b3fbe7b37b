"""What a tokenizer says of the clips that it takes: numbers of frames, sizes in pixels, frame rate."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from vtok_eval.errors import SpecError

SizePolicy = Literal["pad", "resize", "crop"]
_PROGRESSION = re.compile(r"(?:(\d+)\s*\+\s*)?(\d+)\s*k")


@dataclass(frozen=True)
class Progression:
    """The whole numbers `offset + step * k` with k = 0, 1, 2, ...; the first is at least 1.

    A fixed number has step 0.

    Example:
        >>> rule = Progression.parse("1+4k", what="frames")
        >>> rule.contains(17), rule.at_least(16), rule.at_most(16)
        (True, 17, 13)
    """

    offset: int
    step: int

    @classmethod
    def parse(cls, rule: str | int, *, what: str) -> Progression:
        """The numbers that `rule` names: "1+4k", "4k", or one number.

        Raises:
            SpecError: the rule has another form, or names no number above 0.
        """
        text = str(rule).replace(" ", "")
        if not isinstance(rule, bool) and re.fullmatch(r"\d+", text) and int(text) > 0:
            return cls(offset=int(text), step=0)
        match = _PROGRESSION.fullmatch(text)
        if match is None or int(match[2]) == 0:
            raise SpecError(f'{what}={rule!r} must be a number above 0 or a rule such as "1+4k" or "8k"')
        offset, step = int(match[1] or 0), int(match[2])
        return cls(offset=offset or step, step=step)

    def contains(self, number: int) -> bool:
        """Whether `number` is one of the numbers."""
        return self.at_least(number) == number

    def at_least(self, number: int) -> int | None:
        """The smallest of the numbers that is at least `number`; None if there is none."""
        if number <= self.offset:
            return self.offset
        if self.step == 0:
            return None
        return self.offset + -(-(number - self.offset) // self.step) * self.step

    def at_most(self, number: int) -> int | None:
        """The largest of the numbers that is at most `number`; None if there is none."""
        if number < self.offset:
            return None
        if self.step == 0:
            return self.offset
        return self.offset + (number - self.offset) // self.step * self.step

    def __str__(self) -> str:
        if self.step == 0:
            return str(self.offset)
        return f"{self.step}k" if self.offset == self.step else f"{self.offset}+{self.step}k"


@dataclass(frozen=True)
class Accepts:
    """The input contract of a tokenizer: the clips that its `encode` takes.

    Clips that do not meet it are fitted to it before `encode`, and the fit is undone after `decode`
    (`vtok_eval.inputs.fitting`). A tokenizer without a contract is given every clip as it is.

    Attributes:
        frames: the numbers of frames it takes: "1+4k" (1, 5, 9, ...), "4k" (4, 8, ...) or one number. None:
            any. Where a clip has another number, its last frame is repeated.
        least: the fewest frames it takes.
        most: the most frames it takes. Longer clips are cut into windows, each encoded by itself.
        window: frames of a window; None for the largest number that `frames` and `most` allow. Where it is
            given, every clip longer than it is cut.
        size: heights and widths in pixels: "8k" (multiples of 8), 256 (256 x 256) or (256, 320), height
            first; each of the two may be a rule.
        fit_size: how another size is changed. "pad" repeats the border to the next size that fits, "resize"
            scales, "crop" keeps the centre. None: "pad" for multiples, "resize" for fixed sizes.
        fps: frames per second it takes; other clips are resampled by nearest frame. None: any.

    Raises:
        SpecError: a rule cannot be read, or no clip could meet the contract.

    Example:
        >>> Accepts(frames="1+4k", size="8k", fps=8).text()
        'frames="1+4k", size="8k", fps=8'
    """

    frames: str | int | None = None
    size: str | int | tuple[int | str, int | str] | None = None
    fps: float | None = None
    least: int | None = None
    most: int | None = None
    window: int | None = None
    fit_size: SizePolicy | None = None
    _rules: tuple[Progression, Progression, Progression] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        frames = Progression.parse(self.frames if self.frames is not None else "1k", what="frames")
        object.__setattr__(self, "_rules", (frames, *_size_rules(self.size)))
        for name in ("least", "most", "window"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise SpecError(f"{name}={value!r} must be a number of frames above 0")
        if self.fps is not None and not self.fps > 0:
            raise SpecError(f"fps={self.fps!r} must be above 0")
        if self.fit_size not in (None, "pad", "resize", "crop"):
            raise SpecError(f'fit_size={self.fit_size!r} must be "pad", "resize" or "crop"')
        if self.least is not None and self.most is not None and self.least > self.most:
            raise SpecError(f"least={self.least} is above most={self.most}")
        self._check_some_length_fits()

    @property
    def frame_rule(self) -> Progression:
        """The numbers of frames, without the bounds `least` and `most`."""
        return self._rules[0]

    @property
    def height_rule(self) -> Progression:
        """The heights in pixels."""
        return self._rules[1]

    @property
    def width_rule(self) -> Progression:
        """The widths in pixels."""
        return self._rules[2]

    @property
    def size_policy(self) -> SizePolicy:
        """How a clip of another size is changed."""
        return self.fit_size or ("pad" if self.height_rule.step and self.width_rule.step else "resize")

    @property
    def window_frames(self) -> int | None:
        """Frames of a window; None where clips of every length are encoded whole."""
        if self.window is not None:
            return self.window
        if self.most is not None:
            return self.frame_rule.at_most(self.most)
        return self.frame_rule.offset if self.frame_rule.step == 0 else None

    def takes_length(self, n_frames: int) -> bool:
        """Whether a clip of `n_frames` frames is encoded as it is."""
        return (
            self.frame_rule.contains(n_frames)
            and (self.least is None or n_frames >= self.least)
            and (self.most is None or n_frames <= self.most)
            and (self.window is None or n_frames <= self.window)
        )

    def takes_size(self, height: int, width: int) -> bool:
        """Whether a clip of this size in pixels is encoded as it is."""
        return self.height_rule.contains(height) and self.width_rule.contains(width)

    def text(self) -> str:
        """The arguments with which `Accepts` makes this contract, as source code."""
        names = ("frames", "size", "fps", "least", "most", "window", "fit_size")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return ", ".join(f"{name}={_literal(value)}" for name, value in given.items())

    def _check_some_length_fits(self) -> None:
        rule, least = self.frame_rule, self.least or 1
        first = rule.at_least(least)
        if first is None or (self.most is not None and first > self.most):
            raise SpecError(
                f"Accepts({self.text()}) takes no clip: no number of frames meets frames, least and most"
            )
        window = self.window_frames
        if window is not None and not (rule.contains(window) and window >= least):
            raise SpecError(f"Accepts({self.text()}): window={window} is not among its own numbers of frames")


def _size_rules(size: str | int | tuple[int | str, int | str] | None) -> tuple[Progression, Progression]:
    if size is None:
        rule = Progression(1, 1)
        return rule, rule
    if isinstance(size, tuple | list):
        if len(size) != 2:
            raise SpecError(f"size={size!r} must have two numbers: height and width in pixels")
        height, width = (Progression.parse(side, what="size") for side in size)
        return height, width
    rule = Progression.parse(size, what="size")
    return rule, rule


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
