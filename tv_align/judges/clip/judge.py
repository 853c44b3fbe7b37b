"""The judge `clip:NAME/PRETRAINED`: which of two captions fits the frames better, by an open_clip model."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence

from tv_align.judges.clip.statements import caption_of, hard_negatives
from tv_align.judges.judge import Verdict
from vtok_eval.data import Clip
from vtok_eval.errors import SpecError
from vtok_eval.results.description import Description

_ALONE = "no other question about this clip, so no caption to set this one against"


class ClipJudge:
    """Compares each question's caption with that of the most similar question, its hard negative.

    The probability of yes is the model's own: the softmax of the two captions' mean similarity to the frames.
    So one of two paired questions gets a yes: a forced choice. A model that sees nothing is right on half of
    the questions, and on about half of the prompts with a single pair, not on none. Frames are compared
    singly: their order has no effect.

    model: `NAME/PRETRAINED`, `NAME/FILE` or `NAME:random=SEED`, as for the backbone `open_clip:`. frames:
    how many are used, evenly from first to last. template: the text around the caption, `{}` in its place.

    Raises:
        SpecError, UnknownNameError: there is no such model, or it has no text tower; a template without {}.
        MissingDependencyError: the weights are not on this machine; names the command that fetches them.
    """

    name = "clip"
    subject = "model"
    concurrency = 1

    def __init__(self, *, model: str, frames: int = 8, template: str = "a video of {}") -> None:
        import torch

        from vtok_eval.answerers.zero_shot import build_zero_shot

        if "{}" not in template:
            raise SpecError(f"judge clip: the template {template!r} has no {{}} for the caption")
        self._template = template
        self._model = build_zero_shot(f"({model}),frames={frames}", device=torch.device("cpu"))
        self._lock = threading.Lock()

    def judge(self, clip: Clip, questions: Sequence[str]) -> Sequence[Verdict]:
        """One verdict per question; "unsure" if two captions fit equally well or there is only one."""
        started = time.perf_counter()
        captions = [self._template.replace("{}", caption_of(question)) for question in questions]
        with self._lock:
            self._model.model.to(clip.frames.device)
            logits = self._model.answer(clip, "", captions)
        cost = {"seconds": (time.perf_counter() - started) / max(1, len(questions))}
        return [
            _verdict(index, rival, captions, logits, cost)
            for index, rival in enumerate(hard_negatives(questions))
        ]

    def describe(self) -> Description:
        """Model, weights and their hash, how captions are made; a caveat where the weights are random."""
        facts = {
            "captions": "the question without its opening verb, against the most similar question's",
            "template": self._template,
            "version": 1,
        }
        return self._model.describe().with_facts(facts)


def _verdict(
    index: int, rival: int | None, captions: Sequence[str], logits: Sequence[float], cost: Mapping[str, float]
) -> Verdict:
    raw: dict[str, object] = {"caption": captions[index], "logit": logits[index]}
    if rival is None:
        return Verdict("unsure", cost=cost, raw={**raw, "unsure": _ALONE})
    raw |= {"hard_negative": captions[rival], "hard_negative_logit": logits[rival]}
    margin = logits[index] - logits[rival]
    probability = 1 / (1 + math.exp(-max(-700.0, min(700.0, margin))))
    if margin == 0:
        return Verdict("unsure", probability=0.5, cost=cost, raw=raw)
    return Verdict("yes" if margin > 0 else "no", probability=probability, cost=cost, raw=raw)
