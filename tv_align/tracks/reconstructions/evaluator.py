"""Encodes and decodes reference clips one by one, has them judged, and makes one outcome of all seeds."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tv_align.tracks.evaluator import JudgeEvaluator, with_change
from vtok_eval.benchmark import Outcome, Sample, Unread
from vtok_eval.data import Clip, Clips
from vtok_eval.errors import VtokEvalError
from vtok_eval.token_costs import COSTS, bits_per_token, token_costs
from vtok_eval.video.returned_clips import shape_change

if TYPE_CHECKING:
    from tv_align.tracks.reconstructions.decoding import Decoding
    from vtok_eval.systems import Tokenizer


class ShowEvaluator:
    """Encodes and decodes each clip separately, so that no other clip affects it, and has it judged.

    known: sample id -> outcome of what was evaluated before, of this tokenizer or of one with the same
    tokens; new outcomes are added. unread: clips whose pixels are not needed; see `ClipRunner.map`.
    """

    def __init__(
        self,
        decoding: Decoding,
        judges: JudgeEvaluator,
        tokenizer: Tokenizer,
        *,
        known: MutableMapping[str, Outcome] | None = None,
        unread: Unread | None = None,
    ) -> None:
        self._decoding, self._tokenizer = decoding, tokenizer
        self._bits_per_token: float | None = None
        self.unread = unread
        self._judges = judges
        self._known = {} if known is None else known

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per sample, in order; a clip that cannot be reconstructed fails alone.

        For each score one value per decoder; the first decoder's verdicts are kept in full.
        """
        if clips is None:
            raise ValueError("there are no clips to be encoded")
        for row, sample in enumerate(samples):
            if sample.id not in self._known:
                self._known[sample.id] = self._outcome(sample, clips.part(row, row + 1))
        return [self._known[sample.id] for sample in samples]

    def _outcome(self, sample: Sample, alone: Clips) -> Outcome:
        try:
            decoded, n_tokens = self._decoding.reconstruct(alone)
        except VtokEvalError as error:
            return Outcome(error=str(error))
        shown = [Clip(frames[0], float(alone.fps[0])) for frames in decoded]
        if self._bits_per_token is None:
            self._bits_per_token = bits_per_token(self._tokenizer, alone)
        count = float(n_tokens[0])
        tokens = token_costs(alone.frames.shape, tokens=count, bits=count * self._bits_per_token)
        judged = self._judges.judge([sample] * len(shown), shown, [tokens] * len(shown))
        change = shape_change(alone, Clips(decoded[0], alone.fps))
        outcome = replace(joined(judged), training_seeds=self._decoding.training_seeds)
        return with_change(outcome, change)


def joined(judged: Sequence[Outcome]) -> Outcome:
    """One outcome of a sample from those of its decoders, in order: for each score one value per decoder.

    The verdicts of the first are kept in full; of the others what was expected and what was replied, under
    `other_seeds`. Costs are summed, except those of the tokens, which are the same for all. The first failure
    fails them all.
    """
    if failed := next((outcome for outcome in judged if outcome.error is not None), None):
        return failed
    first, *others = judged
    outputs = dict(first.outputs)
    if others:
        outputs["other_seeds"] = [
            [
                {name: each[name] for name in ("question_id", "expected", "reply")}
                for each in other.outputs["verdicts"]
            ]
            for other in others
        ]
    cost = {name: sum(outcome.cost[name] for outcome in judged) for name in first.cost}
    cost |= {name: first.cost[name] for name in COSTS if name in first.cost}
    return Outcome(
        values={name: tuple(outcome.values[name][0] for outcome in judged) for name in first.values},
        outputs=outputs,
        cost=cost,
    )
