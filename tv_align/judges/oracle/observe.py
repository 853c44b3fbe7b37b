"""From the pixels of a clip to what is seen in it: detection, tracking, motion, camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tv_align.judges.oracle.camera import backdrop_motion, camera_motion, way_of_backdrop
from tv_align.judges.oracle.detection import detect, shape_mask
from tv_align.judges.oracle.evidence import features, is_shape
from tv_align.judges.oracle.motion import ObservedMotion, fit_motion
from tv_align.judges.oracle.templates import Floats
from tv_align.judges.oracle.tracks import Chain, Track, find_chains, track_of
from tv_align.scenes.observation import Observation, SeenShape
from vtok_eval.errors import VideoError

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 64
"""Clips are measured at this shorter side, in pixels; sizes and thresholds of this package are for it."""
_LEAST_QUALITY, _LIKELY = 0.28, 0.34
"""Quality from which a detection is considered; mean quality from which a chain is not backdrop."""
_MOVES_FROM = 1.7
"""Distance in pixels between a track's ends from which a shape moves; positions are known to half a pixel."""
_MASK_MARGIN = 2.0


def observe_pixels(frames: Tensor) -> tuple[Observation, dict[str, object]]:
    """What frames uint8 `(T, 3, H, W)` show, and the measurements behind it as JSON can hold them.

    Raises:
        VideoError: fewer than two frames, in which nothing can move.
    """
    from vtok_eval.video.sources import resize_short_side

    if len(frames) < 2:
        raise VideoError("the oracle needs a clip of 2 frames or more")
    small = frames if min(frames.shape[2:]) == SIDE else resize_short_side(frames, SIDE)
    pixels = small.cpu().numpy().astype(np.float32)
    chains = [chain for chain, found in candidates(pixels) if is_shape(found)]
    tracks = [track_of(chain, n_frames=len(pixels)) for chain in chains]
    camera, amounts = camera_motion(pixels, _hidden(chains, pixels))
    mover = _mover(tracks)
    motion = None if mover is None else _motion_of(tracks[mover], len(pixels))
    observation = Observation(
        n_frames=len(pixels),
        shapes=tuple(_seen(track) for track in tracks),
        mover=mover,
        path=None if motion is None else motion.path,
        direction=None if motion is None else motion.direction,
        speed=None if motion is None else motion.speed,
        turns_at=None if motion is None else motion.turns_at,
        camera=camera,
    )
    return observation, {"camera": {name: round(float(value), 4) for name, value in amounts.items()}}


def candidates(pixels: Floats) -> list[tuple[Chain, list[float]]]:
    """What may be shapes in RGB frames `(T, 3, H, W)` of short side `SIDE`, with the evidence on each."""
    n_frames, _, height, width = pixels.shape
    chains = find_chains(detect(pixels, least=_LEAST_QUALITY), n_frames=n_frames, side=SIDE)
    likely = [chain for chain in chains if np.mean([hit.quality for hit in chain]) >= _LIKELY]
    motion = backdrop_motion(pixels, _hidden(likely, pixels))
    return [
        (
            chain,
            features(
                chain,
                backdrop=way_of_backdrop(
                    motion,
                    (chain[0].x, chain[0].y),
                    n_steps=chain[-1].frame - chain[0].frame,
                    size=(height, width),
                ),
                n_frames=n_frames,
            ),
        )
        for chain in chains
    ]


def _hidden(chains: Sequence[Chain], pixels: Floats) -> NDArray[np.bool_]:
    """`(T, H, W)`: where shapes hide the backdrop."""
    n_frames, _, height, width = pixels.shape
    hits = [hit for chain in chains for hit in chain]
    return shape_mask(hits, (n_frames, height, width), margin=_MASK_MARGIN)


def _mover(tracks: list[Track]) -> int | None:
    """The track whose places spread most, if far enough; single odd places do not count."""
    if not tracks:
        return None
    spreads = [float(np.hypot(*np.ptp(_settled(track.places), axis=0))) for track in tracks]
    widest = int(np.argmax(spreads))
    return widest if spreads[widest] >= _MOVES_FROM else None


def _settled(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places with each replaced by the median of itself and its neighbours in time."""
    if len(places) < 3:
        return places
    padded = np.concatenate([places[:1], places, places[-1:]])
    result: NDArray[np.float64] = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    return result


def _motion_of(track: Track, n_frames: int) -> ObservedMotion:
    return fit_motion(track.frames / (n_frames - 1), track.places / SIDE)


def _seen(track: Track) -> SeenShape:
    happened = {
        "appears": track.appears_at,
        "disappears": track.disappears_at,
        "changes colour": track.recoloured_at,
    }
    event = next((name for name, at in happened.items() if at is not None), None)
    return SeenShape(
        shape=track.shape,
        colour=track.colour,
        frames=track.frames,
        places=track.places / SIDE,
        size=track.radius / SIDE,
        new_colour=track.new_colour,
        event=event,
        event_at=None if event is None else happened[event],
    )
