"""Boards: which scores may be compared, and which of them are ranked.

Two scores are on one board only if everything but the system is equal: the benchmark with its version,
options, data, protocol, seed and limit, the metrics' definitions, the samples themselves, and, for what
depends on it (latency, memory), the machine. What differs in any of these gets its own board. What the runs'
suites are called does not count; a board shows the labels of all its runs.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from reports.comparable import comparable_parts
from reports.leaderboard.bars import score_range
from reports.leaderboard.ranks import RankInterval, equal_records, rank_intervals, significant
from reports.leaderboard.sources import BoardSource
from reports.run_document import RunBenchmark, RunSystem
from reports.submission.text import visible
from reports.text.caveats import with_caveats
from reports.text.wording import LEAST_CLUSTERS
from vtok_eval.results.columns.job_columns import JobColumns
from vtok_eval.results.identity import SETTINGS
from vtok_eval.results.records import Metric, Score
from vtok_eval.results.statistics.pairs import Pair, compare_pairs
from vtok_eval.results.statistics.sample_table import value_of
from vtok_eval.results.statistics.scores import discriminates

PORTABLE_UNITS = frozenset({"fraction", "tokens", "dB", "GFLOP", "", "points", "score"})
"""Units of quantities that are the same on every machine; any other makes the machine part of the board."""


@dataclass(frozen=True)
class BoardEntry:
    """A system on a board.

    key: unique on the site. name: as shown; unique on the board. scores: by metric.
    reasons: why it is not ranked; empty where it is, or is a control.
    """

    key: str
    name: str
    source: BoardSource
    system: RunSystem
    job: JobColumns | None
    scores: Mapping[str, Score]
    tokens: float | None
    reasons: tuple[str, ...] = ()

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is shown next to its name: random weights, a stand-in."""
        return self.system.caveats

    @property
    def title(self) -> str:
        """Its name with its caveats, for places with no room for more."""
        return with_caveats(self.name, self.caveats)

    @property
    def control(self) -> bool:
        """Whether it is a control, which shows what a number is made of, and not a contender."""
        return self.system.control


@dataclass(frozen=True)
class Board:
    """Scores that may be compared.

    ranks: (entry's key, metric) -> the ranks that the paired tests allow (see `RankInterval`).
    pairs: the paired tests of contenders and controls on the headline metrics.
    silent: metrics that do not distinguish the systems and therefore rank none of them.
    untestable: metrics on which no test can distinguish two contenders; they rank none either.
    unsound: of these, the ones where the contenders' readers are not sound (`Score.sound`). A system whose
    reader is not sound has no rank there, also where others do.
    """

    key: str
    benchmark: RunBenchmark
    setting: str
    label: str
    limit: int | float | None
    seed: int | None
    machine: str
    metrics: tuple[Metric, ...]
    n_samples: int | None
    entries: tuple[BoardEntry, ...]
    ranks: Mapping[tuple[str, str], RankInterval]
    pairs: tuple[Pair, ...]
    silent: frozenset[str]
    untestable: frozenset[str]
    unsound: frozenset[str] = frozenset()

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is shown next to the benchmark's name: a re-creation."""
        return self.benchmark.caveats

    @property
    def title(self) -> str:
        """The benchmark's name with its caveats."""
        return with_caveats(self.benchmark.name, self.caveats)

    @property
    def headline(self) -> tuple[Metric, ...]:
        """The metrics that rank: the headline ones, or all where there is none."""
        return headline_metrics(self.metrics)

    @property
    def of_quality(self) -> bool:
        """Whether it measures how well something is done, and not what it costs."""
        return any(metric.unit == "fraction" for metric in self.headline)

    @cached_property
    def spans(self) -> Mapping[str, tuple[float, float]]:
        """By metric, the range that pictures of its scores show."""
        return {
            metric.name: score_range(
                [e.scores[metric.name] for e in self.entries if metric.name in e.scores], metric
            )
            for metric in self.metrics
        }

    @cached_property
    def told_apart(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """(entry's key, metric) -> the keys of the systems that a test finds better or worse than it."""
        ends = {metric.name: metric.higher_is_better for metric in self.headline}
        found: dict[tuple[str, str], set[str]] = {}
        for pair in self.pairs:
            if significant(pair, higher_is_better=ends[pair.metric]) is not None:
                found.setdefault((pair.a, pair.metric), set()).add(pair.b)
                found.setdefault((pair.b, pair.metric), set()).add(pair.a)
        return {key: frozenset(others) for key, others in found.items()}

    def contenders(self) -> list[BoardEntry]:
        """The ranked systems."""
        return [entry for entry in self.entries if not entry.control and not entry.reasons]


def headline_metrics(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """The headline metrics, or all where there is none."""
    return tuple(metric for metric in metrics if metric.headline) or tuple(metrics)


def slug(text: str) -> str:
    """A file name for `text`: lower-case ASCII, and with a hash of the text where that lost anything.

    Example:
        >>> slug("Understanding: scenes")
        'understanding_scenes-dd11e512'
    """
    readable = re.sub(r"[^a-z0-9._-]+", "_", text.lower())[:60].strip("._")
    if readable == text:
        return readable
    return f"{readable or 'x'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def entry_key(source: BoardSource, system: str) -> str:
    """Names a system of a run on the whole site, as a file name."""
    return slug(f"{source.run.name}--{system}")


def make_boards(sources: Sequence[BoardSource]) -> list[Board]:
    """All boards: those of quality first, and those with many systems before those with few."""
    groups: dict[str, list[tuple[BoardSource, RunBenchmark, BoardEntry]]] = {}
    facts: dict[str, dict[str, Any]] = {}
    for source in sources:
        for benchmark in source.run.document.benchmarks:
            metrics = _metrics(source, benchmark.id)
            for system in source.run.document.systems:
                entry = _entry(source, benchmark, system, metrics)
                if entry is None:
                    continue
                identity = _identity(source, benchmark, metrics, entry.job)
                key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
                facts.setdefault(key, {**identity, "metrics": metrics})
                groups.setdefault(key, []).append((source, benchmark, entry))
    boards = [_board(key, members, facts[key]) for key, members in groups.items()]
    return sorted(boards, key=lambda board: (not board.of_quality, -len(board.entries), board.key))


def provenance_gaps(source: BoardSource, system: RunSystem) -> tuple[str, ...]:
    """What is not recorded of where a system's numbers come from; empty where they can be traced."""
    sessions = source.run.document.sessions
    gaps = []
    if not sessions:
        return ("no session is recorded: no version, machine or command",)
    if not all(session.vtok_eval for session in sessions):
        gaps.append("the version of vtok-eval is not recorded")
    if not all(session.command for session in sessions):
        gaps.append("the command is not recorded")
    if not all(any(session.packages.values()) for session in sessions):
        gaps.append("the versions of the packages are not recorded")
    if not all(session.machine for session in sessions):
        gaps.append("the machine is not recorded")
    if not system.spec:
        gaps.append("what the system is (its spec) is not recorded")
    return tuple(gaps)


def _metrics(source: BoardSource, benchmark: str) -> tuple[Metric, ...]:
    """In the order of the scores, those of a group together."""
    found = {score.metric.name: score.metric for score in source.run.scores if score.benchmark == benchmark}
    groups = list(dict.fromkeys(metric.group for metric in found.values()))
    return tuple(sorted(found.values(), key=lambda metric: groups.index(metric.group)))


def _entry(
    source: BoardSource, benchmark: RunBenchmark, system: RunSystem, metrics: Sequence[Metric]
) -> BoardEntry | None:
    scores = {
        score.metric.name: score
        for score in source.run.scores
        if (score.benchmark, score.system) == (benchmark.id, system.name)
    }
    if not scores:
        return None
    job = source.run.records.jobs.get((benchmark.id, system.name))
    counted = any(metric.unit == "tokens" for metric in metrics)
    return BoardEntry(
        key=entry_key(source, system.name),
        name=system.name,
        source=source,
        system=system,
        job=job,
        scores=scores,
        tokens=None if counted else source.run.records.tokens.get((benchmark.id, system.name)),
        reasons=tuple(_reasons(source, system, job, scores, metrics)),
    )


def _reasons(
    source: BoardSource,
    system: RunSystem,
    job: JobColumns | None,
    scores: Mapping[str, Score],
    metrics: Sequence[Metric],
) -> Iterator[str]:
    """Why a system is not ranked."""
    yield from provenance_gaps(source, system)
    yield from source.unfinished()
    if job is None:
        yield "its records are not there"
        return
    for metric in metrics:
        score = scores.get(metric.name)
        if score is not None and not metric.derived and not _follows(score, job, metrics):
            yield f"its score of {metric.name} does not follow from its records"
            return


def _follows(score: Score, job: JobColumns, metrics: Sequence[Metric]) -> bool:
    try:
        value = value_of(job, score.metric, metrics)
    except ValueError:  # uneven replicates, of which no score can be made
        return False
    if value is None or score.value is None:
        return value is score.value
    return math.isclose(value, score.value, rel_tol=1e-6, abs_tol=1e-9)


def _identity(
    source: BoardSource, benchmark: RunBenchmark, metrics: Sequence[Metric], job: JobColumns | None
) -> dict[str, Any]:
    """Everything that must be equal on a board, as JSON can hold it."""
    portable = all(metric.unit in PORTABLE_UNITS for metric in metrics)
    return {
        **comparable_parts(benchmark, source.run.document),
        "metrics": [asdict(metric) for metric in metrics],
        "samples": None if job is None else job.samples.digest,
        "machine": "" if portable else _machine(source),
    }


def _machine(source: BoardSource) -> str:
    """Processor, cores, device and GPUs, of all sessions."""
    found = []
    for session in source.run.document.sessions:
        machine, torch = session.machine or {}, session.torch or {}
        gpus = torch.get("gpus")
        parts = [str(machine.get("processor")), f"{machine.get('cores')} cores", str(session.device)]
        parts += [str(gpu) for gpu in gpus] if isinstance(gpus, list) else []
        found.append(visible(", ".join(parts))[:300])
    return "; ".join(dict.fromkeys(found))[:600]


def _board(
    key: str, members: Sequence[tuple[BoardSource, RunBenchmark, BoardEntry]], facts: Mapping[str, Any]
) -> Board:
    entries = _equal_once(_distinct_names([entry for _, _, entry in members]))
    metrics: tuple[Metric, ...] = facts["metrics"]
    silent = frozenset(metric.name for metric in metrics if not _tells_apart(entries, metric))
    pairs = _pairs(entries, metrics)
    untestable = _untestable(entries, metrics, pairs)
    job = next((entry.job for entry in entries if entry.job is not None), None)
    first = members[0][1]
    documents = [source.run.document for source, _, _ in members]
    setting = ", ".join(dict.fromkeys(document.setting for document in documents if document.setting))
    label = " | ".join(dict.fromkeys(document.label for document in documents if document.label))
    return Board(
        key=f"{slug('-'.join(part for part in (first.name, setting) if part))}-{key[:6]}",
        benchmark=first,
        setting=setting,
        label=label or "no label: in which setting this was measured is not recorded",
        limit=facts[SETTINGS]["limit"],
        seed=facts[SETTINGS]["seed"],
        machine=str(facts["machine"]),
        metrics=metrics,
        n_samples=None if job is None else len(job.samples),
        entries=tuple(entries),
        ranks=_ranks(entries, metrics, pairs, unranked=silent | untestable),
        pairs=tuple(pairs),
        silent=silent,
        untestable=untestable,
        unsound=frozenset(name for name in untestable if _in_doubt(entries, name)),
    )


def _distinct_names(entries: Iterable[BoardEntry]) -> list[BoardEntry]:
    """Systems of one name from several runs get the run's name added."""
    found = list(entries)
    names = [entry.name for entry in found]
    return [
        replace(entry, name=f"{entry.name} ({entry.source.run.name})")
        if names.count(entry.name) > 1
        else entry
        for entry in found
    ]


def _tells_apart(entries: Sequence[BoardEntry], metric: Metric) -> bool:
    scores = [
        replace(entry.scores[metric.name], system=entry.key)
        for entry in entries
        if metric.name in entry.scores
    ]
    return discriminates(scores, metric, controls=[entry.key for entry in entries if entry.control])


def _pairs(entries: Sequence[BoardEntry], metrics: Sequence[Metric]) -> list[Pair]:
    """The paired tests of all systems that could be ranked or are controls, on the headline metrics."""
    jobs = {entry.key: entry.job for entry in entries if not entry.reasons and entry.job is not None}
    return compare_pairs(jobs, metrics=headline_metrics(metrics), known=metrics)


def _untestable(
    entries: Sequence[BoardEntry], metrics: Sequence[Metric], pairs: Sequence[Pair]
) -> frozenset[str]:
    """Headline metrics of which no two contenders share enough clusters for any test."""
    contenders = {entry.key for entry in entries if not entry.control and not entry.reasons}
    testable = {
        pair.metric
        for pair in pairs
        if pair.no_test is None
        and pair.n_clusters >= LEAST_CLUSTERS
        and pair.a in contenders
        and pair.b in contenders
    }
    return frozenset(metric.name for metric in headline_metrics(metrics)) - testable


def _in_doubt(entries: Sequence[BoardEntry], metric: str) -> bool:
    """Whether too few contenders are left for a test because readers are not sound."""
    scores = [e.scores[metric] for e in entries if not e.control and not e.reasons and metric in e.scores]
    return sum(score.sound for score in scores) < 2 <= len(scores)


def _ranks(
    entries: Sequence[BoardEntry],
    metrics: Sequence[Metric],
    pairs: Sequence[Pair],
    *,
    unranked: frozenset[str],
) -> dict[tuple[str, str], RankInterval]:
    """The rank intervals of contenders on the metrics that rank.

    A system that no other can be tested against, having one training seed or a reader that is not sound, has
    no rank.
    """
    tested = {(key, pair.metric) for pair in pairs if pair.no_test is None for key in (pair.a, pair.b)}
    ranked = {
        metric.name: [
            entry.key
            for entry in entries
            if not entry.control and not entry.reasons and (entry.key, metric.name) in tested
            if metric.name in entry.scores and entry.scores[metric.name].value is not None
        ]
        for metric in headline_metrics(metrics)
        if metric.higher_is_better is not None and metric.name not in unranked
    }
    return rank_intervals(ranked, pairs, headline_metrics(metrics))


def _equal_once(entries: Sequence[BoardEntry]) -> list[BoardEntry]:
    """The entries; a contender with the spec and the records of an earlier one gets that as a reason.

    Without this, a system that was submitted twice would hold two places and worsen the ranks behind it.
    """
    found: list[BoardEntry] = []
    for entry in entries:
        first = next((other for other in found if _equal(other, entry)), None)
        reason = () if first is None else (f"equal to {first.name}: the two count once, there",)
        found.append(replace(entry, reasons=(*entry.reasons, *reason)))
    return found


def _equal(first: BoardEntry, entry: BoardEntry) -> bool:
    if first.job is None or entry.job is None or first.reasons or entry.reasons:
        return False
    if first.control or entry.control or first.system.spec != entry.system.spec:
        return False
    return equal_records(first.job, entry.job)
