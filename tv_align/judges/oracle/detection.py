"""Finds the vocabulary's shapes in single frames: patches of a palette colour that look like a template."""

from __future__ import annotations

from collections.abc import Iterator
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
"""What a light outline costs a template: when shapes are told apart, and when shapes are told from backdrop.
On clips of the train and validation splits (seed 103, compressed, blurred and noisy; 1,152 questions) choices
from 0.6 to 1.0 and acceptances from 0.3 to 0.5 are wrong as often as these, in 2 to 4 questions."""
_APART = 4.0
"""Two detections nearer than this, in pixels, are of one shape."""


@dataclass(frozen=True)
class Detection:
    """One shape seen in one frame.

    colour: index in `COLOURS`. x, y: its centre, in pixels from the frame's left and top edge.
    quality: how well the best template fits, at most 1. fit: `(6,)` how well the best of each shape does, by
        the measure that tells them apart.
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
    found: list[Detection] = []
    for number, frame in enumerate(frames):
        found += _keep_best(hit for hit in _detect_in(number, frame) if hit.quality >= least)
    return found


@dataclass(frozen=True)
class _Patch:
    """A connected patch of one colour: the pixel in the middle of its box, its soft mask `(H, W)`, and the
    box (rows, columns) outside of which the mask is zero."""

    colour: int
    x: int
    y: int
    mask: Floats
    box: tuple[slice, slice]


def _detect_in(number: int, frame: Floats) -> Iterator[Detection]:
    away = np.sqrt(((frame[None] - PALETTE[:, :, None, None]) ** 2).sum(axis=1))
    membership = _membership(away)
    patches = [patch for colour in range(len(COLOURS)) for patch in _patches(colour, membership[colour])]
    if not patches:
        return
    bank = template_bank()
    level = frame.mean(axis=0)
    masks = np.stack([_window(patch.mask, patch, fill=0.0) for patch in patches])
    levels = np.stack([_window(level, patch, fill=128.0) for patch in patches])
    covered = bank.fill.sum(axis=1)
    overlap = 2 * (masks @ bank.fill.T) / (masks.sum(axis=1)[:, None] + covered)
    outline = (levels @ bank.outline.T) / bank.outline.sum(axis=1)
    likeness = overlap - _CHOICE * outline / 255
    impurity = np.array([_impurity(away[patch.colour], patch) for patch in patches], dtype=np.float32)
    quality = overlap - _ACCEPTANCE * outline / 255 - _IMPURE * impurity[:, None] / 100
    for row, (patch, fits) in enumerate(zip(patches, likeness, strict=True)):
        best = int(fits.argmax())
        yield Detection(
            frame=number,
            colour=patch.colour,
            x=float(patch.x + 0.5 + bank.offset[best, 0]),
            y=float(patch.y + 0.5 + bank.offset[best, 1]),
            radius=float(bank.radius[best]),
            quality=float(quality[row, best]),
            overlap=float(overlap[row, best]),
            outline=float(outline[row, best]),
            impurity=float(impurity[row]),
            fit=np.array([fits[bank.shape == shape].max() for shape in range(len(SHAPES))], dtype=np.float32),
        )


def _membership(away: Floats) -> Floats:
    """`(8, H, W)`: how much each pixel belongs to each colour, 0 for all but the nearest."""
    nearest = away.argmin(axis=0)[None] == np.arange(len(COLOURS))[:, None, None]
    return np.where(nearest, np.clip(1.5 - away / np.float32(_TOLERANCE), 0, 1), 0).astype(np.float32)


def _patches(colour: int, membership: Floats) -> Iterator[_Patch]:
    from scipy import ndimage

    found: set[tuple[int, int, int]] = set()
    for least in _LEVELS:
        labelled, _ = ndimage.label(membership > least)
        sizes = np.bincount(labelled.ravel())
        for number, (rows, columns) in enumerate(ndimage.find_objects(labelled), start=1):
            height, width = rows.stop - rows.start, columns.stop - columns.start
            if sizes[number] < _SMALLEST or max(height, width) > _LARGEST_SIDE or min(height, width) < 4:
                continue
            middle = (columns.start + columns.stop - 1) // 2, (rows.start + rows.stop - 1) // 2
            if (*middle, int(sizes[number])) in found:
                continue
            found.add((*middle, int(sizes[number])))
            box = _about(rows), _about(columns)
            mask = np.zeros_like(membership)
            mask[box] = membership[box] * ndimage.binary_dilation(labelled[box] == number)
            yield _Patch(colour, *middle, mask, box)


def _about(part: slice) -> slice:
    """The slice with one more element at either end, where there is one."""
    return slice(max(0, part.start - 1), part.stop + 1)


def _impurity(away: Floats, patch: _Patch) -> float:
    """Median distance in RGB of a patch's pixels to its colour: shapes are flat, photos are not."""
    mask = patch.mask[patch.box]
    return float(np.median(away[patch.box][mask > 0.5 * mask.max()]))


def _window(image: Floats, patch: _Patch, *, fill: float) -> Floats:
    """The pixels about a patch as a template's window, flat; `fill` beyond the frame's edge."""
    side = 2 * REACH + 1
    window = np.full((side, side), fill, dtype=np.float32)
    top, left = patch.y - REACH, patch.x - REACH
    part = image[max(top, 0) : top + side, max(left, 0) : left + side]
    window[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]] = part
    return window.ravel()


def _keep_best(hits: Iterator[Detection]) -> list[Detection]:
    """The hits without those that lie upon a better one."""
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
