"""Links detections of neighbouring frames into tracks: what each shape is and what happens to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tv_align.judges.oracle.detection import Detection
from vtok_eval.scenes.vocabulary import COLOURS, SHAPES

_FASTEST = 0.85
"""Sides of the frame that a shape goes in a whole clip, at most."""
_JITTER = 2.0
"""Pixels that a detection may be off."""
_LONGEST_GAP = 0.3
"""Share of a clip for which a shape may be unseen and still be the same shape."""
_RECENT, _AS_GOOD = 5, 0.65
"""A shape's detections are similar: one joins a chain whose last five have at least 0.65 of its quality, and
vice versa. Otherwise a piece of the backdrop would continue the track of a shape that has left."""
_KNOWN_FROM, _HASTE, _SLACK = 5, 1.5, 0.5
"""From this many detections on, a chain keeps its pace: at most 1.5 times its quick steps so far plus half a
pixel a frame. Otherwise a piece of the backdrop, frames later and far off, would continue a lost shape."""
_OTHER_COLOUR = 2.0
"""Pixels that another colour counts as, when a detection is assigned to a track."""
_EDGE = 0.1
"""A shape first seen earlier than this (time from 0 to 1) was there from the start; the same at the end."""

Chain = Sequence[Detection]
"""Detections in neighbouring frames, one per frame at most, that may be one shape."""


@dataclass(frozen=True)
class Track:
    """One shape through the clip.

    frames: `(n,)` indices at which it was seen, ascending. places: `(n, 2)` its centre there, (x, y) in
    pixels.
    shape: what it is. radius: median, in pixels. colour, new_colour: its first colour, and the later one
    where it changes.
    appears_at, disappears_at, recoloured_at: times from 0 to 1, None where that does not happen.
    """

    frames: NDArray[np.int64]
    places: NDArray[np.float64]
    shape: str
    colour: str
    radius: float
    new_colour: str | None = None
    appears_at: float | None = None
    disappears_at: float | None = None
    recoloured_at: float | None = None


def find_chains(detections: Sequence[Detection], *, n_frames: int, side: int) -> list[Chain]:
    """What may be a clip's shapes, from its detections in the order of frames; `side` in pixels."""
    reach = _FASTEST * side / max(1, n_frames - 1)
    chains = _link(detections, reach=reach, longest_gap=max(2, round(_LONGEST_GAP * n_frames)))
    return [chain for chain in chains if _is_whole(chain, n_frames)]


def _link(detections: Sequence[Detection], *, reach: float, longest_gap: int) -> list[list[Detection]]:
    """Chains of detections, one per frame at most, each step to the nearest free one within reach."""
    chains: list[list[Detection]] = []
    for frame in sorted({hit.frame for hit in detections}):
        hits = [hit for hit in detections if hit.frame == frame]
        open_chains = [chain for chain in chains if frame - chain[-1].frame <= longest_gap]
        steps = sorted(
            (cost, i, j)
            for i, chain in enumerate(open_chains)
            for j, hit in enumerate(hits)
            if (cost := _step_cost(chain, hit, reach)) is not None
        )
        taken_chains: set[int] = set()
        taken_hits: set[int] = set()
        for _, i, j in steps:
            if i not in taken_chains and j not in taken_hits:
                open_chains[i].append(hits[j])
                taken_chains.add(i)
                taken_hits.add(j)
        chains += [[hit] for j, hit in enumerate(hits) if j not in taken_hits]
    return chains


def _step_cost(chain: Chain, later: Detection, reach: float) -> float | None:
    """What it costs to add a detection to a chain, in pixels; None where it is too far or unlike it."""
    earlier = chain[-1]
    usual = float(np.median([hit.quality for hit in chain[-_RECENT:]]))
    if min(usual, later.quality) < _AS_GOOD * max(usual, later.quality):
        return None
    away = float(np.hypot(later.x - earlier.x, later.y - earlier.y))
    if away > _JITTER + min(reach, _own_reach(chain)) * (later.frame - earlier.frame):
        return None
    return away + (_OTHER_COLOUR if later.colour != earlier.colour else 0.0)


def _own_reach(chain: Chain) -> float:
    """Pixels a frame that a shape may go on, by how it went so far; no bound for a short chain."""
    if len(chain) < _KNOWN_FROM:
        return float("inf")
    steps = [
        float(np.hypot(later.x - earlier.x, later.y - earlier.y)) / (later.frame - earlier.frame)
        for earlier, later in pairwise(chain)
    ]
    return _HASTE * float(np.quantile(steps, 0.9)) + _SLACK


def _is_whole(chain: Chain, n_frames: int) -> bool:
    """Whether a chain is long and dense enough, and there at the clip's beginning or end."""
    if len(chain) < max(2, 0.12 * n_frames):
        return False
    span = chain[-1].frame - chain[0].frame + 1
    touches_an_end = chain[0].frame <= _EDGE * n_frames or chain[-1].frame >= (1 - _EDGE) * n_frames - 1
    return len(chain) >= 0.4 * span and touches_an_end


def track_of(chain: Chain, *, n_frames: int) -> Track:
    """What the shape behind a chain is, and what happens to it, in a clip of `n_frames` frames."""
    last = n_frames - 1
    shape = SHAPES[int(np.sum([hit.fit for hit in chain], axis=0).argmax())]
    first_time, last_time = chain[0].frame / last, chain[-1].frame / last
    colour, new_colour, recoloured = _colours(chain)
    return Track(
        frames=np.array([hit.frame for hit in chain]),
        places=np.array([(hit.x, hit.y) for hit in chain]),
        shape=shape,
        colour=colour,
        radius=float(np.median([hit.radius for hit in chain])),
        new_colour=new_colour,
        appears_at=None if first_time <= _EDGE else (chain[0].frame - 0.5) / last,
        disappears_at=None if last_time >= 1 - _EDGE else (chain[-1].frame + 0.5) / last,
        recoloured_at=None if recoloured is None else recoloured / last,
    )


def _colours(chain: Chain) -> tuple[str, str | None, float | None]:
    """The first colour, and where the chain splits in two the second colour and the frame of change."""
    seen = [hit.colour for hit in chain]
    (usual, agreeing), *_ = Counter(seen).most_common(1)
    best = (agreeing + 1, len(seen), usual, usual)  # one odd frame makes no change of colour
    for split in range(2, len(seen) - 1):
        (before, n_before), *_ = Counter(seen[:split]).most_common(1)
        (after, n_after), *_ = Counter(seen[split:]).most_common(1)
        if before != after and n_before >= 2 and n_after >= 2 and n_before + n_after > best[0]:
            best = (n_before + n_after, split, before, after)
    _, split, before, after = best
    if before == after:
        return COLOURS[usual], None, None
    return COLOURS[before], COLOURS[after], (chain[split - 1].frame + chain[split].frame) / 2
