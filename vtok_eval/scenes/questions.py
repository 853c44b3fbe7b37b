"""Multiple-choice questions about a scene; their text and options do not reveal the answer.

Three rules ensure this and keep the negatives hard. Options that are opposites include both of each pair.
Options that are colours or shapes are the answer and what else the scene shows, filled up at random: renaming
colours or shapes does not change how likely a scene is, so each option is equally likely to be the answer.
Descriptions of two facts come in all four combinations of two values each, so that no option resembles the
others more than the rest do. What is asked never depends on the answer, and the options' order is random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vtok_eval.scenes.drawing import pick, stream
from vtok_eval.scenes.photos import SPLITS
from vtok_eval.scenes.scene import Scene, SceneObject
from vtok_eval.scenes.truth import WAYS, labels
from vtok_eval.scenes.vocabulary import (
    CAMERA_MOTIONS,
    COLOURS,
    DIRECTIONS,
    EVENTS,
    HALVES,
    OPPOSITE,
    PATHS,
    QUADRANTS,
    SHAPES,
    SPEEDS,
    Group,
)

if TYPE_CHECKING:
    import numpy as np

_STREAM = 3
"""Sets the questions' randomness apart from the scenes' own (streams 0 to 2)."""


@dataclass(frozen=True)
class SceneQuestion:
    """One question: `options[answer]` is right.

    id: unique over scenes and question seeds. attribute: what it asks for, the name of an `Attribute` where
    there is one.
    """

    id: str
    text: str
    options: tuple[str, ...]
    answer: int
    attribute: str
    group: Group

    @property
    def chance(self) -> float:
        """How often a guess is right."""
        return 1 / len(self.options)


@dataclass(frozen=True)
class _Draft:
    """A question whose options are not in order yet."""

    attribute: str
    group: Group
    text: str
    answer: str
    options: Sequence[str]


def questions(scene: Scene, *, seed: int) -> tuple[SceneQuestion, ...]:
    """All questions that the scene gives; equal scene and seed give equal questions.

    Raises:
        ValueError: a negative seed.

    Example:
        >>> from vtok_eval.scenes.drawing import draw_scene
        >>> asked = questions(draw_scene(0, "test", 0), seed=0)
        >>> all(0 <= question.answer < len(question.options) for question in asked)
        True
    """
    if seed < 0:
        raise ValueError(f"the seed of questions must not be negative, not {seed}")
    rng = stream(scene.version, scene.seed, SPLITS.index(scene.split), scene.index, _STREAM, seed)
    drafts = [*_static(scene, rng), *_motion(scene, rng), *_events(scene, rng), *_camera(scene, rng)]
    return tuple(_finished(draft, scene, rng, seed=seed) for draft in (*drafts, *_descriptions(scene, rng)))


def _finished(draft: _Draft, scene: Scene, rng: np.random.Generator, *, seed: int) -> SceneQuestion:
    options = _shuffled(draft.options, rng)
    return SceneQuestion(
        id=f"{scene.name}/questions={seed}/{draft.attribute}",
        text=draft.text,
        options=options,
        answer=options.index(draft.answer),
        attribute=draft.attribute,
        group=draft.group,
    )


def _shuffled(items: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
    return tuple(item for _, item in sorted((rng.random(), item) for item in items))


def _options(
    answer: str, *, hard: set[str], pool: Sequence[str], total: int, rng: np.random.Generator
) -> list[str]:
    """The answer and `total` - 1 others: hard negatives first, then the rest of the pool, at random each."""
    near = _shuffled(sorted(hard - {answer}), rng)
    far = _shuffled([item for item in pool if item != answer and item not in hard], rng)
    return [answer, *(*near, *far)[: total - 1]]


def _two_pairs(answer: str, pool: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The answer, its opposite, and another pair of opposites."""
    other = pick(rng, [item for item in pool if item not in (answer, OPPOSITE[answer])])
    return [answer, OPPOSITE[answer], other, OPPOSITE[other]]


def _static(scene: Scene, rng: np.random.Generator) -> Iterator[_Draft]:
    truth = labels(scene)
    count, position = truth["count"], truth["position"]
    shapes, colours = truth["shapes_present"], truth["colours_present"]
    if isinstance(count, str):
        yield _Draft("count", "static", "How many shapes are there?", count, ("1", "2", "3", "4"))
    if isinstance(position, str):
        yield _Draft("position", "static", "Where is the largest shape?", position, QUADRANTS)
    if isinstance(shapes, tuple):
        answer = pick(rng, shapes)
        absent = [name for name in SHAPES if name not in shapes]
        options = _options(answer, hard=set(), pool=absent, total=3, rng=rng)
        yield _Draft("shapes_present", "static", "Which of these shapes is there?", answer, options)
    if isinstance(colours, tuple):
        answer = pick(rng, colours)
        absent = [name for name in COLOURS if name not in colours]
        options = _options(answer, hard=set(), pool=absent, total=4, rng=rng)
        yield _Draft(
            "colours_present", "static", "Which of these colours has one of the shapes?", answer, options
        )
    if scene.event == "none":
        yield from _colour_of_shape(scene, rng)


def _colour_of_shape(scene: Scene, rng: np.random.Generator) -> Iterator[_Draft]:
    """Asks for the colour of a shape that occurs once, among others."""
    every = [item.shape for item in scene.objects]
    single = [item for item in scene.objects if every.count(item.shape) == 1]
    if len(every) > 1 and single:
        item = pick(rng, single)
        text = f"What colour is the {item.shape}?"
        yield _Draft("colour_of_shape", "static", text, item.colour, _colour_options(scene, item.colour, rng))


def _colour_options(scene: Scene, answer: str, rng: np.random.Generator) -> list[str]:
    """Four colours, the negatives first of all those that the scene shows."""
    return _options(answer, hard=_all_colours(scene), pool=COLOURS, total=4, rng=rng)


def _all_colours(scene: Scene) -> set[str]:
    return {item.colour_at(time) for item in scene.objects for time in (0.0, 1.0)}


def _motion(scene: Scene, rng: np.random.Generator) -> Iterator[_Draft]:
    motion = scene.motion
    if motion.direction is not None and motion.speed is not None:
        options = _two_pairs(motion.direction, DIRECTIONS, rng)
        text = "In which direction does the moving shape set out?"
        ways = [WAYS[name] for name in options]
        yield _Draft("direction", "temporal", text, WAYS[motion.direction], ways)
        yield _Draft("speed", "temporal", "How fast is the moving shape?", motion.speed, SPEEDS)
    yield _Draft("path", "temporal", "What path does the moving shape take?", motion.path, PATHS)
    mover = scene.objects[scene.mover]
    if mover.new_colour is None and len(scene.objects) > 1:
        text = "What colour is the shape that moves?"
        yield _Draft(
            "moving_colour", "temporal", text, mover.colour, _colour_options(scene, mover.colour, rng)
        )


_HAPPENINGS = {
    event: "no shape comes, goes or changes colour" if event == "none" else f"a shape {event}"
    for event in EVENTS
}


def _events(scene: Scene, rng: np.random.Generator) -> Iterator[_Draft]:
    text = "What happens in the clip?"
    yield _Draft("event", "temporal", text, _HAPPENINGS[scene.event], tuple(_HAPPENINGS.values()))
    half = labels(scene)["event_time"]
    if not isinstance(half, str):
        return
    ask = {"appears": "appear", "disappears": "disappear", "changes colour": "change colour"}[scene.event]
    when = [f"in the {name}" for name in HALVES]
    yield _Draft("event_time", "temporal", f"When does a shape {ask}?", f"in the {half}", when)
    item, colour = _affected(scene)
    if scene.event == "changes colour":
        text = f"What colour does the {item.shape} that changes colour become?"
    else:
        text = f"What colour is the shape that {scene.event}?"
    yield _Draft("event_colour", "temporal", text, colour, _colour_options(scene, colour, rng))


def _affected(scene: Scene) -> tuple[SceneObject, str]:
    """The shape that something happens to, and its colour, the new one where it changes."""
    for item in scene.objects:
        if item.new_colour is not None:
            return item, item.new_colour
        if item.appears_at is not None or item.disappears_at is not None:
            return item, item.colour
    raise ValueError(f"nothing happens in {scene.name}")


_STILL = CAMERA_MOTIONS[0]


def _camera(scene: Scene, rng: np.random.Generator) -> Iterator[_Draft]:
    motion = scene.camera.motion
    moving = CAMERA_MOTIONS[1:]
    if motion != _STILL:
        options = _two_pairs(motion, moving, rng)
        yield _Draft("camera_motion", "camera", "What does the camera do?", motion, options)
    # All still clips and as many of the moving ones, so that yes and no are as frequent.
    if motion == _STILL or rng.random() < 1 / len(moving):
        answer = "no" if motion == _STILL else "yes"
        yield _Draft("camera_moves", "camera", "Does the camera move?", answer, ("no", "yes"))


def _descriptions(scene: Scene, rng: np.random.Generator) -> Iterator[_Draft]:
    yield from _motion_and_camera(scene)
    yield from _what_moves(scene, rng)


def _motion_and_camera(scene: Scene) -> Iterator[_Draft]:
    direction, camera = scene.motion.direction, scene.camera.motion
    if direction is None or camera == _STILL:
        return
    options = [
        f"a shape sets out {WAYS[way]}; camera: {what}"
        for way in (direction, OPPOSITE[direction])
        for what in (camera, OPPOSITE[camera])
    ]
    text = "Which description of motion and camera fits the clip?"
    yield _Draft("motion_and_camera", "temporal", text, options[0], options)


def _what_moves(scene: Scene, rng: np.random.Generator) -> Iterator[_Draft]:
    """Shape, colour and motion together: two shapes, their colours swapped or not, either one moving."""
    mover = scene.objects[scene.mover]
    if scene.event != "none":
        return
    others = [item for item in scene.objects if item.shape != mover.shape and item.colour != mover.colour]
    if not others:
        return
    other = pick(rng, others)
    options = [
        f"a {a} {mover_shape} moves and a {b} {other_shape} stays in place"
        for mover_shape, other_shape in ((mover.shape, other.shape), (other.shape, mover.shape))
        for a, b in ((mover.colour, other.colour), (other.colour, mover.colour))
    ]
    options = [option.replace("a orange", "an orange") for option in options]
    yield _Draft(
        "what_moves", "temporal", "Which description of the shapes fits the clip?", options[0], options
    )
