"""How scene number i of a split is drawn.

A scene has two halves that are drawn independently: its first frame (shapes, places, photo), and what then
happens (motion, event, camera). So the first frame says nothing about any temporal or camera label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from vtok_eval.scenes import layout
from vtok_eval.scenes.photos import SPLITS, photos_of
from vtok_eval.scenes.scene import VERSION, Backdrop, Camera, Motion, Scene, SceneObject
from vtok_eval.scenes.vocabulary import (
    CAMERA_MOTIONS,
    COLOURS,
    DIRECTIONS,
    EVENTS,
    HALVES,
    PATHS,
    SHAPES,
    SPEEDS,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

Item = TypeVar("Item")


def stream(*key: int) -> np.random.Generator:
    """A separate generator for each key. Only its `random` is used, which numpy keeps stable.

    Example:
        >>> stream(0, 1).random() == stream(0, 1).random(), stream(0, 1).random() == stream(0, 2).random()
        (True, False)
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def pick(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """One of the items, all equally likely.

    Example:
        >>> pick(stream(0), ["red", "blue"]) in ("red", "blue")
        True
    """
    return items[int(rng.random() * len(items))]


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(low + (high - low) * rng.random())


_LENGTHS = {"slow": 0.10, "medium": 0.18, "fast": 0.32}
_HALF_TIMES = {"first half": (0.15, 0.4), "second half": (0.6, 0.85)}
_AMOUNTS = {
    "still": (0.0, 0.0),
    "pan": (0.2, 0.35),
    "tilt": (0.2, 0.35),
    "zoom": (1.25, 1.4),
    "rotate": (15.0, 35.0),
}


@dataclass(frozen=True)
class _Opening:
    """The first frame, and the sizes of motion that its places were checked for."""

    objects: tuple[SceneObject, ...]
    backdrop: Backdrop
    turning_radius: float

    @property
    def centres(self) -> NDArray[np.float64]:
        return np.array([[item.x, item.y] for item in self.objects])

    @property
    def radii(self) -> NDArray[np.float64]:
        return np.array([item.radius for item in self.objects])


def draw_scene(seed: int, split: str, index: int) -> Scene:
    """Scene `index` of a split: it depends on these three and the version only, never on other scenes.

    Raises:
        UnknownNameError: no such split.
        ValueError: a negative seed or index.

    Example:
        >>> draw_scene(0, "test", 3).name
        'scenes-v.../seed=0/test/3'
        >>> draw_scene(0, "test", 3) == draw_scene(0, "test", 3)
        True
    """
    photos = photos_of(split)
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index of a scene must not be negative, not {seed} and {index}")
    key = (VERSION, seed, SPLITS.index(split), index)
    opening = _draw_opening(stream(*key, 0), [(photo.name, photo.grey) for photo in photos])
    action = stream(*key, 1)
    motion, mover = _draw_motion(action, opening)
    event = pick(action, EVENTS)
    half = None if event == "none" else pick(action, HALVES)
    asked = tuple(name for name in EVENTS[1:] if action.random() < 1 / 3 or name == event)
    objects = _with_event(action, opening, motion=motion, mover=mover, event=event, half=half)
    return Scene(
        version=VERSION,
        seed=seed,
        split=split,
        index=index,
        objects=objects,
        mover=mover,
        largest=0 if len(opening.objects) > 1 else None,
        motion=motion,
        event=event,
        event_half=half,
        asked_events=asked,
        backdrop=opening.backdrop,
        camera=_draw_camera(stream(*key, 2)),
    )


def _draw_opening(rng: np.random.Generator, photos: Sequence[tuple[str, bool]]) -> _Opening:
    n = pick(rng, (1, 2, 3, 4))
    turning_radius = _between(rng, 0.07, 0.1)
    radii = [_between(rng, 0.08, 0.095) for _ in range(n)]
    radii[0] = _between(rng, 0.08, 0.125) if n == 1 else _between(rng, 0.115, 0.125)
    kinds: list[tuple[str, str]] = []
    while len(kinds) < n:
        kind = (pick(rng, SHAPES), pick(rng, COLOURS))
        if kind not in kinds:
            kinds.append(kind)
    places = layout.draw_places(rng, np.array(radii), turning_radius=turning_radius)
    objects = tuple(
        SceneObject(shape, colour, float(x), float(y), radius, _between(rng, -12, 12))
        for (shape, colour), (x, y), radius in zip(kinds, places, radii, strict=True)
    )
    return _Opening(objects, _draw_backdrop(rng, photos), turning_radius)


def _draw_backdrop(rng: np.random.Generator, photos: Sequence[tuple[str, bool]]) -> Backdrop:
    photo, grey = pick(rng, photos)
    spread = 0.3 if grey else 0.12
    gains = tuple(_between(rng, 1 - spread, 1 + spread) for _ in range(3))
    return Backdrop(
        photo=photo,
        across=_between(rng, 0, 1),
        down=_between(rng, 0, 1),
        view=_between(rng, 0.85, 1.15),
        flip=bool(rng.random() < 0.5),
        brightness=_between(rng, -30, 30),
        contrast=_between(rng, 0.75, 1.1),
        gains=(gains[0], gains[1], gains[2]),
    )


def _draw_camera(rng: np.random.Generator) -> Camera:
    motion = pick(rng, CAMERA_MOTIONS)
    return Camera(motion, _between(rng, *_AMOUNTS[motion.split()[0]]))


def _draw_motion(rng: np.random.Generator, opening: _Opening) -> tuple[Motion, int]:
    """The motion, and which shape moves: one that has room, the largest only where no other has."""
    path = pick(rng, PATHS)
    if path == "circle":
        radius = opening.turning_radius
        free = layout.circle_open(opening.centres, opening.radii, turning_radius=radius)
        mover, eighth = pick(rng, _smaller_first(np.argwhere(free)))
        turns = _between(rng, 1.0, 1.25) * pick(rng, (1, -1))
        length = 2 * math.pi * radius * abs(turns)
        return Motion(path, None, None, length, 45.0 * eighth, turns=turns), mover
    direction, speed = pick(rng, DIRECTIONS), pick(rng, SPEEDS)
    eighth = DIRECTIONS.index(direction)
    length = _LENGTHS[speed] * _between(rng, 0.94, 1.06)
    turns_at = _between(rng, 0.45, 0.55) if path == "back and forth" else None
    free = layout.straight_open(opening.centres, opening.radii, length=length)[:, eighth : eighth + 1]
    mover, _ = pick(rng, _smaller_first(np.argwhere(free)))
    return Motion(path, speed, direction, length, 45.0 * eighth, turns_at=turns_at), mover


def _smaller_first(choices: NDArray[np.intp]) -> list[tuple[int, int]]:
    """The (shape, way) pairs without those of shape 0, the largest, if there are others."""
    pairs = [(int(shape), int(way)) for shape, way in choices]
    return [pair for pair in pairs if pair[0] > 0] or pairs


def _with_event(
    rng: np.random.Generator,
    opening: _Opening,
    *,
    motion: Motion,
    mover: int,
    event: str,
    half: str | None,
) -> tuple[SceneObject, ...]:
    """The shapes of the first frame with what happens to one of them, or with one more that appears."""
    objects = opening.objects
    if half is None:
        return objects
    others = [item for item in range(1, len(objects)) if item != mover] or [0]
    if event == "disappears" and others == [mover]:
        half = "second half"  # the only shape: let it move before it goes
    time = _between(rng, *_HALF_TIMES[half])
    if event == "appears":
        return (*objects, _draw_newcomer(rng, opening, motion=motion, mover=mover, time=time))
    chosen = pick(rng, others) if event == "disappears" else pick(rng, range(len(objects)))
    old = objects[chosen]
    fields = asdict(old)
    if event == "disappears":
        fields["disappears_at"] = time
    else:
        taken = {(item.shape, item.colour) for item in objects}
        fields["recoloured_at"] = time
        fields["new_colour"] = pick(rng, [name for name in COLOURS if (old.shape, name) not in taken])
    return (*objects[:chosen], SceneObject(**fields), *objects[chosen + 1 :])


def _draw_newcomer(
    rng: np.random.Generator, opening: _Opening, *, motion: Motion, mover: int, time: float
) -> SceneObject:
    taken = {(item.shape, item.colour) for item in opening.objects}
    shape, colour = pick(rng, [(s, c) for s in SHAPES for c in COLOURS if (s, c) not in taken])
    radius = _between(rng, 0.075, 0.085)
    moving = opening.objects[mover]
    offsets = [motion.offset(step / 16) for step in range(17)]
    x, y = layout.draw_free_place(
        rng,
        centres=np.delete(opening.centres, mover, axis=0),
        radii=np.delete(opening.radii, mover),
        path=np.array([[moving.x + dx, moving.y + dy] for dx, dy in offsets]),
        path_radius=moving.radius,
        radius=radius,
    )
    return SceneObject(shape, colour, x, y, radius, _between(rng, -12, 12), appears_at=time)
