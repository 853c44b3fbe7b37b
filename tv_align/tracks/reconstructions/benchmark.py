"""TV-Align's track `show` for tokenizers: how much of the alignment of known clips survives their tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tv_align.scenes.prompts import reference_samples, scenes_suite
from tv_align.tracks.evaluator import JudgeEvaluator, with_change
from tv_align.tracks.judging import JudgedPrompts
from vtok_eval.benchmark import Context, Evaluator, Outcome, Sample
from vtok_eval.data import Clip, Clips
from vtok_eval.errors import SuiteError, VtokEvalError
from vtok_eval.results.description import Description
from vtok_eval.results.records import Metric, Record, Score
from vtok_eval.results.shape_change import ShapeChange
from vtok_eval.systems import System, SystemKind
from vtok_eval.video.decoded import shape_change

if TYPE_CHECKING:
    from tv_align.tracks.reconstructions.decoding import Decoding


class TVAlignShow:
    """The reference clips of `tv-align-scenes` are encoded, decoded and judged like any other videos.

    A tokenizer's own `decode` shows its tokens, else the small decoder that was trained for it; a tokenizer
    that has neither is not run. The system `originals` is judged on the clips themselves: the ceiling. What a
    tokenizer loses against it, tokens and decoder lose together.

    judge, calibration: as for `TVAlign`. decoders: folder of decoders that `vtok-eval train decoder` made, in
    place of the shipped ones. per_level: prompts a category and level. clip_size: of the clips
    that are encoded, in pixels; n_frames: in each.

    Raises:
        SuiteError: a number that is not positive, or clips that cannot be rendered.
        SpecError, UnknownNameError, MissingDependencyError: as for `JudgedPrompts.of`.
    """

    name = "tv-align-show"
    version = "1"
    accepts = frozenset({SystemKind.TOKENIZER, SystemKind.ORIGINALS})

    def __init__(
        self,
        *,
        judge: str | None = None,
        calibration: str | None = None,
        decoders: str | None = None,
        per_level: int = 25,
        clip_size: int = 64,
        n_frames: int = 16,
    ) -> None:
        for name, value in (("per_level", per_level), ("clip_size", clip_size), ("n_frames", n_frames)):
            if value < 1:
                raise SuiteError(f"{self.name}: {name} must be at least 1, not {value}")
        self._decoders = None if decoders is None else Path(decoders)
        if self._decoders is not None and not self._decoders.is_dir():
            raise SuiteError(f"{self.name}: there is no folder of decoders {decoders}")
        self._per_level, self._clip_size, self._n_frames = per_level, clip_size, n_frames
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
        """Find what decodes the system's tokens, and keep a sheet of some clips beside their reconstructions.

        Raises:
            MissingDependencyError: the tokenizer does not decode and no decoder was trained for it.
        """
        judges = self._judged.evaluator()
        if system.kind is SystemKind.ORIGINALS:
            return judges
        from tv_align.tracks.reconstructions.decoding import decoding_of
        from tv_align.tracks.reconstructions.sheet import keep_sheet

        decoding = decoding_of(system, device=context.device, folder=self._decoders)
        keep_sheet(system, decoding, self._samples, context)
        return ShowEvaluator(decoding, judges)

    def derived_scores(self, records: Sequence[Record], *, label: str) -> Sequence[Score]:
        """As `JudgedPrompts.derived_scores`."""
        return self._judged.derived_scores(records, label=label)

    def describe(self) -> Description:
        """Options, prompts, judge and calibration, the decoders and their hashes, the protocol, notes."""
        from vtok_eval.decoders.catalogue import SHIPPED
        from vtok_eval.decoders.files import decoder_files

        decoders = decoder_files(self._decoders or SHIPPED)
        return Description(
            caveats=self._judged.caveats(),
            options={
                "per_level": self._per_level,
                "clip_size": self._clip_size,
                "n_frames": self._n_frames,
            },
            facts={
                **self._judged.facts(),
                "decoders": {one.system: {"spec": one.spec, "sha256": one.sha256()} for one in decoders},
                "protocol": "TV-Align as re-created here, track show: clips are encoded and decoded, then "
                "judged by yes-or-no questions, half of them counterfactual",
                "source": "after arXiv 2602.04202, whose prompts and judge are not released",
            },
            notes=(*self._judged.notes(), _CEILING, _DRAWN, _LEGIBLE),
        )


class ShowEvaluator:
    """Has each clip encoded and decoded by itself, so that its company changes nothing, then judged."""

    def __init__(self, decoding: Decoding, judges: JudgeEvaluator) -> None:
        self._decoding = decoding
        self._judges = judges

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per sample, in order; a clip that cannot be reconstructed fails by itself."""
        if clips is None:
            raise ValueError("there are no clips to be encoded")
        outcomes: list[Outcome | None] = []
        shown: list[Clip] = []
        costs: list[Mapping[str, float]] = []
        changes: list[ShapeChange] = []
        for row in range(len(clips)):
            alone = Clips(frames=clips.frames[row : row + 1], fps=clips.fps[row : row + 1])
            try:
                frames, n_tokens = self._decoding.reconstruct(alone)
            except VtokEvalError as error:
                outcomes.append(Outcome(error=str(error)))
                continue
            outcomes.append(None)
            shown.append(Clip(frames[0], float(alone.fps[0])))
            costs.append({"tokens": float(n_tokens[0])})
            changes.append(shape_change(alone, Clips(frames, alone.fps)))
        decoded = [sample for sample, outcome in zip(samples, outcomes, strict=True) if outcome is None]
        judged = map(with_change, self._judges.judge(decoded, shown, costs), changes)
        return [next(judged) if outcome is None else outcome for outcome in outcomes]


_CEILING = (
    "the row of the originals is the ceiling: the same judge on the clips that were encoded; what a "
    "tokenizer loses against it, its tokens and the decoder lose together"
)
_DRAWN = (
    "a tokenizer without a decode of its own is shown by a small decoder trained on rendered scenes, one for "
    "each tokenizer and all trained alike: it draws the objects that it finds in the tokens over a coarse "
    "backdrop, and adds the crisp edges itself"
)
_LEGIBLE = (
    "a system whose questions of counting, colour and spatial relation together are not 80 % right does not "
    "show what stands still; its other scores say little"
)
