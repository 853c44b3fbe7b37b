"""Rates of a job's tokens from its records: bits, fixed-length and entropy-coded, and the use of code books.

They are computed for every benchmark whose records say which codes a clip has, and not by a benchmark of
their own: a rate is to be read next to the quality at that rate, so both must be of the same clips, and the
codes of noise or of other clips say nothing of these. Where the tokens of one system are codes, the
fixed-length bits of all systems are given. docs/statistics.md describes the estimators.

Sources: entropy with the correction (m - 1) / 2N, Miller, Note on the bias of information estimates, 1955;
the estimate of a code's probability, (n + 1/2) / (N + K/2), Krichevsky and Trofimov, IEEE Transactions on
Information Theory 27 (1981); intervals by leaving out groups, Kott, Journal of Official Statistics 17 (2001).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vtok_eval.results.records import Metric, Record, Score, Status
from vtok_eval.token_costs import CODES

GROUP = "bits"
ROUNDING = 1e-9
"""A share of the value below which its interval is rounding: every clip costs the same."""
MOST_GROUPS = 100
"""Groups of clips that are left out in turn, at most."""
METHOD = (
    "over all clips; interval: clips left out in turn (jackknife, {n} groups), t with {df} degrees of freedom"
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def _metric(name: str, title: str, unit: str) -> Metric:
    return Metric(
        name=name, title=title, unit=unit, higher_is_better=None, group=GROUP, failed_as=None, derived=True
    )


FIXED = (
    _metric("token_bits_per_clip", "bits per clip", "bits"),
    _metric("token_bits_per_frame", "bits per frame", "bits"),
    _metric("token_bits_per_pixel", "bits per pixel", "bits"),
)
CODED = (
    _metric("coded_bits_per_clip", "bits per clip, entropy-coded", "bits"),
    _metric("coded_bits_per_frame", "bits per frame, entropy-coded", "bits"),
    _metric("coded_bits_per_pixel", "bits per pixel, entropy-coded", "bits"),
    _metric("code_book_used", "code book used", "fraction"),
    _metric("code_perplexity", "perplexity of codes", "codes"),
    _metric("dead_codes", "dead codes", "codes"),
)
_COSTS = ("bits", "bits_per_frame", "bits_per_pixel")
"""Keys in a record's cost, in the order of `FIXED`."""


def entropy(counts: Floats | Integers) -> float:
    """Entropy in bits of the distribution behind counts, by Miller and Madow.

    The plug-in estimate plus (m - 1) / (2 N ln 2) for m codes that occur N times in all: it corrects most of
    the bias, which is towards too little entropy, while N is well above the number of likely codes.

    Example:
        >>> round(entropy(np.array([4, 4])), 4)  # 1 + 1 / (16 ln 2)
        1.0902
    """
    present = counts[counts > 0].astype(np.float64)
    total = present.sum()
    if total == 0:
        return 0.0
    shares = present / total
    return float(-(shares * np.log2(shares)).sum() + (len(present) - 1) / (2 * total * math.log(2)))


def code_lengths(counts: Floats | Integers, size: int) -> Floats:
    """Bits for each code by the estimate of Krichevsky and Trofimov from counts of other clips.

    counts: of some codes of a code book with `size` entries; all others are taken to occur never.

    Example:
        >>> code_lengths(np.array([3, 0]), 2).round(4).tolist()  # log2(4 / 3.5), log2(4 / 0.5)
        [0.1926, 3.0]
    """
    result: Floats = np.log2((counts.sum() + size / 2) / (counts + 0.5))
    return result


@dataclass(frozen=True)
class _Quantiser:
    """One quantiser's codes in all clips, as triples. rows: the clip's; places: among `n_codes` seen ones."""

    size: int
    n_codes: int
    rows: Integers
    places: Integers
    counts: Floats

    def totals(self, weights: Floats) -> Floats:
        """How often each code occurs, each clip counting `weights` `(clips,)` times."""
        return np.bincount(
            self.places, weights=self.counts * weights[self.rows], minlength=self.n_codes
        ).astype(np.float64)


@dataclass(frozen=True)
class _Clips:
    """What the records of one job say of its tokens, one entry per sample that went well.

    costs: `(clips, 3)`, bits per clip, frame and pixel. halves: 0 or 1. groups: which is left out together.
    """

    costs: Floats
    halves: Integers
    groups: Integers
    quantisers: tuple[_Quantiser, ...]

    @property
    def n_groups(self) -> int:
        return int(self.groups.max()) + 1

    def statistics(self, kept: Floats) -> Floats:
        """All rates of the clips whose weight in `kept` is 1, in the order of `FIXED` and `CODED`."""
        fixed = kept @ self.costs / kept.sum()
        if not self.quantisers:
            return np.asarray(fixed)
        # Bits per clip, frame and pixel share the clip's code: one divisor each.
        per = self.costs / self.costs[:, :1]
        coded = sum(self._coded(each, kept, per) for each in self.quantisers) / kept.sum()
        totals = [each.totals(kept) for each in self.quantisers]
        used = sum(int((found > 0).sum()) for found in totals)
        size = sum(each.size for each in self.quantisers)
        entropies = [
            min(entropy(found), math.log2(each.size))
            for found, each in zip(totals, self.quantisers, strict=True)
        ]
        mean_entropy = sum(entropies) / len(entropies)
        return np.concatenate([fixed, coded, [used / size, 2.0**mean_entropy, size - used]])

    def _coded(self, quantiser: _Quantiser, kept: Floats, per: Floats) -> Floats:
        """Bits of one quantiser's codes, each half of the clips with the code lengths of the other."""
        bits = np.zeros(per.shape[1])
        for half in (0, 1):
            theirs = code_lengths(quantiser.totals(kept * (self.halves != half)), quantiser.size)
            own = kept * (self.halves == half)
            bits += [theirs @ quantiser.totals(own * column) for column in per.T]
        return bits


def rate_scores(records: Sequence[Record], *, confidence: float = 0.95, label: str = "") -> list[Score]:
    """The rates of one job; none where its records do not say what its tokens cost in bits.

    Bits entropy-coded: each half of the clips is coded with code lengths from the other half, quantiser by
    quantiser, a code's length being minus log2 of its estimated probability (`code_lengths`). So they are
    what a coder without context would need, its tables made beforehand, and may exceed the fixed length where
    there are too few clips for the code book. Code book used: the share of the code books' entries that occur
    in these clips; dead codes: the others. Perplexity: 2 to the entropy (`entropy`), whose mean over
    quantisers is taken.

    Intervals: value plus and minus t times the standard error from leaving out groups of clusters in turn,
    kept within what the rate can be. None for fewer than two clusters.

    Example:
        >>> cost = {"bits": 512.0, "bits_per_frame": 32.0, "bits_per_pixel": 0.5}
        >>> ids = [f"clip {number}" for number in range(9)]
        >>> records = [Record("b/vtok", "vtok", "b", each, each, Status.OK, cost=cost) for each in ids]
        >>> [(score.metric.title, score.value) for score in rate_scores(records)][:2]
        [('bits per clip', 512.0), ('bits per frame', 32.0)]
    """
    ordered = sorted(records, key=lambda record: record.sample_id)
    usable = [r for r in ordered if r.status is Status.OK and all(name in r.cost for name in _COSTS)]
    if not usable or any(not record.cost["bits"] > 0 for record in usable):
        return []
    clips = _clips_of(usable)
    metrics = (*FIXED, *CODED) if clips.quantisers else FIXED
    values = clips.statistics(np.ones(len(usable)))
    errors, n_groups = _errors(clips), clips.n_groups
    n_clusters = len({record.cluster for record in usable})
    sizes = [each.size for each in clips.quantisers]
    highest = {
        "code_book_used": 1.0,
        "code_perplexity": float(max(sizes, default=1)),
        "dead_codes": float(sum(sizes)),
    }
    method = "no interval: one cluster of clips"
    if n_groups > 1:
        method = METHOD.format(n=n_groups, df=n_groups - 1)
    scores = []
    for number, (metric, value) in enumerate(zip(metrics, values, strict=True)):
        low = high = None
        if errors is not None:
            reach = _t_quantile(confidence, n_groups - 1) * errors[number]
            if reach < ROUNDING * abs(value):
                reach = 0.0
            low = max(float(value) - reach, 1.0 if metric.name == "code_perplexity" else 0.0)
            high = min(float(value) + reach, highest.get(metric.name, math.inf))
        scores.append(
            Score(
                system=usable[0].system, benchmark=usable[0].benchmark, metric=metric, value=float(value),
                low=low, high=high, n=len(records), n_failed=len(records) - len(usable),
                n_clusters=n_clusters, confidence=confidence, method=method, label=label,
            )
        )  # fmt: skip
    return scores


def has_codes(records: Sequence[Record]) -> bool:
    """Whether the records say which codes the clips have.

    Example:
        >>> has_codes([Record("b/vtok", "vtok", "b", "clip 1", "clip 1", Status.OK)])
        False
    """
    return any(CODES in record.outputs for record in records)


def all_rate_scores(jobs: Mapping[str, Sequence[Record]], *, label: str) -> dict[str, list[Score]]:
    """The rates of a benchmark's jobs, by system; none where no system's tokens are codes.

    Example:
        >>> record = Record("b/vtok", "vtok", "b", "clip 1", "clip 1", Status.OK)
        >>> all_rate_scores({"vtok": [record]}, label="")  # its tokens are not codes
        {'vtok': []}
    """
    if not any(has_codes(records) for records in jobs.values()):
        return {system: [] for system in jobs}
    return {system: rate_scores(records, label=label) for system, records in jobs.items()}


def _errors(clips: _Clips) -> Floats | None:
    """Standard errors by leaving out each group of clusters; None with one group."""
    n_groups = clips.n_groups
    if n_groups < 2:
        return None
    left_out = np.stack(
        [clips.statistics((clips.groups != group).astype(np.float64)) for group in range(n_groups)]
    )
    apart = left_out - left_out.mean(axis=0)
    result: Floats = np.sqrt((n_groups - 1) / n_groups * (apart**2).sum(axis=0))
    return result


def _t_quantile(confidence: float, df: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, (1 + confidence) / 2))


def _clips_of(records: Sequence[Record]) -> _Clips:
    places = _places([record.cluster for record in records])
    found = [record.outputs.get(CODES) for record in records]
    whole = all(each is not None for each in found)
    return _Clips(
        costs=np.array([[record.cost[name] for name in _COSTS] for record in records], dtype=np.float64),
        halves=places % 2,
        groups=places % MOST_GROUPS,
        quantisers=tuple(_quantisers([each for each in found if each is not None])) if whole else (),
    )


def _places(clusters: Sequence[str]) -> Integers:
    """Each sample's cluster as a number from 0, in an order that no order of the clips can favour."""
    ordered = sorted(set(clusters), key=lambda name: hashlib.sha256(name.encode()).digest())
    place = {name: number for number, name in enumerate(ordered)}
    return np.array([place[name] for name in clusters], dtype=np.int64)


def _quantisers(found: Sequence[Mapping[str, Sequence[Sequence[int]]]]) -> list[_Quantiser]:
    sizes = found[0]["sizes"]
    quantisers = []
    for number, size in enumerate(sizes):
        codes = [np.asarray(clip["codes"][number], dtype=np.int64) for clip in found]
        counts = [np.asarray(clip["counts"][number], dtype=np.float64) for clip in found]
        seen, places = np.unique(np.concatenate(codes), return_inverse=True)
        rows = np.repeat(np.arange(len(found)), [len(each) for each in codes])
        quantisers.append(_Quantiser(int(str(size)), len(seen), rows, places, np.concatenate(counts)))
    return quantisers
