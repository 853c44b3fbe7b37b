"""One clip next to its reconstruction: every metric in one pass over the frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.reconstruction.frechet.scores import FEATURES, pack
from benchmarks.reconstruction.metrics.chunks import ChunkedPair, frames_per_chunk
from vtok_eval.benchmark import Outcome
from vtok_eval.data import ClipForm
from vtok_eval.token_costs import CODES, joined_counts

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.reconstruction.metrics.measure import Measure, Measurement, MeasurePass
    from benchmarks.reconstruction.round_trip import Returned
    from vtok_eval.token_costs import CodeCounts

NOT_MEASURED = "not_measured"
"""Key in a record's outputs: metric -> why the clip has no value of it."""


@dataclass
class _Spent:
    tokens: int | None = 0
    bits: float = 0.0
    seconds: float | None = 0.0
    n_pixels: int = 0
    n_frames: int = 0
    codes: list[CodeCounts] = field(default_factory=list)

    def add(self, returned: Returned) -> None:
        counted = self.tokens is not None and returned.tokens is not None
        self.tokens = (self.tokens or 0) + (returned.tokens or 0) if counted else None
        self.bits += returned.bits
        self.n_pixels += returned.original[:, 0].numel()
        self.n_frames += len(returned.original)
        if returned.codes is not None:
            self.codes.append(returned.codes)
        timed = self.seconds is not None and returned.seconds is not None
        self.seconds = (self.seconds or 0.0) + (returned.seconds or 0.0) if timed else None

    def cost(self) -> dict[str, float]:
        """What the record keeps: tokens, bits, bits per frame and pixel of the clip, seconds where known."""
        cost = {
            "bits": self.bits,
            "bits_per_frame": self.bits / self.n_frames,
            "bits_per_pixel": self.bits / self.n_pixels,
        }
        if self.tokens is not None:
            cost["tokens"] = float(self.tokens)
        return cost if self.seconds is None else {**cost, "seconds": self.seconds}


@dataclass
class _Replicate:
    """The metrics' passes over one reconstruction of the clip."""

    passes: Mapping[str, MeasurePass]
    chunks: ChunkedPair
    found: dict[str, Measurement] = field(default_factory=dict)

    def add(self, original: Tensor, decoded: Tensor) -> None:
        for chunk in self.chunks.add(original, decoded):
            self._measure(*chunk)

    def finish(self) -> None:
        for chunk in self.chunks.rest():
            self._measure(*chunk)
        self.found = {name: one.finish() for name, one in self.passes.items()}

    def _measure(self, original: Tensor, decoded: Tensor) -> None:
        for one in self.passes.values():
            one.add(original, decoded)


def compare_clip(
    returned: Iterable[Returned],
    form: ClipForm,
    measures: Mapping[str, Measure],
    *,
    training_seeds: int,
) -> Outcome:
    """The outcome of one clip, whose frames and reconstructions come in pieces; each is read once.

    form: of the whole clip. measures: by name; a metric that cannot measure clips of this form is left out,
    and `outputs` say why.

    Raises:
        VtokEvalError: as what makes the pieces, or a metric failed.
    """
    spent = _Spent()
    replicates: list[_Replicate] = []
    reasons: dict[str, str] = {}
    n_frames = 0
    with ExitStack() as stack:
        for piece in returned:
            if not replicates:
                height, width = piece.original.shape[2:]
                compared = ClipForm(form.n_frames, int(height), int(width), form.fps)
                reasons = {name: why for name, one in measures.items() if (why := one.why_not(compared))}
                used = {name: one for name, one in measures.items() if name not in reasons}
                replicates = [_begun(used, compared, stack) for _ in piece.decoded]
            n_frames += len(piece.original)
            spent.add(piece)
            for replicate, decoded in zip(replicates, piece.decoded, strict=True):
                replicate.add(piece.original, decoded)
        for replicate in replicates:
            replicate.finish()
    return _outcome(replicates, spent, reasons, n_frames=n_frames, training_seeds=training_seeds)


def _begun(measures: Mapping[str, Measure], form: ClipForm, stack: ExitStack) -> _Replicate:
    passes = {}
    for name, one in measures.items():
        passes[name] = one.begin(form)
        stack.callback(passes[name].close)
    return _Replicate(passes, ChunkedPair(length=frames_per_chunk(form.height, form.width)))


def _outcome(
    replicates: list[_Replicate],
    spent: _Spent,
    reasons: Mapping[str, str],
    *,
    n_frames: int,
    training_seeds: int,
) -> Outcome:
    found = [list(replicate.found.values()) for replicate in replicates]
    values = {
        name: tuple(
            measurement.values[name] for each in found for measurement in each if name in measurement.values
        )
        for name in dict.fromkeys(name for measurement in found[0] for name in measurement.values)
    }
    infinite = tuple(name for name, all_of_it in values.items() if math.inf in all_of_it)
    outputs: dict[str, object] = {"n_frames": n_frames}
    for measurement in found[0]:
        outputs |= measurement.outputs
    if reasons:
        outputs[NOT_MEASURED] = dict(reasons)
    features = {
        network: {
            "original": pack(pair[0]),
            "decoded": [
                pack(each.features[network][1]) for one in found for each in one if network in each.features
            ],
        }
        for measurement in found[0]
        for network, pair in measurement.features.items()
    }
    if features:
        outputs[FEATURES] = features
    if spent.codes:
        outputs[CODES] = joined_counts(spent.codes)
    return Outcome(
        values={name: all_of_it for name, all_of_it in values.items() if name not in infinite},
        infinite=infinite,
        outputs=outputs,
        cost=spent.cost(),
        training_seeds=training_seeds,
    )
