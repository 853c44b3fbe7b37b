"""Turns scenes into pixels, to the bit: integer arithmetic for the photo, plain float32 for the shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vtok_eval.scenes.photos import photo_canvas

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from vtok_eval.scenes.scene import Backdrop, Camera, Scene, SceneObject

MIN_SIZE = 32
"""Below this many pixels shapes can no longer be told apart."""

RGB: dict[str, tuple[int, int, int]] = {
    "red": (222, 26, 36),
    "orange": (255, 140, 10),
    "yellow": (250, 232, 40),
    "green": (30, 160, 50),
    "cyan": (60, 220, 225),
    "blue": (30, 60, 225),
    "purple": (150, 40, 185),
    "white": (248, 248, 248),
}
OUTLINE = (12, 12, 12)
_VIEW_REACH = 0.87
"""How far from its first centre the view reaches, in its sides: half a side and the longest pan."""


def render(scenes: Sequence[Scene], *, size: int = 64, n_frames: int = 16) -> Tensor:
    """Render scenes, uint8 `(B, T, 3, H, W)` in RGB with H = W = `size` and T = `n_frames`.

    A scene gives the same bytes alone and in any batch. The first frame is at time 0, the last at time 1.

    Raises:
        ValueError: fewer than two frames, or a size below 32 pixels.
    """
    import torch

    check_format(size=size, n_frames=n_frames)
    clips = np.empty((len(scenes), n_frames, 3, size, size), dtype=np.uint8)
    for clip, scene in zip(clips, scenes, strict=True):
        _render_into(clip, scene)
    return torch.from_numpy(clips)


def check_format(*, size: int, n_frames: int) -> None:
    """Refuse a size or length that cannot be rendered.

    Raises:
        ValueError: fewer than two frames, or a size below 32 pixels.
    """
    if size < MIN_SIZE or n_frames < 2:
        raise ValueError(f"scenes need {MIN_SIZE} pixels and 2 frames or more, not {size} and {n_frames}")


def _render_into(frames: NDArray[np.uint8], scene: Scene) -> None:
    """Fill one clip's frames `(T, 3, H, W)`."""
    paint_backdrop(frames, scene.backdrop, scene.camera)
    paint_shapes(frames, scene)


def paint_backdrop(frames: NDArray[np.uint8], backdrop: Backdrop, camera: Camera) -> None:
    """Fill one clip's frames, uint8 `(T, 3, H, W)`, H = W, with what the camera sees behind the shapes."""
    _paint_backdrop(frames, backdrop, camera, _times(frames))


def paint_shapes(frames: NDArray[np.uint8], scene: Scene) -> None:
    """Draw a scene's shapes into a clip's frames `(T, 3, H, W)`; the moving one last, in front."""
    times = _times(frames)
    still = [index for index in range(len(scene.objects)) if index != scene.mover]
    for index in (*still, scene.mover):
        places = [scene.position(index, time) for time in times]
        paint_object(frames, scene.objects[index], places, times)


def _times(frames: NDArray[np.uint8]) -> list[float]:
    return [frame / (len(frames) - 1) for frame in range(len(frames))]


def _view(camera: Camera, time: float) -> tuple[float, float, float, float]:
    """The view at a time: its shift (x, y) in sides, its scale, and its turn in radians clockwise."""
    kind, _, way = camera.motion.partition(" ")
    done = camera.amount * time
    if kind == "pan":
        return (-done if way == "left" else done), 0.0, 1.0, 0.0
    if kind == "tilt":
        return 0.0, (-done if way == "up" else done), 1.0, 0.0
    if kind == "zoom":
        ratio = math.exp(math.log(camera.amount) * time)
        return 0.0, 0.0, (1 / ratio if way == "in" else ratio), 0.0
    if kind == "rotate":
        return 0.0, 0.0, 1.0, math.radians(done if way == "clockwise" else -done)
    return 0.0, 0.0, 1.0, 0.0


def _paint_backdrop(
    frames: NDArray[np.uint8], backdrop: Backdrop, camera: Camera, times: Sequence[float]
) -> None:
    """Fill `(T, 3, H, W)` with the photo as the camera sees it, bilinear with 8 bits below the pixel."""
    size = frames.shape[-1]
    canvas = photo_canvas(backdrop.photo, size)
    height, width = canvas.shape
    side = backdrop.view * size
    reach = _VIEW_REACH * side
    middle_x = reach + backdrop.across * (width - 2 * reach)
    middle_y = reach + backdrop.down * (height - 2 * reach)
    mirror = -1.0 if backdrop.flip else 1.0
    grading = _grading(backdrop)
    steps = (
        2 * np.arange(size, dtype=np.int64) + 1 - size
    )  # twice the distance of pixel centres from the middle
    column, row = steps[None, :], steps[:, None]
    if camera.motion == "still":
        times = times[:1]
    for frame, time in enumerate(
        times
    ):  # frame by frame, so that what is computed stays in the processor's cache
        shift_x, shift_y, scale, turn = _view(camera, time)
        # Canvas pixels per half output pixel, and the middle, in 1/65536 of a canvas pixel.
        along = round(65536 * scale * math.cos(turn) * backdrop.view / 2)
        across = round(65536 * scale * math.sin(turn) * backdrop.view / 2)
        start_x = round(65536 * (middle_x + mirror * shift_x * side - 0.5))
        start_y = round(65536 * (middle_y + shift_y * side - 0.5))
        x = (int(mirror) * along * column + start_x) - int(mirror) * across * row
        y = (across * column + start_y) + along * row
        pixels = _bilinear(canvas, x, y)
        for channel, table in enumerate(grading):
            frames[frame, channel] = table[pixels[..., channel]]
    if camera.motion == "still":
        frames[1:] = frames[0]


def _bilinear(canvas: NDArray[np.uint64], x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Pixels at (x, y) in 1/65536 of a pixel, all within the canvas, `(..., 3)` uint8.

    Four weights that sum to 256 keep every 16-bit lane of a canvas element below 65536, so the channels are
    mixed by the same multiplications without touching each other.
    """
    width = canvas.shape[1]
    corner = (y >> 16) * width + (x >> 16)
    right = ((x >> 8) & 255).view(np.uint64)
    below = ((y >> 8) & 255).view(np.uint64)
    both = (right * below + np.uint64(128)) >> np.uint64(8)
    flat = canvas.ravel()
    total = np.full(x.shape, 128 << 32 | 128 << 16 | 128, dtype=np.uint64)  # a half in each lane, to round
    weights = (np.uint64(256) - right - below + both, right - both, below - both, both)
    for step, weight in zip((0, 1, width, width + 1), weights, strict=True):
        total += flat.take(corner + step) * weight
    lanes = total.astype("<u8", copy=False).view("u1").reshape(*x.shape, 8)
    return lanes[..., 1:6:2]


def _grading(backdrop: Backdrop) -> NDArray[np.uint8]:
    """What each level of each channel becomes, `(3, 256)`."""
    levels = (np.arange(256.0) - 128) * backdrop.contrast + 128 + backdrop.brightness
    graded = levels * np.array(backdrop.gains)[:, None]
    result: NDArray[np.uint8] = np.clip(np.floor(graded + 0.5), 0, 255).astype(np.uint8)
    return result


def paint_object(
    frames: NDArray[np.uint8],
    item: SceneObject,
    places: Sequence[tuple[float, float]],
    times: Sequence[float],
) -> None:
    """Draw one shape into the frames in which it is visible, with anti-aliased edges.

    frames: uint8 `(T, 3, H, W)`, H = W. places: its centre in each, in sides. times: of each, from 0 to 1.
    """
    shown = [frame for frame, time in enumerate(times) if item.visible(time)]
    if not shown:
        return
    size = frames.shape[-1]
    first, last = shown[0], shown[-1] + 1
    where = np.array(places[first:last])
    if (where == where[0]).all():
        where = where[:1]  # it does not move: one mask serves all frames
    reach = 1.4 * item.radius + 2 / size
    low = np.maximum(np.floor((where.min(axis=0) - reach) * size).astype(int), 0)
    high = np.minimum(np.ceil((where.max(axis=0) + reach) * size).astype(int), size)
    columns = np.arange(low[0], high[0]) + 0.5 - where[:, :1] * size
    rows = np.arange(low[1], high[1]) + 0.5 - where[:, 1:] * size
    outer, inner = _coverage(item, columns.astype(np.float32), rows.astype(np.float32), size=size)
    window = frames[first:last, :, low[1] : high[1], low[0] : high[0]]
    colours = [RGB[item.colour_at(time)] for time in times[first:last]]
    fill = np.array(colours, dtype=np.float32)[:, :, None, None]
    border = np.array(OUTLINE, dtype=np.float32)[:, None, None]
    painted = window * (1 - outer) + border * (outer - inner) + fill * inner
    window[:] = (painted + np.float32(0.5)).astype(np.uint8)


def _coverage(
    item: SceneObject, columns: NDArray[np.float32], rows: NDArray[np.float32], *, size: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much of each pixel the shape covers, with its outline and without: `(M, 1, h, w)` each."""
    turn = math.radians(item.angle)
    cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    x, y = columns[:, None, :], rows[:, :, None]
    distance = _signed_distance(item.shape, cos * x + sin * y, cos * y - sin * x, item.radius * size)
    line = np.float32(0.8 * max(1.0, size / 64))
    outer = np.clip(np.float32(0.5) - distance, 0, 1)
    inner = np.clip(np.float32(0.5) - distance - line, 0, 1)
    return outer[:, None], inner[:, None]


def _signed_distance(
    shape: str, x: NDArray[np.float32], y: NDArray[np.float32], radius: float
) -> NDArray[np.float32]:
    """Pixels to the shape's edge, negative inside; x to the right and y down from the shape's centre.

    The shapes' sizes are set so that equal radii look equally large.
    """
    r = np.float32(radius)
    if shape == "circle":
        return np.sqrt(x * x + y * y) - r
    if shape == "ring":
        result: NDArray[np.float32] = (
            np.abs(np.sqrt(x * x + y * y) - np.float32(0.7) * r) - np.float32(0.37) * r
        )
        return result
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) - np.float32(0.86) * r
    if shape == "cross":
        across, along = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
        return np.maximum(across - np.float32(0.4) * r, along - np.float32(1.05) * r)
    if shape == "triangle":
        slope = np.float32(math.sqrt(3) / 2) * np.abs(x) - np.float32(0.5) * y
        return np.maximum(slope, y) - np.float32(0.62) * r
    return _star_distance(x, y, np.float32(1.38) * r)


def _star_distance(x: NDArray[np.float32], y: NDArray[np.float32], reach: np.float32) -> NDArray[np.float32]:
    """Distance to the edge of a five-pointed star with one point up, of circumradius `reach`.

    The five lines that draw a pentagram bound half planes; the points in at least four of them form the star,
    so its edge is where the second largest distance to a line is 0.
    """
    to_line = reach * np.float32(math.cos(math.radians(72)))
    largest = second = np.full(np.broadcast_shapes(x.shape, y.shape), -np.inf, dtype=np.float32)
    for line in range(5):
        turn = math.radians(72 * line - 90)  # the line under the upper point is above the middle
        distance = np.float32(math.cos(turn)) * x + np.float32(math.sin(turn)) * y - to_line
        second = np.maximum(second, np.minimum(largest, distance))
        largest = np.maximum(largest, distance)
    return second
