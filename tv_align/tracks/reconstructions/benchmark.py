"""TV-Align's track `show` for tokenizers: how much of the alignment of known clips survives their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from tv_align.scenes.prompts import reference_samples, scenes_suite
from tv_align.tracks.judging import JudgedPrompts
from tv_align.tracks.reconstructions.evaluator import ShowEvaluator
from vtok_eval.benchmark import Context, Evaluator, Outcome, Sample
from vtok_eval.errors import SuiteError
from vtok_eval.results.description import Description
from vtok_eval.results.records import Metric, Record, Score
from vtok_eval.systems import System, SystemKind
from vtok_eval.tokenizers.identity import tokens_key
from vtok_eval.tokenizers.stored_clips import stored_clips


class TVAlignShow:
    """The reference clips of `tv-align-scenes` are encoded, decoded and judged like any other videos.

    A tokenizer's own `decode` shows its tokens, else the small decoders that were trained for them; a
    tokenizer that has neither is not run. Decoders of several training seeds are replicates: every clip is
    decoded and judged once for each seed, and intervals are over clips and seeds. Tokenizers with the same
    tokens share decoders, decoded clips and verdicts. The system `originals` is judged on the clips
    themselves: the ceiling. What a tokenizer loses against it, tokens and decoder lose together.

    judge: its spec, `NAME` or `NAME:option=value,...`; None takes the oracle. calibration: a file that
    `calibrate` wrote for this judge, or "none".
    decoders: folder of decoders that `vtok-eval train decoder` made, in place of the shipped ones.
    seeds: of how many training seeds decoders are used; None takes all that there are.
    per_level: prompts for each category and level.
    clip_size: side of the clips that are encoded, in pixels; n_frames: frames in each.

    Raises:
        SuiteError: a number that is not positive, or clips that cannot be rendered.
        SpecError, UnknownNameError, MissingDependencyError: as for `JudgedPrompts.of`.
    """

    name = "tv-align-show"
    version = "2"
    accepts = frozenset({SystemKind.TOKENIZER, SystemKind.ORIGINALS})

    def __init__(
        self,
        *,
        judge: str | None = None,
        calibration: str | None = None,
        decoders: str | None = None,
        seeds: int | None = None,
        per_level: int = 25,
        clip_size: int = 64,
        n_frames: int = 16,
    ) -> None:
        numbers = {"per_level": per_level, "clip_size": clip_size, "n_frames": n_frames, "seeds": seeds}
        for name, value in numbers.items():
            if value is not None and value < 1:
                raise SuiteError(f"{self.name}: {name} must be at least 1, not {value}")
        self._decoders = None if decoders is None else Path(decoders)
        if self._decoders is not None and not self._decoders.is_dir():
            raise SuiteError(f"{self.name}: there is no folder of decoders {decoders}")
        self._per_level, self._clip_size, self._n_frames, self._seeds = per_level, clip_size, n_frames, seeds
        self._outcomes: dict[str, dict[str, Outcome]] = {}
        self._judged = JudgedPrompts.of(
            scenes_suite(per_level=per_level), judge=judge, calibration=calibration
        )

    def metrics(self) -> Sequence[Metric]:
        """Question and prompt accuracy, in all and by category."""
        return self._judged.metrics()

    def samples(self, system: System) -> Sequence[Sample]:
        """One per prompt, the same for every system."""
        return self._samples

    @cached_property
    def _samples(self) -> Sequence[Sample]:
        asked = {prompt.id for prompt in self._judged.prompts}
        every = reference_samples(per_level=self._per_level, size=self._clip_size, n_frames=self._n_frames)
        return [sample for sample in every if sample.id in asked]

    def prepare(self, system: System, context: Context) -> Evaluator:
        """Find what decodes the system's tokens, and keep a sheet of some clips and their reconstructions.

        Raises:
            MissingDependencyError: the tokenizer does not decode and has no trained decoders.
        """
        judges = self._judged.evaluator()
        if system.kind is SystemKind.ORIGINALS:
            return judges
        from tv_align.tracks.reconstructions.decoding import decoding_of
        from tv_align.tracks.reconstructions.sheet import keep_sheet

        decoding = decoding_of(system, device=context.device, folder=self._decoders, seeds=self._seeds)
        keep_sheet(system, decoding, self._samples, context)
        key = tokens_key(system, n_frames=self._n_frames)
        known = self._outcomes.setdefault(key, {})
        return ShowEvaluator(
            decoding, judges, system.subject, known=known, unread=stored_clips(system.subject)
        )

    def derived_scores(self, records: Sequence[Record], *, label: str) -> Sequence[Score]:
        """As `JudgedPrompts.derived_scores`."""
        return self._judged.derived_scores(records, label=label)

    def describe(self) -> Description:
        """Options, prompts, judge and calibration, the decoders and their hashes, the protocol, notes."""
        from vtok_eval.decoders.catalogue import SHIPPED
        from vtok_eval.decoders.files import decoder_files
        from vtok_eval.decoders.objects import DETECTION_THRESHOLD

        decoders = decoder_files(self._decoders or SHIPPED)
        return Description(
            caveats=self._judged.caveats(),
            options={
                "seeds": self._seeds,
                "per_level": self._per_level,
                "clip_size": self._clip_size,
                "n_frames": self._n_frames,
            },
            facts={
                **self._judged.facts(),
                "decoders": {
                    one.path.name: {"spec": one.spec, "seed": one.seed, "sha256": one.sha256()}
                    for one in decoders
                },
                "detection_threshold": DETECTION_THRESHOLD,
                "protocol": "TV-Align as re-created here, track show: clips are encoded and decoded, then "
                "judged by yes-or-no questions, half of them counterfactual",
                "source": "after arXiv 2602.04202, whose prompts and judge are not released",
            },
            notes=(*self._judged.notes(), _CEILING, _DRAWN, _LEGIBLE),
        )


_CEILING = (
    "the row of the originals is the ceiling: the same judge on the clips that were encoded; what a "
    "tokenizer loses against it, its tokens and the decoder lose together"
)
_DRAWN = (
    "a tokenizer without a decode of its own is shown by small decoders trained on rendered scenes, one for "
    "each kind of tokens and each training seed, all trained in the same way: a decoder draws the objects it "
    "finds in the tokens over a coarse backdrop, and adds the crisp edges itself; tokenizers with the same "
    "tokens share decoders"
)
_LEGIBLE = (
    "a system that answers fewer than 80 % of the questions on counting, colour and spatial relation "
    "together does not even show what does not move; its other scores say little"
)
