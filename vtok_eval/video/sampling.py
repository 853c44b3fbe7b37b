"""Named rules that choose which frames of a clip are seen; peers differ here, and scores move with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from vtok_eval.errors import SpecError, UnknownNameError

SAMPLING_RULES = ("linspace", "interior", "fps")
"""`linspace`: as lmms-eval, first and last frame included. `interior`: as VLMEvalKit, the inner points that
divide the clip in count + 1 parts. `fps`: frames per second of time, as VLMEvalKit's fps mode; of a video
with a variable rate by the frames' own times, where VLMEvalKit takes its mean rate."""

KeyFrameChoice = Literal["first", "middle"] | int


def frame_indices(
    n_frames: int,
    count: int,
    *,
    rule: str,
    fps: float | None = None,
    target_fps: float | None = None,
    times: Sequence[float] | None = None,
) -> tuple[int, ...]:
    """Indices of at most `count` frames of a clip of `n_frames`, ascending, without duplicates.

    A clip with no more frames than asked for gives every frame once: under `linspace` and `interior` always,
    so there a short clip yields fewer than `count`; it is never padded by showing a frame again.

    rule: one of `SAMPLING_RULES`. `fps` needs the clip's rate `fps` and the `target_fps` wanted, and takes
        `fps_indices`; where that gives more than `count`, it takes `linspace` over the whole clip instead.
    times: for rule `fps`, when each frame is shown, where that is not even; then `timed_indices` is taken.

    Raises:
        UnknownNameError: no such rule.
        SpecError: count < 1, no frames, or rule `fps` without positive rates.
    """
    if rule not in SAMPLING_RULES:
        raise UnknownNameError(what="sampling rule", name=rule, known=SAMPLING_RULES)
    if count < 1:
        raise SpecError(f"at least 1 frame must be sampled, not {count}")
    _check_frames(n_frames)
    if rule == "fps":
        if fps is None or target_fps is None:
            raise SpecError("sampling rule 'fps' needs the clip's fps and a target_fps")
        chosen = fps_indices(n_frames, fps, target_fps) if times is None else timed_indices(times, target_fps)
        return chosen if len(chosen) <= count else _linspace(n_frames, count)
    if count >= n_frames:
        return tuple(range(n_frames))
    return _linspace(n_frames, count) if rule == "linspace" else _interior(n_frames, count)


def fps_indices(n_frames: int, fps: float, target_fps: float) -> tuple[int, ...]:
    """Indices of `target_fps` frames for each second of a clip of `n_frames` at `fps`, from frame 0 on.

    Like VLMEvalKit: int(n_frames / fps * target_fps) frames, fps / target_fps apart, each index truncated.
    Unlike it, a clip shorter than one interval gives its first frame, and a target at or above the clip's own
    rate gives every frame once.

    Raises:
        SpecError: a rate that is not positive and finite, or no frames.
    """
    _check_frames(n_frames)
    for name, rate in (("fps", fps), ("target_fps", target_fps)):
        if not 0 < rate < float("inf"):
            raise SpecError(f"{name} must be positive and finite, not {rate}")
    if target_fps >= fps:
        return tuple(range(n_frames))
    step = fps / target_fps
    count = max(1, int(n_frames / fps * target_fps))
    return tuple(int(i * step) for i in range(count))


def timed_indices(times: Sequence[float], target_fps: float) -> tuple[int, ...]:
    """Indices of the frames that are on the screen at 0, 1 / target_fps, 2 / target_fps, ... seconds.

    A frame that is still shown at the next of these times is given once. At a constant rate these are the
    frames of `fps_indices`.

    times: in seconds from the first frame, ascending, one for each frame. The last frame is taken to be shown
        as long as the others on average.

    Raises:
        SpecError: a target that is not positive and finite, or no frames.

    Example:
        >>> timed_indices([0.0, 0.5, 1.0, 1.5, 5.0, 5.5], 1.0)
        (0, 2, 3, 4)
    """
    _check_frames(len(times))
    if not 0 < target_fps < float("inf"):
        raise SpecError(f"target_fps must be positive and finite, not {target_fps}")
    n_frames = len(times)
    duration = times[-1] * n_frames / (n_frames - 1) if n_frames > 1 else 0.0
    wanted = np.arange(max(1, int(duration * target_fps))) / target_fps
    # A time of a file is rounded to its clock.
    shown = np.searchsorted(np.asarray(times), wanted + 1e-6, side="right") - 1
    return tuple(dict.fromkeys(int(index) for index in shown))


def every_nth(n_frames: int, stride: int, key: KeyFrameChoice = "first") -> tuple[int, ...]:
    """The frames that VTok samples: the key frame's index first, then every other sampled frame's, ascending.

    Frames are sampled every `stride` frames, counted from the key frame: for the first frame 0, stride,
    2 stride, ... (arXiv 2602.04202). A key frame further in is counted from in both directions, so that the
    frames before it are seen too: `every_nth(16, 6, 7)` is (7, 1, 13).

    key: "first", "middle" (n_frames // 2), or an index.

    Raises:
        SpecError: stride < 1, no frames, or a key that is not a frame of the clip.
    """
    _check_frames(n_frames)
    if stride < 1:
        raise SpecError(f"stride must be at least 1 frame, not {stride}")
    index = _key_index(n_frames, key)
    return (index, *(frame for frame in range(index % stride, n_frames, stride) if frame != index))


def _key_index(n_frames: int, key: KeyFrameChoice) -> int:
    if key == "first":
        return 0
    if key == "middle":
        return n_frames // 2
    if isinstance(key, str):  # type: ignore[unreachable]  # from a spec it may be any text
        raise UnknownNameError(what="key frame", name=key, known=("first", "middle"))
    if not 0 <= key < n_frames:
        raise SpecError(f"key frame {key} is not in a clip of {n_frames} frames (0 to {n_frames - 1})")
    return key


def _linspace(n_frames: int, count: int) -> tuple[int, ...]:
    return tuple(int(index) for index in np.linspace(0, n_frames - 1, count, dtype=int))


def _interior(n_frames: int, count: int) -> tuple[int, ...]:
    step = n_frames / (count + 1)
    return tuple(int(i * step) for i in range(1, count + 1))


def _check_frames(n_frames: int) -> None:
    if n_frames < 1:
        raise SpecError(f"a clip must have at least 1 frame to sample from, not {n_frames}")
