"""What a frame shows as objects: the truth of a scene, what maps say of it, and what it is drawn as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vtok_eval.decoders.architecture import (
    BACKDROP,
    CENTRE,
    COLOUR,
    FORM,
    OFFSET,
    PLACES,
    RADIUS,
)
from vtok_eval.scenes.render import paint_object
from vtok_eval.scenes.scene import SceneObject
from vtok_eval.scenes.vocabulary import COLOURS, SHAPES

if TYPE_CHECKING:
    from vtok_eval.scenes.scene import Scene

MOST_OBJECTS = 6
DETECTION_THRESHOLD = 0.35
"""How sure an object must be to be drawn, the same for every decoder: of the thresholds on the shipped
decoders' card, the one at which the mean share of frames with the right number of objects is highest."""
RADIUS_UNIT = 0.1
"""The radius, in sides of the frame, that 1 in the map of radii means."""


@dataclass(frozen=True)
class Truth:
    """What frames show. form: int64 `(..., MOST_OBJECTS)`, -1 for no object; colour likewise.
    place: float32 `(..., MOST_OBJECTS, 2)`, centres (x, y) in sides of the frame; radius: in sides."""

    form: Tensor
    colour: Tensor
    place: Tensor
    radius: Tensor

    @classmethod
    def of(cls, scenes: Sequence[Scene], *, n_frames: int) -> Truth:
        """Of every frame of scenes, `(B, T, ...)`; the first frame is at time 0, the last at time 1."""
        size = (len(scenes), n_frames, MOST_OBJECTS)
        form, colour = np.full(size, -1), np.zeros(size, dtype=np.int64)
        place, radius = np.zeros((*size, 2), dtype=np.float32), np.zeros(size, dtype=np.float32)
        for row, scene in enumerate(scenes):
            for frame in range(n_frames):
                time = frame / (n_frames - 1)
                shown = [index for index, item in enumerate(scene.objects) if item.visible(time)]
                for column, index in enumerate(shown[:MOST_OBJECTS]):
                    item, where = scene.objects[index], (row, frame, column)
                    form[where] = SHAPES.index(item.shape)
                    colour[where] = COLOURS.index(item.colour_at(time))
                    place[where] = scene.position(index, time)
                    radius[where] = item.radius
        return cls(*(torch.from_numpy(part) for part in (form, colour, place, radius)))

    def select(self, rows: Tensor, frames: Tensor) -> Truth:
        """Of some clips' frames, `(B, F, ...)`."""
        return Truth(*(part[rows][:, frames] for part in (self.form, self.colour, self.place, self.radius)))

    def flat(self) -> Truth:
        """All frames along one axis."""
        return Truth(*(part.flatten(0, 1) for part in (self.form, self.colour, self.place, self.radius)))

    def n_objects(self) -> Tensor:
        """How many objects each frame shows."""
        return (self.form >= 0).sum(dim=-1)


def centre_heat(truth: Truth) -> Tensor:
    """What the map of centres should be, `(N, PLACES, PLACES)`: 1 at each centre's place, around it less."""
    at = (truth.place * PLACES).floor().clamp(0, PLACES - 1)
    along = torch.arange(PLACES, device=truth.place.device)
    away = (along[None, None, None, :] - at[..., 0, None, None]) ** 2
    away = away + (along[None, None, :, None] - at[..., 1, None, None]) ** 2
    heat = torch.exp(-away / (2 * 0.8**2)) * (truth.form >= 0)[..., None, None]
    return heat.amax(dim=1)


def peaks(maps: Tensor, *, threshold: float) -> Tensor:
    """Where maps `(N, C, PLACES, PLACES)` have an object: bool `(N, PLACES, PLACES)`."""
    centres = maps[:, CENTRE].sigmoid()
    highest = functional.max_pool2d(centres, 3, stride=1, padding=1)
    return ((centres == highest) & (centres > threshold))[:, 0]


def objects_of(maps: Tensor, *, threshold: float) -> list[list[SceneObject]]:
    """The objects that maps `(N, C, PLACES, PLACES)` show, frame by frame, the least certain first."""
    found: list[list[SceneObject]] = []
    for frame, there in zip(maps, peaks(maps, threshold=threshold), strict=True):
        rows, columns = there.nonzero(as_tuple=True)
        values = frame[:, rows, columns].T
        order = values[:, CENTRE.start].argsort(stable=True).tolist()
        places = torch.stack([columns, rows], dim=1) + 0.5 + values[:, OFFSET].clamp(-1, 1)
        found.append([_object(values[one], places[one]) for one in order[-MOST_OBJECTS:]])
    return found


def draw(maps: Tensor, *, side: int, threshold: float) -> Tensor:
    """Frames uint8 `(N, 3, side, side)` of maps `(N, C, PLACES, PLACES)`: objects on a backdrop."""
    coarse = (maps[:, BACKDROP].clamp(-1, 1) + 1) * 127.5
    large = functional.interpolate(coarse, size=side, mode="bicubic", align_corners=False)
    frames = large.round().clamp(0, 255).to(torch.uint8).contiguous().numpy()
    for frame, objects in zip(frames, objects_of(maps, threshold=threshold), strict=True):
        for item in objects:
            paint_object(frame[None], item, [(item.x, item.y)], [0.0])
    return torch.from_numpy(frames)


def _object(values: Tensor, place: Tensor) -> SceneObject:
    x, y = (place / PLACES).tolist()
    radius = min(max(float(values[RADIUS]) * RADIUS_UNIT, 0.03), 0.3)
    form, colour = int(values[FORM].argmax()), int(values[COLOUR].argmax())
    return SceneObject(SHAPES[form], COLOURS[colour], x, y, radius, angle=0.0)
