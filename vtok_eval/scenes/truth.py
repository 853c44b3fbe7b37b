"""What is true of a scene: its label for each attribute, and its caption."""

from __future__ import annotations

from vtok_eval.scenes.scene import Scene, SceneObject
from vtok_eval.scenes.vocabulary import COLOURS, SHAPES

Label = str | tuple[str, ...] | None

_YES_NO_EVENTS = {"appears": "appears", "disappears": "disappears", "colour_change": "changes colour"}


def labels(scene: Scene) -> dict[str, Label]:
    """The truth by attribute name; None where the attribute does not apply.

    A static attribute applies only where every frame gives the same answer: the number of shapes not where
    one comes or goes, the shapes and colours present only where their set stays the same, the quadrant of the
    largest shape where there are others and it neither moves nor vanishes. The yes/no attributes apply to all
    clips in which that event happens and to a random part of the others, as many. Speed and direction do not
    apply to a circle. The time of the event does not apply where the only shape vanishes.

    Example:
        >>> from vtok_eval.scenes.drawing import draw_scene
        >>> sorted(labels(draw_scene(0, "test", 0)))[:3]
        ['appears', 'camera_motion', 'colour_change']
    """
    motion = scene.motion
    found: dict[str, Label] = {
        "shapes_present": _lasting(_shapes(scene, 0.0), _shapes(scene, 1.0)),
        "colours_present": _lasting(_colours(scene, 0.0), _colours(scene, 1.0)),
        "count": None if scene.event in ("appears", "disappears") else str(len(scene.objects)),
        "position": _quadrant_of_largest(scene),
        "direction": motion.direction,
        "speed": motion.speed,
        "path": motion.path,
    }
    for name, event in _YES_NO_EVENTS.items():
        answer = "yes" if scene.event == event else "no"
        found[name] = answer if event in scene.asked_events else None
    found["event_time"] = None if scene.objects[scene.mover].disappears_at is not None else scene.event_half
    found["camera_motion"] = scene.camera.motion
    return found


def _shapes(scene: Scene, time: float) -> set[str]:
    return {item.shape for item in scene.objects if item.visible(time)}


def _colours(scene: Scene, time: float) -> set[str]:
    return {item.colour_at(time) for item in scene.objects if item.visible(time)}


def _lasting(first: set[str], last: set[str]) -> Label:
    """What the first and the last frame share, in the vocabulary's order, if it is the same.

    There is one event at most, so what is the same at both ends is the same all the way.
    """
    order = SHAPES + COLOURS
    return tuple(sorted(first, key=order.index)) if first == last else None


def _quadrant_of_largest(scene: Scene) -> str | None:
    if scene.largest is None or scene.largest == scene.mover:
        return None
    item = scene.objects[scene.largest]
    if item.disappears_at is not None:
        return None
    return f"{'top' if item.y < 0.5 else 'bottom'} {'left' if item.x < 0.5 else 'right'}"


def caption(scene: Scene) -> str:
    """One English description of everything the clip shows: shapes, motion, event and camera.

    Example:
        >>> from vtok_eval.scenes.drawing import draw_scene
        >>> caption(draw_scene(0, "test", 0)).split(" moves")[0]
        'A blue circle'
    """
    mover = scene.objects[scene.mover]
    others = [item for i, item in enumerate(scene.objects) if i != scene.mover and item.appears_at is None]
    sentences = [f"{_a(mover)} {_movement(scene)}{_beside(others)}", *_event(scene), _camera(scene)]
    return " ".join(sentence[0].upper() + sentence[1:] + "." for sentence in sentences)


def _a(item: SceneObject) -> str:
    return f"{'an' if item.colour == 'orange' else 'a'} {item.colour} {item.shape}"


_ADVERBS = {"slow": "slowly", "medium": "at a medium speed", "fast": "fast"}
WAYS = {
    "right": "to the right", "left": "to the left", "up": "up", "down": "down",
    "up right": "up and to the right", "up left": "up and to the left",
    "down right": "down and to the right", "down left": "down and to the left",
}  # fmt: skip


def _movement(scene: Scene) -> str:
    motion = scene.motion
    if motion.direction is None or motion.speed is None:
        return "moves in a circle"
    way = f"moves {_ADVERBS[motion.speed]} {WAYS[motion.direction]}"
    return way if motion.path == "straight" else f"{way} and back again"


def _beside(others: list[SceneObject]) -> str:
    if not others:
        return ""
    names = [_a(item) for item in others]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f", while {listed} {'stays' if len(names) == 1 else 'stay'} in place"


def _event(scene: Scene) -> list[str]:
    when = f"in the {scene.event_half}" if scene.event_half else ""
    for item in scene.objects:
        if item.appears_at is not None:
            return [f"{_a(item)} appears {when}"]
        if item.disappears_at is not None:
            late = "in the second half" if item is scene.objects[scene.mover] else when
            return [f"the {item.colour} {item.shape} disappears {late}"]
        if item.new_colour is not None:
            return [f"the {item.colour} {item.shape} turns {item.new_colour} {when}"]
    return []


_CAMERA = {
    "still": "is still",
    "pan left": "pans left",
    "pan right": "pans right",
    "tilt up": "tilts up",
    "tilt down": "tilts down",
    "zoom in": "zooms in",
    "zoom out": "zooms out",
    "rotate clockwise": "rotates clockwise",
    "rotate counter-clockwise": "rotates counter-clockwise",
}


def _camera(scene: Scene) -> str:
    return f"the camera {_CAMERA[scene.camera.motion]}"
