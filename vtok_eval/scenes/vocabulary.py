"""The words of rendered scenes: what can be in one, and the attributes that a reader is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "cross", "ring")
COLOURS: tuple[str, ...] = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "white")
DIRECTIONS: tuple[str, ...] = (
    "right", "down right", "down", "down left", "left", "up left", "up", "up right",
)  # fmt: skip
"""As seen on the screen, clockwise from the right, 45 degrees apart."""
SPEEDS: tuple[str, ...] = ("slow", "medium", "fast")
PATHS: tuple[str, ...] = ("straight", "back and forth", "circle")
EVENTS: tuple[str, ...] = ("none", "appears", "disappears", "changes colour")
HALVES: tuple[str, ...] = ("first half", "second half")
QUADRANTS: tuple[str, ...] = ("top left", "top right", "bottom left", "bottom right")
CAMERA_MOTIONS: tuple[str, ...] = (
    "still", "pan left", "pan right", "tilt up", "tilt down",
    "zoom in", "zoom out", "rotate clockwise", "rotate counter-clockwise",
)  # fmt: skip
"""What the camera does, not the picture: when the camera pans left, the backdrop moves to the right."""
OPPOSITE: dict[str, str] = {
    **{name: DIRECTIONS[(index + 4) % 8] for index, name in enumerate(DIRECTIONS)},
    **{CAMERA_MOTIONS[i]: CAMERA_MOTIONS[i + 1] for i in (1, 3, 5, 7)},
    **{CAMERA_MOTIONS[i + 1]: CAMERA_MOTIONS[i] for i in (1, 3, 5, 7)},
}
"""The opposite of each direction and of each camera motion but "still"."""

Group = Literal["static", "temporal", "camera"]
Kind = Literal["single", "multi"]


@dataclass(frozen=True)
class Attribute:
    """Something a reader is asked about a clip, with a closed set of labels.

    group: "static" where every single frame shows the answer, "temporal" where none does, "camera" for the
        backdrop's motion.
    kind: "single" where one label is right, "multi" where a set of labels is.
    """

    name: str
    title: str
    group: Group
    kind: Kind
    labels: tuple[str, ...]

    @property
    def chance(self) -> float:
        """The average `score` of a reader that knows nothing of the clip, whatever it answers.

        A single label is uniform among the clips that the attribute applies to, so every constant or random
        answer is right in 1/len(labels) of them. For a set of labels see `score`: exactly one half.
        """
        return 1 / len(self.labels) if self.kind == "single" else 0.5

    def score(self, predicted: str | Sequence[str], truth: str | Sequence[str]) -> float:
        """How right an answer is for one clip, from 0 to 1.

        Single: 1.0 where the label is the truth, else 0.0. Multi: balanced accuracy within the clip, the mean
        of the share of true labels that were named and the share of false labels that were not. The labels of
        a scene are exchangeable (any renaming of shapes is as likely), so a guess of m of M labels finds m/M
        of the true ones on average and avoids 1 - m/M of the false ones: one half for any m.

        Raises:
            ValueError: a label that the attribute does not have, or a truth that holds none or all of them.
        """
        if self.kind == "single":
            self._check((str(predicted), str(truth)))
            return float(predicted == truth)
        guess, right = set(predicted), set(truth)
        self._check((*guess, *right))
        if not 0 < len(right) < len(self.labels):
            raise ValueError(f"{self.name}: the truth must hold some labels but not all, not {sorted(right)}")
        named = len(guess & right) / len(right)
        avoided = 1 - len(guess - right) / (len(self.labels) - len(right))
        return (named + avoided) / 2

    def _check(self, labels: Sequence[str]) -> None:
        unknown = sorted(set(labels) - set(self.labels))
        if unknown:
            raise ValueError(f"{self.name} has no label {unknown[0]!r}; it has {', '.join(self.labels)}")


_YES_NO = ("no", "yes")

ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("shapes_present", "Shapes present", "static", "multi", SHAPES),
    Attribute("colours_present", "Colours present", "static", "multi", COLOURS),
    Attribute("count", "Number of shapes", "static", "single", ("1", "2", "3", "4")),
    Attribute("position", "Quadrant of the largest shape", "static", "single", QUADRANTS),
    Attribute("direction", "Direction the moving shape sets out in", "temporal", "single", DIRECTIONS),
    Attribute("speed", "Speed of the moving shape", "temporal", "single", SPEEDS),
    Attribute("path", "Path of the moving shape", "temporal", "single", PATHS),
    Attribute("appears", "A shape appears", "temporal", "single", _YES_NO),
    Attribute("disappears", "A shape disappears", "temporal", "single", _YES_NO),
    Attribute("colour_change", "A shape changes colour", "temporal", "single", _YES_NO),
    Attribute("event_time", "When it happens", "temporal", "single", HALVES),
    Attribute("camera_motion", "Camera motion", "camera", "single", CAMERA_MOTIONS),
)


def attribute(name: str) -> Attribute:
    """The attribute of that name.

    Raises:
        KeyError: no such attribute.

    Example:
        >>> attribute("direction").chance
        0.125
    """
    return {item.name: item for item in ATTRIBUTES}[name]
