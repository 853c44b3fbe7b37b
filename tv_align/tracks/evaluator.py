"""Asks a judge about clips, and makes outcomes of its verdicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tv_align.judges.judge import Judge, Verdict, check_verdicts
from tv_align.prompts.schema import Prompt
from tv_align.tracks.scores import values, verdicts_as_json
from vtok_eval.benchmark import Outcome, Sample
from vtok_eval.errors import MissingDependencyError, VtokEvalError
from vtok_eval.results.shape_change import OUTPUT, ShapeChange
from vtok_eval.token_costs import noted_costs
from vtok_eval.video.made import MadeVideo, how_made

if TYPE_CHECKING:
    from vtok_eval.data import Clip, Clips


class JudgeEvaluator:
    """Evaluates samples whose `target["prompt_id"]` names the prompt that their clip should show.

    unscored: categories whose verdicts are kept but give no value, since the judge is near chance in them.
    """

    def __init__(self, judge: Judge, prompts: Sequence[Prompt], *, unscored: Collection[str] = ()) -> None:
        self._judge = judge
        self._unscored = frozenset(unscored)
        self._prompts = {prompt.id: prompt for prompt in prompts}

    @property
    def concurrency(self) -> int:
        """How many separate clips the judge takes at once."""
        return self._judge.concurrency

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per sample, in order; a clip that the judge cannot judge fails alone."""
        from vtok_eval.data import Clip

        if clips is None:
            raise ValueError("TV-Align judges clips; there are none")
        single = [Clip(frames, float(fps)) for frames, fps in zip(clips.frames, clips.fps, strict=True)]
        notes = [_made(sample) for sample in samples]
        judged = self.judge(samples, single, [noted_costs(note) for note in notes])
        return [
            with_change(outcome, ShapeChange.of_json(note.get(OUTPUT)))
            for outcome, note in zip(judged, notes, strict=True)
        ]

    def judge(
        self, samples: Sequence[Sample], single: Sequence[Clip], tokens: Sequence[Mapping[str, float]]
    ) -> list[Outcome]:
        """The outcomes of clips that may differ in size. tokens: a cost to be noted with each, if any."""
        prompts = [self._prompts[sample.target["prompt_id"]] for sample in samples]
        if self._judge.concurrency <= 1 or len(samples) == 1:
            return list(map(self._outcome, prompts, single, tokens))
        with ThreadPoolExecutor(self._judge.concurrency) as pool:
            return list(pool.map(self._outcome, prompts, single, tokens))

    def _outcome(self, prompt: Prompt, clip: Clip, tokens: Mapping[str, float]) -> Outcome:
        try:
            verdicts = self._judge.judge(clip, [question.text for question in prompt.questions])
        except MissingDependencyError:
            raise
        except VtokEvalError as error:
            return Outcome(error=str(error))
        check_verdicts(verdicts, n_questions=len(prompt.questions))
        return Outcome(
            values={} if prompt.category in self._unscored else values(prompt, verdicts),
            outputs={"judge": self._judge.name, "verdicts": verdicts_as_json(prompt, verdicts)},
            cost={**_total_cost(verdicts), **tokens},
        )


def with_change(outcome: Outcome, change: ShapeChange | None) -> Outcome:
    """The outcome with what `decode` changed of its clip among its outputs; a failed one as it is."""
    if change is None or outcome.error is not None:
        return outcome
    return replace(outcome, outputs={**outcome.outputs, OUTPUT: change.to_json()})


def _made(sample: Sample) -> Mapping[str, Any]:
    """What is noted of a video that was made for the run; nothing of others."""
    return how_made(sample.clip.entry.path) if isinstance(sample.clip, MadeVideo) else {}


def _total_cost(verdicts: Sequence[Verdict]) -> Mapping[str, float]:
    names = sorted({name for verdict in verdicts for name in verdict.cost})
    return {f"judge_{name}": sum(verdict.cost.get(name, 0.0) for verdict in verdicts) for name in names}
