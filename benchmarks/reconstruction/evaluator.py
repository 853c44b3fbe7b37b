"""Reconstructs clips one by one, or reads videos that were reconstructed, and compares them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from benchmarks.reconstruction.comparing import compare_clip
from benchmarks.reconstruction.data.cutting import NamedPart
from benchmarks.reconstruction.data.video_part import VideoPart
from benchmarks.reconstruction.round_trip import FRAMES_PER_PIECE, Returned, RoundTrip, round_trips
from vtok_eval.benchmark import Context, Outcome, Sample
from vtok_eval.data import ClipForm, Clips
from vtok_eval.errors import GenerationError, VtokEvalError
from vtok_eval.video.made import ReconstructedVideos, how_made

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from benchmarks.reconstruction.metrics.measure import Measure

_log = logging.getLogger(__name__)

SHEET_CLIPS = 4
SHEET_SIDE = 320
"""Pixels of the longer side above which a clip is not in the sheet."""


class ReconstructionEvaluator:
    """Clips through a tokenizer and back, each by itself, so that no other clip of the batch affects it.

    parts: by sample id the part of a video that it is; those that are whole videos are read in pieces.
    """

    def __init__(
        self,
        trip: RoundTrip,
        measures: Mapping[str, Measure],
        parts: Mapping[str, NamedPart],
        device: torch.device,
    ) -> None:
        self._trip, self._measures, self._parts, self._device = trip, measures, parts, device
        self._known: dict[str, Outcome] = {}

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per sample, in order; a clip that cannot be reconstructed fails alone."""
        return [
            self._outcome(sample, None if clips is None else clips.part(row, row + 1))
            for row, sample in enumerate(samples)
        ]

    def keep_sheet(self, system: str, samples: Sequence[Sample], context: Context) -> None:
        """Compare one clip of each video, at most `SHEET_CLIPS`, and write their frames as a sheet.

        Their outcomes are kept, so that no clip is reconstructed twice. A clip that fails here fails again as
        a sample, where its reason is recorded.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        from vtok_eval.decoders.sheet import SheetClip, write_sheet

        rows: list[SheetClip] = []
        shape: tuple[int, ...] | None = None
        for sample in {sample.cluster: sample for sample in reversed(samples)}.values():
            if len(rows) == SHEET_CLIPS or sample.clip is None:
                continue
            try:
                clip = context.runner.load(sample.clip)
                if max(clip.frames.shape[2:]) > SHEET_SIDE:
                    continue
                kept: list[Returned] = []
                outcome = self._compared(Clips.stack([clip]).to(self._device), kept)
            except VtokEvalError as error:
                _log.warning("%s: %s is not in the sheet of reconstructions: %s", system, sample.id, error)
                continue
            self._known[sample.id] = outcome
            original, decoded = _joined(kept)
            shape = shape or tuple(original.shape[2:])
            if tuple(original.shape[2:]) == shape:
                rows.append(SheetClip(sample.cluster, original, decoded, clip.fps))
        if rows:
            write_sheet(
                context.artifacts / "reconstructions", rows[::-1], system=system, what="clips", errors=True
            )

    def _outcome(self, sample: Sample, alone: Clips | None) -> Outcome:
        if sample.id in self._known:
            return self._known[sample.id]
        try:
            if alone is not None:
                return self._compared(alone, [])
            return self._streamed(self._parts[sample.id].part)
        except VtokEvalError as error:
            return Outcome(error=str(error))

    def _compared(self, alone: Clips, kept: list[Returned]) -> Outcome:
        """The outcome of one clip; what came back of it is added to `kept`."""
        form = ClipForm(alone.n_frames, *alone.size, fps=float(alone.fps[0]))
        return self._compare(form, iter([alone.frames[0]]), kept)

    def _streamed(self, part: VideoPart) -> Outcome:
        form = part.form()
        pieces = part.pieces(self._trip.window(form) or FRAMES_PER_PIECE)
        return self._compare(form, pieces, None)

    def _compare(self, form: ClipForm, pieces: Iterator[Tensor], kept: list[Returned] | None) -> Outcome:
        import torch

        def returned() -> Iterator[Returned]:
            for piece in round_trips(self._trip, form, pieces):
                if kept is not None:
                    kept.append(piece)
                yield piece

        with torch.inference_mode():
            return compare_clip(returned(), form, self._measures, training_seeds=self._trip.training_seeds)


class VideosEvaluator:
    """Videos that a tokenizer reconstructed, next to their originals; both are read in pieces."""

    def __init__(
        self, videos: ReconstructedVideos, measures: Mapping[str, Measure], device: torch.device
    ) -> None:
        self._videos, self._measures, self._device = videos, measures, device

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per video; `clips` is not used, files are read here."""
        return [self._outcome(int(sample.target["place"])) for sample in samples]

    def _outcome(self, place: int) -> Outcome:
        import torch

        entry = self._videos.entries()[place]
        try:
            self._videos.ensure(entry)
            original = VideoPart(self._videos.original(entry))
            form = original.form()
            with torch.inference_mode():
                return compare_clip(
                    self._pairs(original, VideoPart(entry.path)), form, self._measures, training_seeds=0
                )
        except VtokEvalError as error:
            return Outcome(error=str(error))

    def _pairs(self, original: VideoPart, made: VideoPart) -> Iterator[Returned]:
        """Pieces of both videos; the tokens and bits of the whole video are in the first."""
        note = how_made(made.path)
        tokens, bits = int(str(note["tokens"])), float(str(note["bits"]))
        both = zip_longest(original.pieces(FRAMES_PER_PIECE), made.pieces(FRAMES_PER_PIECE))
        for first, second in both:
            if first is None or second is None or first.shape != second.shape:
                form, came = original.form(), made.form()
                raise GenerationError(
                    f"{made.path}: holds {came.n_frames} frames of {came.width} x {came.height} px, its "
                    f"original {form.n_frames} of {form.width} x {form.height}: nothing can be compared"
                )
            first, second = first.to(self._device), second.to(self._device)
            yield Returned(first, (second,), tokens, bits, None)
            tokens, bits = 0, 0.0


def _joined(kept: Sequence[Returned]) -> tuple[Tensor, Tensor]:
    """All frames of a clip and of its first reconstruction, on the CPU."""
    import torch

    originals = torch.cat([piece.original for piece in kept])
    return originals.cpu(), torch.cat([piece.decoded[0] for piece in kept]).cpu()
