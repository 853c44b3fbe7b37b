"""The oracle as a judge: measures a clip once and looks each question's fact up in what it saw."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tv_align.judges.judge import Verdict
from tv_align.judges.oracle.observe import SIDE, observe_pixels
from tv_align.scenes.fact_questions import read
from tv_align.scenes.observation import Observation, SeenShape
from tv_align.scenes.truth import holds
from vtok_eval.data import Clip
from vtok_eval.results.description import Description

if TYPE_CHECKING:
    from torch import Tensor

_REMEMBERED = 2048
"""Clips of which the oracle remembers what it measured: some kilobytes each."""
_UNKNOWN = "the question is not in the scenes' vocabulary"


class Oracle:
    """Reads nothing but a clip's pixels and a question's words; unsure of questions in other words than
    `tv_align.scenes.fact_questions.ask` uses."""

    name = "oracle"
    concurrency = 1

    def __init__(self) -> None:
        self._measured: OrderedDict[bytes, tuple[Observation, Mapping[str, object]]] = OrderedDict()

    def judge(self, clip: Clip, questions: Sequence[str]) -> Sequence[Verdict]:
        """One verdict per question.

        Raises:
            VideoError: a clip of fewer than two frames.
        """
        started = time.perf_counter()
        facts = [read(question) for question in questions]
        seen, measured = self._observed(clip.frames)
        raw = {"seen": _as_json(seen), **measured}
        seconds = (time.perf_counter() - started) / max(1, len(questions))
        verdicts = []
        for fact in facts:
            if fact is None:
                verdicts.append(Verdict("unsure", cost={"seconds": seconds}, raw=_UNKNOWN))
                continue
            yes = holds(fact, seen)
            verdicts.append(
                Verdict("yes" if yes else "no", probability=float(yes), cost={"seconds": seconds}, raw=raw)
            )
        return verdicts

    def _observed(self, frames: Tensor) -> tuple[Observation, Mapping[str, object]]:
        """What is measured on frames; the same pixels are measured once while they are remembered."""
        key = hashlib.sha256(str(tuple(frames.shape)).encode())
        key.update(frames.cpu().contiguous().numpy().data)
        digest = key.digest()
        if digest not in self._measured:
            self._measured[digest] = observe_pixels(frames)
            if len(self._measured) > _REMEMBERED:
                self._measured.popitem(last=False)
        self._measured.move_to_end(digest)
        return self._measured[digest]

    def understands(self, question: str) -> bool:
        """Whether a question is in the words of `tv_align.scenes.fact_questions.ask`."""
        return read(question) is not None

    def describe(self) -> Description:
        """How it measures."""
        return Description(facts={"measured_at_pixels": SIDE, "version": 3})


def _as_json(seen: Observation) -> dict[str, object]:
    return {
        "shapes": [_shape(item) for item in seen.shapes],
        "mover": seen.mover,
        "path": seen.path,
        "direction": seen.direction,
        "speed": seen.speed,
        "camera": seen.camera,
    }


def _shape(item: SeenShape) -> dict[str, object]:
    first, last = item.places[0], item.places[-1]
    return {
        "what": f"{item.colour} {item.shape}",
        "new_colour": item.new_colour,
        "event": item.event,
        "event_at": None if item.event_at is None else round(item.event_at, 3),
        "first": [round(float(value), 3) for value in first],
        "last": [round(float(value), 3) for value in last],
    }
