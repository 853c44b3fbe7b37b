"""What readers are trained on: conversations about one clip in which no turn tells of a later answer.

Several questions about a clip are one conversation, so that its visual tokens serve many answers. A reader is
tested with one question at a time; if earlier turns could tell a later answer, it would learn to read the
conversation in place of the clip. Questions that tell of each other, by their answers or by being asked at
all, are therefore in the same chain, in an order in which none tells of a later one, or exclude each other.
Which are asked, and in what order, never depends on the answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.understanding.reader.wording import QUESTIONS, answer_words
from vtok_eval.scenes.drawing import pick, stream

_STREAM = 7
"""Sets the conversations' randomness apart from the scenes' and the questions'."""
_EVENTS = ("appears", "disappears", "colour_change")
_CONTENTS = ("count", "shapes_present", "colours_present")

Pair = tuple[str, str]
"""A question and its answer."""


def drawn_order(*key: int) -> tuple[str, ...]:
    """The attributes that a conversation asks about, in order, as far as they apply to the clip.

    key: whole numbers from 0 on; equal ones give equal orders.

    Three chains are merged at random: one of the events, then one of number, shapes and colours (each tells
    of the others; that they are asked tells that nothing comes or goes), then the place of the largest shape
    (asked only where there are several) and when the event happens (asked only where there is one); the path,
    then direction and speed (which a circle does not have); the camera.

    Example:
        >>> order = drawn_order(0, 1)
        >>> len(order), order.index("path") < order.index("speed")
        (8, True)
    """
    rng = stream(*key, _STREAM)
    motion = ["direction", "speed"] if rng.random() < 0.5 else ["speed", "direction"]
    chains = [
        [pick(rng, _EVENTS), pick(rng, _CONTENTS), "position", "event_time"],
        ["path", *motion],
        ["camera_motion"],
    ]
    places = [place for place, chain in enumerate(chains) for _ in chain]
    merged = [place for _, place in sorted((rng.random(), place) for place in places)]
    return tuple(chains[place].pop(0) for place in merged)


def conversation(truth: Mapping[str, str | Sequence[str]], *key: int) -> tuple[Pair, ...]:
    """Questions and answers about a clip with these labels; `truth` has no key for what does not apply.

    Example:
        >>> conversation({"camera_motion": "still"}, 0)
        (('how does the camera move', 'still'),)
    """
    asked = (name for name in drawn_order(*key) if name in truth)
    return tuple((QUESTIONS[name], answer_words(truth[name])) for name in asked)
