"""Scores of Frechet distances: how features are kept in records, and what becomes of them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.reconstruction.frechet import i3d, transnet
from benchmarks.reconstruction.frechet.distance import CONFIDENCE, RESAMPLES, Features, estimate
from vtok_eval.results.records import Metric, Record, Score, Status

if TYPE_CHECKING:
    from torch import Tensor

FEATURES = "features"
"""Key in a record's outputs: network -> {"original": text, "decoded": [text of each replicate]}."""


@dataclass(frozen=True)
class FrechetKind:
    """A network whose features are compared. width: of its features.

    Example:
        >>> FrechetKind("i3d", "rFVD (I3D)", width=400).meaningful_from
        401
    """

    network: str
    title: str
    width: int

    @property
    def meaningful_from(self) -> int:
        """Clips from which both covariances can have full rank; below, the distance says little."""
        return self.width + 1

    def metrics(self, *, biased: bool) -> tuple[Metric, Metric]:
        """The distance, and its limit for infinitely many clips."""
        covariance = ", biased covariance" if biased else ""
        return (
            _metric(f"frechet_{self.network}", f"{self.title}{covariance}", headline=True),
            _metric(
                f"frechet_{self.network}_limit", f"{self.title}{covariance}, extrapolated", headline=False
            ),
        )


TRANSNET = FrechetKind(transnet.NAME, "Frechet distance on TransNetV2 features", transnet.WIDTH_OF_FEATURES)
I3D = FrechetKind(i3d.NAME, "rFVD (I3D)", i3d.WIDTH_OF_FEATURES)


def pack(features: Tensor) -> str:
    """Features float32 `(D,)` as text: base64 of little-endian bytes.

    Example:
        >>> import torch
        >>> unpack(pack(torch.tensor([0.5, -2.0]))).tolist()
        [0.5, -2.0]
    """
    return base64.b64encode(features.numpy().astype("<f4").tobytes()).decode()


def unpack(text: str) -> Features:
    """What `pack` packed, as float64.

    Example:
        >>> unpack("AAAAPwAAAMA=").tolist()
        [0.5, -2.0]
    """
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float64)


def frechet_scores(
    records: Sequence[Record], kinds: Sequence[FrechetKind], *, biased: bool, label: str
) -> list[Score]:
    """For each network the distance and its limit, of one job's records; a pure function of them.

    With several replicates (training seeds of a decoder) each has its own distance, and the score is their
    mean; the interval is then that of the first, moved to the mean.
    """
    return [score for kind in kinds for score in _scores_of(kind, records, biased=biased, label=label)]


def _scores_of(kind: FrechetKind, records: Sequence[Record], *, biased: bool, label: str) -> list[Score]:
    if not records:
        return []
    kept = [record for record in records if _packed(record, kind.network) is not None]
    n_failed = sum(record.status is Status.FAILED for record in records)
    few = len(kept) < kind.meaningful_from
    found = _over_replicates(kind, kept, biased=biased)
    metrics = kind.metrics(biased=biased)
    drawn = f"{RESAMPLES} resamples of clips, each with its reconstruction; deviations from their mean"
    line = "line in 1/n through subsets of half of the clips to all of them; no interval"
    columns = (
        (metrics[0], found.value, found.low, found.high, drawn),
        (metrics[1], found.limit, None, None, line),
    )
    return [
        Score(
            system=records[0].system,
            benchmark=records[0].benchmark,
            metric=metric,
            value=value,
            low=low,
            high=high,
            n=len(kept) + n_failed,
            n_failed=n_failed,
            n_clusters=len({record.cluster for record in kept}),
            confidence=CONFIDENCE,
            method=method,
            label=label,
            reservation=f"n = {len(kept)}, not meaningful below n = {kind.meaningful_from}" if few else "",
        )
        for metric, value, low, high, method in columns
    ]


@dataclass(frozen=True)
class _Found:
    """A distance with its interval and its limit; None where there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None


def _over_replicates(kind: FrechetKind, kept: Sequence[Record], *, biased: bool) -> _Found:
    """The mean over replicates, with the first one's interval around it."""
    packed = [each for record in kept if (each := _packed(record, kind.network)) is not None]
    originals = [unpack(each.original) for each in packed]
    clusters = [record.cluster for record in kept]
    estimates = []
    for number in range(max((len(each.decoded) for each in packed), default=0)):
        decoded = [unpack(each.decoded[number]) for each in packed]
        one = estimate(np.array(originals), np.array(decoded), clusters, biased=biased)
        if one is not None:
            estimates.append(one)
    if not estimates:
        return _Found()
    first, value = estimates[0], float(np.mean([each.value for each in estimates]))
    low = None if first.low is None else max(0.0, value + first.low - first.value)
    high = None if first.high is None else max(0.0, value + first.high - first.value)
    limits = [each.limit for each in estimates if each.limit is not None]
    return _Found(value, low, high, float(np.mean(limits)) if limits else None)


@dataclass(frozen=True)
class _Packed:
    original: str
    decoded: Sequence[str]


def _packed(record: Record, network: str) -> _Packed | None:
    """The features that a record keeps of a network; None where it has none."""
    features = record.outputs.get(FEATURES, {}) if record.status is Status.OK else {}
    found = features.get(network)
    return None if found is None else _Packed(found["original"], found["decoded"])


def _metric(name: str, title: str, *, headline: bool) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="",
        higher_is_better=False,
        group="distribution",
        headline=headline,
        failed_as=None,
        derived=True,
    )
