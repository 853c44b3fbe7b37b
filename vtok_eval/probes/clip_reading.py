"""Evaluators that read the features of one clip at a time with what was trained on a tokenizer's tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from vtok_eval.benchmark import Outcome, Sample, Unread
from vtok_eval.devices.deferred import Deferred
from vtok_eval.probes.bits import clip_bits, projected_bits_per_token
from vtok_eval.probes.features import ClipFeatures, begin_features
from vtok_eval.token_costs import token_costs
from vtok_eval.tokenizers.stored_clips import stored_clips

if TYPE_CHECKING:
    from vtok_eval.data import Clips
    from vtok_eval.probes.preprocessing import Preprocessing
    from vtok_eval.systems import Tokenizer


class ClipReading(ABC):
    """Reads each clip of a batch by itself, so that the other clips do not change its outcome.

    A subclass gives the tokenizer, the preprocessing that was fitted to its training clips, and `outcome`.
    """

    tokenizer: Tokenizer

    @property
    @abstractmethod
    def fitted(self) -> Preprocessing:
        """The preprocessing that was fitted to the training clips."""

    @abstractmethod
    def outcome(self, sample: Sample, features: ClipFeatures) -> Outcome:
        """What is read from one clip's features; what its tokens cost is added to it."""

    def begin_outcome(self, sample: Sample, features: ClipFeatures) -> Deferred[Outcome]:
        """As `outcome`; a subclass that asks a device begins here, and waits for it when it is asked to.

        A batch's clips are all begun before the first of them is waited for.
        """
        return Deferred(lambda: self.outcome(sample, features))

    @property
    def unread(self) -> Unread:
        """Of which clips the pixels are not needed: see `Runner.map`."""
        return stored_clips(self.tokenizer)

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> list[Outcome]:
        """One outcome per sample, in order.

        Raises:
            ValueError: no clips.
            TokenizerError: the tokens break the protocol, or have another width or other code books than in
                training.
        """
        return self.begin(samples, clips).get()

    def begin(self, samples: Sequence[Sample], clips: Clips | None) -> Deferred[list[Outcome]]:
        """As `evaluate`; the clips are read once their features have arrived from the device."""
        if clips is None:
            raise ValueError("reading tokens needs clips")
        # Not the frames' own: a look at these would load and copy all of them.
        shape = (len(clips), clips.n_frames, 3, *clips.size)
        return begin_features(self.tokenizer, clips).then(
            lambda features: self._read(samples, features, shape)
        )

    def _read(
        self, samples: Sequence[Sample], features: Sequence[ClipFeatures], shape: Sequence[int]
    ) -> list[Outcome]:
        self.fitted.require_same_form(features, [sample.id for sample in samples])
        begun = [self.begin_outcome(sample, clip) for sample, clip in zip(samples, features, strict=True)]
        return [
            self._with_costs(outcome.get(), clip, shape)
            for outcome, clip in zip(begun, features, strict=True)
        ]

    def _with_costs(self, outcome: Outcome, features: ClipFeatures, shape: Sequence[int]) -> Outcome:
        """The outcome with what the clip's tokens cost and, of codes, which they are."""
        bits = clip_bits(features, self._projected_bits)
        costs = token_costs(shape, tokens=features.n_tokens, bits=bits)
        return replace(
            outcome,
            cost={**costs, **outcome.cost},
            outputs={**outcome.outputs, **features.code_outputs()},
        )

    @cached_property
    def _projected_bits(self) -> float | None:
        return projected_bits_per_token(self.tokenizer, self.fitted.input_widths)
