"""Whether numbers of two runs may stand in one table: their benchmarks' settings agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.run_document import RunBenchmark, RunDocument
from vtok_eval.results.description import NOT_IDENTITY
from vtok_eval.results.identity import SETTINGS, identity_differences

COMPARED = (SETTINGS, "sources", "files", "clips")
"""Parts of a benchmark's identity that two runs must share; its threads and code are not among them."""

_NAMED = 3
"""Settings that a line names."""


def comparable_parts(benchmark: RunBenchmark, run: RunDocument) -> dict[str, object]:
    """What must agree for numbers of this benchmark to be compared: options, data, protocol, seed, limit.

    Which suite it is from, its label and its id do not count. Of runs of an earlier release, which kept no
    identity, the settings are made from what they recorded.
    """
    if benchmark.identity:
        return {part: benchmark.identity[part] for part in COMPARED if part in benchmark.identity}
    described = {key: value for key, value in benchmark.description.items() if key not in NOT_IDENTITY}
    options = described.pop("options", None)
    effective = {**benchmark.options, **(options if isinstance(options, Mapping) else {})}
    settings: dict[str, object] = {
        "benchmark": benchmark.name,
        "version": benchmark.version,
        **{name: value for name, value in effective.items() if name != "data"},
        **{name: value for name, value in described.items() if name not in effective},
        "seed": run.seed if benchmark.seed is None else benchmark.seed,
        "limit": limit_of(benchmark, run),
    }
    return {SETTINGS: settings}


def limit_of(benchmark: RunBenchmark, run: RunDocument) -> int | float | None:
    """The limit of the smoke test that gave a benchmark's numbers; None for all samples."""
    # Earlier releases kept one limit for the whole run.
    return benchmark.limit if benchmark.identity else run.limit


@dataclass(frozen=True)
class Compared:
    """A benchmark of a run, to be compared with that of another. called: the run, in texts."""

    benchmark: RunBenchmark
    run: RunDocument
    called: str


def setting_differences(first: Compared, other: Compared) -> str:
    """Which settings of a benchmark differ between two runs, in words; empty where none does.

    Example:
        >>> a = RunBenchmark(id="scenes", name="scenes", options={"train_clips": 2000})
        >>> b = RunBenchmark(id="scenes", name="scenes", options={"train_clips": 800})
        >>> run = RunDocument(name="mini")
        >>> setting_differences(Compared(a, run, "mini"), Compared(b, run, "mine"))
        'train_clips 2000 in mini, 800 in mine'
    """
    found = identity_differences(
        comparable_parts(first.benchmark, first.run), comparable_parts(other.benchmark, other.run)
    )
    if bool(first.benchmark.identity) != bool(other.benchmark.identity):
        # What an earlier release did not record is not known to differ; seed and limit it did record.
        recorded = {"seed", "limit"}
        found = [entry for entry in found if entry.what in recorded or None not in (entry.before, entry.now)]
    texts = [entry.text(before=f"in {first.called}", now=f"in {other.called}") for entry in found]
    more = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f" and {more} more" if more > 0 else "")
