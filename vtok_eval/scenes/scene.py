"""What a rendered clip shows, as plain parameters."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

VERSION = 1
"""Raised whenever an equal seed could give another scene or another pixel."""


@dataclass(frozen=True)
class SceneObject:
    """One shape. Lengths in sides of the frame, angle in degrees clockwise, times from 0 (first frame) to 1.

    appears_at, disappears_at, recoloured_at: when that happens, None where it does not.
    """

    shape: str
    colour: str
    x: float
    y: float
    radius: float
    angle: float
    appears_at: float | None = None
    disappears_at: float | None = None
    recoloured_at: float | None = None
    new_colour: str | None = None

    def visible(self, time: float) -> bool:
        """Whether it is there at a time from 0 to 1."""
        appeared = self.appears_at is None or time >= self.appears_at
        return appeared and (self.disappears_at is None or time < self.disappears_at)

    def colour_at(self, time: float) -> str:
        """Its colour at a time from 0 to 1."""
        if self.new_colour is None or self.recoloured_at is None or time < self.recoloured_at:
            return self.colour
        return self.new_colour


@dataclass(frozen=True)
class Motion:
    """How the one moving shape moves.

    length: of the whole way, in sides of the frame. speed and direction are None on a circle.
    heading: degrees clockwise from the right, of the way out, or from the start to the circle's hub.
    turns_at: time of the turn, back and forth only. turns: of a circle, signed, clockwise positive.
    """

    path: str
    speed: str | None
    direction: str | None
    length: float
    heading: float
    turns_at: float | None = None
    turns: float | None = None

    def offset(self, time: float) -> tuple[float, float]:
        """How far the shape is from where it started, (x, y) in sides of the frame."""
        ux, uy = math.cos(math.radians(self.heading)), math.sin(math.radians(self.heading))
        if self.turns is not None:
            radius = self.length / (2 * math.pi * abs(self.turns))
            turned = 2 * math.pi * self.turns * time
            c, s = math.cos(turned), math.sin(turned)
            return radius * (ux - (ux * c - uy * s)), radius * (uy - (ux * s + uy * c))
        way = time if self.turns_at is None else min(time, 2 * self.turns_at - time)
        return self.length * way * ux, self.length * way * uy


@dataclass(frozen=True)
class Backdrop:
    """The photo behind, and what part of it the first frame shows.

    across, down: where the view's centre is, from 0 to 1 of the room that every camera motion leaves.
    view: side of the view in canvas pixels per output pixel. flip: mirrored left to right.
    brightness added (levels), contrast and gains (red, green, blue) multiplied.
    """

    photo: str
    across: float
    down: float
    view: float
    flip: bool
    brightness: float
    contrast: float
    gains: tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """The backdrop's motion from the first frame to the last. The shapes are not moved by it.

    amount: sides of the frame for pan and tilt, the ratio for zoom, degrees for rotation, 0 for still.
    """

    motion: str
    amount: float


@dataclass(frozen=True)
class Scene:
    """Everything needed to render one clip and to know what is in it.

    mover: index in `objects` of the moving shape. largest: index of the largest, None if there is only one.
    event: what happens to one of the shapes; event_half: when, None if nothing happens.
    asked_events: the events about which the yes/no attributes are asked, so that yes and no are as frequent.
    """

    version: int
    seed: int
    split: str
    index: int
    objects: tuple[SceneObject, ...]
    mover: int
    largest: int | None
    motion: Motion
    event: str
    event_half: str | None
    asked_events: tuple[str, ...]
    backdrop: Backdrop
    camera: Camera

    @property
    def name(self) -> str:
        """Names the scene over all versions, seeds and splits."""
        return f"scenes-v{self.version}/seed={self.seed}/{self.split}/{self.index}"

    def position(self, item: int, time: float) -> tuple[float, float]:
        """Centre (x, y) of `objects[item]` at a time from 0 to 1, in sides of the frame."""
        shown = self.objects[item]
        dx, dy = self.motion.offset(time) if item == self.mover else (0.0, 0.0)
        return shown.x + dx, shown.y + dy

    def to_json(self) -> dict[str, Any]:
        """The scene as JSON can hold it; `from_json` gives an equal scene back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Scene:
        """The scene that `to_json` was called on."""
        backdrop = dict(data["backdrop"])
        return cls(
            **{
                **data,
                "objects": tuple(SceneObject(**item) for item in data["objects"]),
                "motion": Motion(**data["motion"]),
                "asked_events": tuple(data["asked_events"]),
                "backdrop": Backdrop(**{**backdrop, "gains": tuple(backdrop["gains"])}),
                "camera": Camera(**data["camera"]),
            }
        )
