"""Whether what was followed through a clip is a shape or a piece of the backdrop: one logistic score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tv_align.judges.oracle.detection import Detection
from vtok_eval.scenes.vocabulary import SHAPES

FEATURES = (
    "overlap",
    "worst overlap",
    "outline",
    "impurity",
    "radius",
    "spread of radius",
    "one form",
    "density",
    "length",
    "jitter",
    "goes with backdrop",
    "stays while backdrop goes",
    "margin of form",
    "quality",
    "spread of outline",
    "spread of overlap",
    *(f"is a {shape}" for shape in SHAPES),
)
"""What `features` gives, in this order."""

INTERCEPT = -12.6391
WEIGHTS = (
    10.9824,  # overlap
    9.5108,  # worst overlap
    -17.9285,  # outline
    -7.8449,  # impurity
    -6.8926,  # radius
    -6.5753,  # spread of radius
    3.9349,  # one form
    0.0278,  # density
    3.3370,  # length
    -0.2279,  # jitter
    -6.4565,  # goes with backdrop
    2.3590,  # stays while backdrop goes
    18.8890,  # margin of form
    9.6462,  # quality
    18.6989,  # spread of outline
    16.1912,  # spread of overlap
    -1.2606,  # is a circle
    -3.3964,  # is a square
    -1.7606,  # is a triangle
    3.0948,  # is a star
    1.8758,  # is a cross
    5.9251,  # is a ring
)
"""Of `features`; `python -m tools.oracle_fit` prints them. Fitted on clips of the train and
validation splits alone, of another seed than the prompts', clean, compressed, and blurred and noisy."""

_STILL = 2.0
"""Pixels that a place is known to, with some room: what goes less far stays."""


def features(chain: Sequence[Detection], *, backdrop: NDArray[np.float64], n_frames: int) -> list[float]:
    """What speaks for and against a chain of detections, one per frame at most, being a shape.

    backdrop: `(2,)` how far the picture behind goes from the chain's first frame to its last, where the chain
        begins, in pixels.
    """
    overlap = np.array([hit.overlap for hit in chain])
    radii = np.array([hit.radius for hit in chain])
    places = np.array([(hit.x, hit.y) for hit in chain])
    outline = np.array([hit.outline for hit in chain]) / 255
    forms = Counter(int(hit.fit.argmax()) for hit in chain)
    fit = np.mean([hit.fit for hit in chain], axis=0)
    span = chain[-1].frame - chain[0].frame + 1
    way = places[-1] - places[0]
    gone = float(np.hypot(*backdrop))
    off, own = float(np.hypot(*(way - backdrop))), float(np.hypot(*way))
    second = np.diff(places, n=2, axis=0) if len(places) > 2 else np.zeros((1, 2))
    moves = max(0.0, 1 - _STILL / gone) if gone else 0.0
    return [
        float(overlap.mean()),
        float(np.quantile(overlap, 0.2)),
        float(outline.mean()),
        float(np.mean([hit.impurity for hit in chain])) / 100,
        float(np.median(radii)) / 8,
        float(radii.std()) / 2,
        forms.most_common(1)[0][1] / len(chain),
        len(chain) / span,
        span / n_frames,
        float(np.median(np.abs(second))),
        moves * float(np.exp(-((off / (_STILL + 0.25 * gone)) ** 2))),
        moves * float(np.exp(-((own / _STILL) ** 2))),
        float(np.diff(np.sort(fit)[-2:])[0]),
        float(np.mean([hit.quality for hit in chain])),
        float(outline.std()),
        float(overlap.std()),
        *(float(form == fit.argmax()) for form in range(len(SHAPES))),
    ]


def is_shape(found: Sequence[float]) -> bool:
    """Whether the chain with these features is more likely a shape than not."""
    return INTERCEPT + float(np.dot(WEIGHTS, found)) > 0
