"""What the camera does, from the motion of everything but the shapes: one least-squares fit of the flow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tv_align.judges.oracle.templates import Floats

_SMOOTHING = 1.5
"""Standard deviation in pixels, so that a motion of a pixel or two is linear in the image's slope."""
_ROUNDS = 3
_THRESHOLDS = {"pan": 0.07, "tilt": 0.07, "zoom": 0.07, "rotate": 0.09}
"""Smallest motion of a whole clip that counts: sides of the frame, logarithm of the ratio, radians."""


def camera_motion(frames: Floats, shapes: NDArray[np.bool_]) -> tuple[str, dict[str, float]]:
    """The camera's motion and how much of each kind there is, first frame to last.

    frames: RGB `(T, 3, H, W)`. shapes: `(T, H, W)`, true where a shape hides the backdrop.

    The backdrop's flow between neighbouring frames is taken as one similarity (shift, zoom, turn) for the
    whole clip, found by Gauss-Newton on the brightness constancy of Lucas and Kanade (IJCAI 1981).
    """
    shift_x, shift_y, zoom, turn = backdrop_motion(frames, shapes) * (len(frames) - 1)
    height, width = frames.shape[2:]
    # The picture moves against the camera: it slides right when the camera pans left.
    amounts = {"pan": -shift_x / width, "tilt": -shift_y / height, "zoom": zoom, "rotate": -turn}
    kind = max(amounts, key=lambda name: abs(amounts[name]) / _THRESHOLDS[name])
    if abs(amounts[kind]) < _THRESHOLDS[kind]:
        return "still", amounts
    ways = {
        "pan": ("left", "right"),
        "tilt": ("up", "down"),
        "zoom": ("out", "in"),
        "rotate": ("counter-clockwise", "clockwise"),
    }[kind]
    return f"{kind} {ways[int(amounts[kind] > 0)]}", amounts


def way_of_backdrop(
    motion: NDArray[np.float64], place: tuple[float, float], *, n_steps: int, size: tuple[int, int]
) -> NDArray[np.float64]:
    """How far, in pixels (x, y), what is seen at `place` goes in `n_steps` frames if it is backdrop.

    motion: as `backdrop_motion` gives it. size: (height, width) of the frame.
    """
    shift_x, shift_y, zoom, turn = motion
    start = np.array(place) - (size[1] / 2, size[0] / 2)
    cos, sin = np.exp(zoom) * np.cos(turn), np.exp(zoom) * np.sin(turn)
    x, y = start
    for _ in range(n_steps):
        x, y = cos * x - sin * y + shift_x, sin * x + cos * y + shift_y
    result: NDArray[np.float64] = np.array((x, y)) - start
    return result


def backdrop_motion(frames: Floats, shapes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean motion of the picture from a frame to the next: x, y in pixels, log zoom, radians clockwise.

    frames, shapes: as for `camera_motion`.
    """
    from scipy import ndimage

    level = ndimage.gaussian_filter(frames.mean(axis=1), (0, _SMOOTHING, _SMOOTHING))
    height, width = level.shape[1:]
    x = np.arange(width) - (width - 1) / 2
    y = np.arange(height)[:, None] - (height - 1) / 2
    usable = ~(shapes[1:] | shapes[:-1])
    usable[:, :2], usable[:, -2:], usable[:, :, :2], usable[:, :, -2:] = False, False, False, False
    motion = np.zeros(4)
    for _ in range(_ROUNDS):
        earlier, later = _half_way(level[:-1], motion, x, y, 0.5), _half_way(level[1:], motion, x, y, -0.5)
        slope = 0.5 * (earlier + later)
        down, across = np.gradient(slope, axis=(1, 2))
        change = (earlier - later)[usable]
        if len(change) < 4:
            return motion
        basis = (across, down, across * x + down * y, down * x - across * y)
        columns = np.stack([part[usable] for part in basis]).astype(np.float64)
        # Four unknowns and some 50,000 pixels: the normal equations are exact enough, and quick.
        step = np.linalg.lstsq(columns @ columns.T, columns @ change, rcond=None)[0]
        motion = motion + step
    return motion


def _half_way(
    level: Floats, motion: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], share: float
) -> Floats:
    """Frames as they would look with `share` of the motion added (bilinear)."""
    from scipy import ndimage

    if not motion.any():
        return level
    shift_x, shift_y, zoom, turn = motion * share
    scale = np.exp(-zoom)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    left, up = x - shift_x, y - shift_y
    source_x = cos * left + sin * up + (level.shape[2] - 1) / 2
    source_y = cos * up - sin * left + (level.shape[1] - 1) / 2
    warped = [
        ndimage.map_coordinates(frame, (source_y, source_x), order=1, mode="nearest") for frame in level
    ]
    return np.stack(warped)
