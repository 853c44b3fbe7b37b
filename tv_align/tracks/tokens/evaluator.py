"""Asks a tokenizer's readers (probes or kernel ridge) the questions of the prompts that its clips show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tv_align.judges.judge import Verdict
from tv_align.prompts.schema import Prompt
from tv_align.tracks.scores import values, verdicts_as_json
from tv_align.tracks.tokens.probe import QuestionReader
from tv_align.tracks.tokens.questions import bags_of_words, facts_in
from tv_align.tracks.tokens.ridge import QuestionRidge
from vtok_eval.benchmark import Outcome, Sample
from vtok_eval.devices.deferred import Deferred, arriving, together
from vtok_eval.devices.transfer import transfer_to
from vtok_eval.probes.clip_reading import ClipReading
from vtok_eval.probes.features import ClipFeatures, build_table
from vtok_eval.probes.preprocessing import Preprocessing
from vtok_eval.probes.training import TrainedReader
from vtok_eval.systems import Tokenizer


@dataclass(frozen=True)
class ReadEvaluator(ClipReading):
    """Asks every trained probe the questions of one clip at a time.

    prompts: by id, which a sample's `target["prompt_id"]` names.
    """

    tokenizer: Tokenizer
    readers: tuple[TrainedReader, ...]
    prompts: Mapping[str, Prompt]
    device: torch.device

    @property
    def fitted(self) -> Preprocessing:
        """Of the first reader; all were fitted to the same training clips."""
        return self.readers[0].preprocessing

    def outcome(self, sample: Sample, features: ClipFeatures) -> Outcome:
        """For each score one value per probe; the first probe's verdicts are kept."""
        return self.begin_outcome(sample, features).get()

    def begin_outcome(self, sample: Sample, features: ClipFeatures) -> Deferred[Outcome]:
        """As `outcome`, but the device is waited for only by `get`."""
        prompt = self.prompts[sample.target["prompt_id"]]
        begun = [self._begin_verdicts(trained, prompt, features, sample.id) for trained in self.readers]
        return together(begun).then(lambda verdicts: self._scored(prompt, verdicts))

    def _scored(self, prompt: Prompt, verdicts: Sequence[Sequence[Verdict]]) -> Outcome:
        scores = [values(prompt, each) for each in verdicts]
        return Outcome(
            values={name: tuple(score[name][0] for score in scores) for name in scores[0]},
            outputs={"verdicts": verdicts_as_json(prompt, verdicts[0])},
            training_seeds=len(self.readers),
        )

    def _begin_verdicts(
        self, trained: TrainedReader, prompt: Prompt, features: ClipFeatures, name: str
    ) -> Deferred[list[Verdict]]:
        """Of all the prompt's questions at once: a query does not see the others."""
        table = trained.preprocessing.apply(build_table([features], [name]))
        groups, slot = table.select(torch.zeros(1, dtype=torch.int64, device="cpu"), device=self.device)
        transfer = transfer_to(self.device)
        asked, claimed = bags_of_words([question.text for question in prompt.questions])
        reader = trained.reader
        assert isinstance(reader, QuestionReader)  # as `QuestionReading.build` makes them
        logits = reader.says_yes(groups, slot, transfer.send(asked), transfer.send(claimed))[0]
        return arriving([transfer.download(logits)]).then(lambda found: _verdicts(found[0]))


def _verdicts(logits: Tensor) -> list[Verdict]:
    return [
        Verdict("yes" if logit > 0 else "no", probability=float(logit.sigmoid())) for logit in logits.double()
    ]


@dataclass(frozen=True)
class RidgeReadEvaluator(ClipReading):
    """Asks a fitted kernel ridge the questions of one clip at a time.

    prompts: by id, which a sample's `target["prompt_id"]` names.
    """

    tokenizer: Tokenizer
    reader: QuestionRidge
    preprocessing: Preprocessing
    prompts: Mapping[str, Prompt]

    @property
    def fitted(self) -> Preprocessing:
        """The preprocessing that was fitted to the training clips."""
        return self.preprocessing

    def outcome(self, sample: Sample, features: ClipFeatures) -> Outcome:
        """One value for each score; a ridge says yes or no, without a probability."""
        prompt = self.prompts[sample.target["prompt_id"]]
        table = self.preprocessing.apply(build_table([features], [sample.id]))
        facts = facts_in([question.text for question in prompt.questions])
        verdicts = [Verdict("yes" if yes else "no") for yes in self.reader.yes(table, facts)]
        return Outcome(
            values=values(prompt, verdicts),
            outputs={"verdicts": verdicts_as_json(prompt, verdicts)},
        )
