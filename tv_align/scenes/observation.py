"""What is seen in a scenes clip, in the vocabulary's words: known from its recipe or measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vtok_eval.scenes.scene import Scene

EVENTS = ("appears", "disappears", "changes colour")


@dataclass(frozen=True)
class SeenShape:
    """One shape.

    frames: `(n,)` indices of frames in which it is seen, ascending. places: `(n, 2)` its centre in them, (x,
    y) in sides of the frame. size: its nominal radius in sides. colour: its first one; new_colour: the later
    one.
    event: one of `EVENTS` or None; event_at: when, from 0 to 1.
    """

    shape: str
    colour: str
    frames: NDArray[np.int64]
    places: NDArray[np.float64]
    size: float = 0.0
    new_colour: str | None = None
    event: str | None = None
    event_at: float | None = None


@dataclass(frozen=True)
class Observation:
    """A whole clip.

    mover: index in `shapes` of the moving one, None if none moves. path, direction, speed: of its
    motion, words of the vocabulary; the latter two are None on a circle. turns_at: time of the turn, back and
    forth only.
    camera: one of `CAMERA_MOTIONS`.
    """

    n_frames: int
    shapes: tuple[SeenShape, ...]
    mover: int | None
    path: str | None
    direction: str | None
    speed: str | None
    turns_at: float | None
    camera: str


def observe_scene(scene: Scene, *, n_frames: int = 16) -> Observation:
    """What a rendering of the scene in `n_frames` frames shows."""
    times = [frame / (n_frames - 1) for frame in range(n_frames)]
    shapes = []
    for index, item in enumerate(scene.objects):
        frames = [frame for frame, time in enumerate(times) if item.visible(time)]
        event_at = next(
            (at for at in (item.appears_at, item.disappears_at, item.recoloured_at) if at is not None), None
        )
        shapes.append(
            SeenShape(
                shape=item.shape,
                colour=item.colour,
                frames=np.array(frames),
                places=np.array([scene.position(index, times[frame]) for frame in frames]),
                size=item.radius,
                new_colour=item.new_colour,
                event=scene.event if event_at is not None else None,
                event_at=event_at,
            )
        )
    return Observation(
        n_frames=n_frames,
        shapes=tuple(shapes),
        mover=scene.mover,
        path=scene.motion.path,
        direction=scene.motion.direction,
        speed=scene.motion.speed,
        turns_at=scene.motion.turns_at,
        camera=scene.camera.motion,
    )
