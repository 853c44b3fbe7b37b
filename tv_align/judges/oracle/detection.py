"""Finds the vocabulary's shapes in single frames: patches of a palette colour that look like a template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tv_align.judges.oracle.templates import REACH, Floats, template_bank
from vtok_eval.scenes.vocabulary import COLOURS, SHAPES

PALETTE = np.array(
    [
        (222, 26, 36), (255, 140, 10), (250, 232, 40), (30, 160, 50),
        (60, 220, 225), (30, 60, 225), (150, 40, 185), (248, 248, 248),
    ],
    dtype=np.float32,
)  # fmt: skip
"""`(8, 3)` RGB of `vocabulary.COLOURS`: what the words mean in a scene."""

_TOLERANCE = 80.0
"""Euclidean distance in RGB at which a pixel half belongs to a colour."""
_IMPURE = 0.3
"""Quality that a patch loses for each 100 levels of RGB that its pixels are off its colour."""
_LEVELS = (0.2, 0.5, 0.8)
"""How much of a colour a pixel must have to be in a patch: compressed stars fall apart at the higher levels,
shapes run together with a backdrop of their colour at the lower ones. Each level's patches are tried."""
_SMALLEST, _LARGEST_SIDE = 10, 20
"""Pixels that a patch must have, and the longest side it may have, in a frame of 64."""
_CHOICE, _ACCEPTANCE = 0.8, 0.4
"""What a light outline costs a template: to distinguish shapes from each other, and shapes from backdrop.
On clips of the train and validation splits (seed 103, compressed, blurred and noisy; 1,152 questions) choices
from 0.6 to 1.0 and acceptances from 0.3 to 0.5 are wrong as often as these, in 2 to 4 questions."""
_APART = 4.0
"""Two detections nearer than this, in pixels, are of one shape."""


@dataclass(frozen=True)
class Detection:
    """One shape seen in one frame.

    colour: index in `COLOURS`. x, y: its centre, in pixels from the frame's left and top edge.
    quality: how well the best template fits, at most 1. fit: `(6,)` how well the best of each shape does, by
        the measure that distinguishes them.
    overlap, outline, impurity: what the quality is made of: Dice coefficient of patch and template, mean
        level of the template's outline, and median distance of the patch's pixels to its colour, both of 255.
    radius: of the best template, in pixels.
    """

    frame: int
    colour: int
    x: float
    y: float
    radius: float
    quality: float
    fit: Floats
    overlap: float
    outline: float
    impurity: float


def detect(frames: Floats, *, least: float) -> list[Detection]:
    """Everything in RGB frames `(T, 3, H, W)` of short side 64 that looks like a shape, frame by frame.

    least: quality below which nothing is reported.
    """
    hits: list[list[Detection]] = [[] for _ in frames]
    for hit in _detect_all(frames):
        if hit.quality >= least:
            hits[hit.frame].append(hit)
    return [hit for of_frame in hits for hit in _keep_best(of_frame)]


@dataclass(frozen=True)
class _Patch:
    """A connected patch of one colour in one frame: the pixel in the middle of its box, and of the box with a
    pixel's border (from `top` and `left` on) the soft mask and the distance to the colour."""

    frame: int
    colour: int
    x: int
    y: int
    top: int
    left: int
    mask: Floats
    away: Floats


def _detect_all(frames: Floats) -> Iterator[Detection]:
    away = np.sqrt(((frames[:, None] - PALETTE[:, :, None, None]) ** 2).sum(axis=2))
    patches = list(_patches(away, _membership(away)))
    if not patches:
        return
    bank = template_bank()
    level = _bordered(frames.mean(axis=1))
    masks = np.stack([_mask_window(patch) for patch in patches])
    levels = np.stack([_level_window(level, patch) for patch in patches])
    overlap = 2 * (masks @ bank.fill.T) / (masks.sum(axis=1)[:, None] + bank.fill.sum(axis=1))
    outline = (levels @ bank.outline.T) / bank.outline.sum(axis=1)
    likeness = overlap - _CHOICE * outline / 255
    impurity = np.array([_impurity(patch) for patch in patches], dtype=np.float32)
    chosen = likeness.argmax(axis=1)
    fit = np.stack([likeness[:, bank.shape == shape].max(axis=1) for shape in range(len(SHAPES))], axis=1)
    for row, (patch, best) in enumerate(zip(patches, chosen, strict=True)):
        fitted, light = float(overlap[row, best]), float(outline[row, best])
        yield Detection(
            frame=patch.frame,
            colour=patch.colour,
            x=float(patch.x + 0.5 + bank.offset[best, 0]),
            y=float(patch.y + 0.5 + bank.offset[best, 1]),
            radius=float(bank.radius[best]),
            quality=fitted - _ACCEPTANCE * light / 255 - _IMPURE * float(impurity[row]) / 100,
            overlap=fitted,
            outline=light,
            impurity=float(impurity[row]),
            fit=fit[row],
        )


def _membership(away: Floats) -> Floats:
    """`(T, 8, H, W)`: how much each pixel belongs to each colour, 0 for all but the nearest."""
    nearest = away.argmin(axis=1)[:, None] == np.arange(len(COLOURS))[:, None, None]
    return np.where(nearest, np.clip(1.5 - away / np.float32(_TOLERANCE), 0, 1), 0).astype(np.float32)


_IN_ONE_PICTURE = np.zeros((3, 3, 3, 3), dtype=bool)
"""What touches what in `(T, 8, H, W)`: a pixel its four neighbours of the same frame and colour."""
_IN_ONE_PICTURE[1, 1] = ((0, 1, 0), (1, 1, 1), (0, 1, 0))


def _patches(away: Floats, membership: Floats) -> Iterator[_Patch]:
    from scipy import ndimage

    found: set[tuple[int, int, int, int, int]] = set()
    for least in _LEVELS:
        labelled, _ = ndimage.label(membership > least, structure=_IN_ONE_PICTURE)
        sizes = np.bincount(labelled.ravel())
        for number, box in enumerate(ndimage.find_objects(labelled), start=1):
            frame, colour, rows, columns = box[0].start, box[1].start, box[2], box[3]
            height, width = rows.stop - rows.start, columns.stop - columns.start
            if sizes[number] < _SMALLEST or max(height, width) > _LARGEST_SIDE or min(height, width) < 4:
                continue
            x, y = (columns.start + columns.stop - 1) // 2, (rows.start + rows.stop - 1) // 2
            what = (frame, colour, x, y, int(sizes[number]))
            if what in found:
                continue
            found.add(what)
            top, left = max(0, rows.start - 1), max(0, columns.start - 1)
            part = (frame, colour, slice(top, rows.stop + 1), slice(left, columns.stop + 1))
            mask = membership[part] * _widened(labelled[part] == number)
            yield _Patch(frame, colour, x, y, top, left, mask, away[part])


def _widened(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With the four neighbours of each pixel that is true."""
    wide = inside.copy()
    wide[1:] |= inside[:-1]
    wide[:-1] |= inside[1:]
    wide[:, 1:] |= inside[:, :-1]
    wide[:, :-1] |= inside[:, 1:]
    return wide


def _impurity(patch: _Patch) -> float:
    """Median distance in RGB of a patch's pixels to its colour: shapes are flat, photos are not."""
    return float(np.median(patch.away[patch.mask > 0.5 * patch.mask.max()]))


_SIDE = 2 * REACH + 1


def _mask_window(patch: _Patch) -> Floats:
    """The patch's mask as a template's window, flat."""
    window = np.zeros((_SIDE, _SIDE), dtype=np.float32)
    top, left = patch.top - (patch.y - REACH), patch.left - (patch.x - REACH)
    height, width = patch.mask.shape
    window[top : top + height, left : left + width] = patch.mask
    return window.ravel()


def _bordered(level: Floats) -> Floats:
    """Frames `(T, H, W)` with middle grey about them as wide as a template reaches."""
    reach = ((0, 0), (REACH, REACH), (REACH, REACH))
    return np.pad(level, reach, constant_values=np.float32(128.0))


def _level_window(bordered: Floats, patch: _Patch) -> Floats:
    """The frame about the patch as a template's window, flat."""
    return bordered[patch.frame, patch.y : patch.y + _SIDE, patch.x : patch.x + _SIDE].ravel()


def _keep_best(hits: Iterable[Detection]) -> list[Detection]:
    """The hits without those that overlap a better one."""
    kept: list[Detection] = []
    for hit in sorted(hits, key=lambda hit: -hit.quality):
        if all(np.hypot(hit.x - other.x, hit.y - other.y) >= _APART for other in kept):
            kept.append(hit)
    return kept


def shape_mask(
    detections: list[Detection], size: tuple[int, int, int], *, margin: float
) -> NDArray[np.bool_]:
    """`(T, H, W)`: true on each detection and `margin` pixels about it."""
    mask = np.zeros(size, dtype=bool)
    rows, columns = np.arange(size[1])[:, None] + 0.5, np.arange(size[2])[None, :] + 0.5
    for hit in detections:
        away = np.hypot(columns - hit.x, rows - hit.y)
        mask[hit.frame] |= away < 1.38 * hit.radius + margin
    return mask
