"""Measures how often corrected comparisons err, and what they find, on made-up systems: docs/statistics.md.

    python -m tools.statistics_simulation FILE [--sets 1000] [--only NAME ...]

FILE gets a line of JSON for each setting, and a file that has some is completed; `tools.readme_table` writes
the table from the one in docs/results/. All settings take 10 to 20 minutes of one core.

Each set of made-up data has systems that share their clips (a clip is hard or easy for all of them), clips of
one to four samples, right-or-wrong values, and, where something is trained, seeds that move a whole system.
The family-wise error is the share of sets in which any of the comparisons without a true difference is called
significant; power is the share of the true differences that are. Both corrections see the same data; the
p-values that Holm's method corrects are those of the same tests.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vtok_eval.results.columns.job_columns import JobColumns, SampleSet
from vtok_eval.results.records import Metric
from vtok_eval.results.statistics.difference_tests import quantity_p_values
from vtok_eval.results.statistics.pairs import compare_pairs
from vtok_eval.results.statistics.quantities import difference_quantity, spreads_of

ALPHA = 0.05
SEED = 20261126


@dataclass(frozen=True)
class Scenario:
    """The simulated setting; see the module's docstring.

    systems: besides the baseline. metrics: in the family. seeds: of training; 0 where nothing is trained.
    seed_sd: standard deviation between the seeds of a system, on the latent scale where noise has 1.
    uneven: the seeds of every fourth system spread three times as much. likeness: share of the clips' latent
    variance that all systems have in common. better: share of the systems that differ from the baseline, by
    `shift`. lead: of all systems on the latent scale; 1.6 makes nine answers in ten right, and differences
    skewed. pairs: every two systems are compared, not each with the baseline.
    """

    name: str
    clips: int
    systems: int = 12
    metrics: int = 3
    seeds: int = 0
    seed_sd: float = 0.0
    uneven: bool = False
    likeness: float = 0.7
    better: float = 0.0
    shift: float = 0.0
    lead: float = 0.0
    pairs: bool = False

    @property
    def compared(self) -> int:
        """How many comparisons the family has."""
        size = self.systems + 1
        return size * (size - 1) // 2 if self.pairs else self.systems * self.metrics


SCENARIOS = (
    Scenario("untrained, 48 clips", 48),
    Scenario("untrained, 48 clips, nine answers in ten right", 48, lead=1.6),
    Scenario("untrained, 400 clips", 400),
    Scenario("untrained, 400 clips, systems unlike", 400, likeness=0.2),
    Scenario("untrained, 400 clips, a third better", 400, better=1 / 3, shift=0.25),
    Scenario("2 seeds without effect, 100 clips", 100, seeds=2),
    Scenario("2 seeds, 100 clips", 100, seeds=2, seed_sd=0.04),
    Scenario("2 seeds, 400 clips", 400, seeds=2, seed_sd=0.04),
    Scenario("2 seeds, 400 clips, large spread", 400, seeds=2, seed_sd=0.12),
    Scenario("2 seeds, 400 clips, uneven spread", 400, seeds=2, seed_sd=0.04, uneven=True),
    Scenario("2 seeds, 400 clips, 3 systems", 400, seeds=2, seed_sd=0.04, systems=2),
    Scenario("2 seeds, 400 clips, a third better", 400, seeds=2, seed_sd=0.04, better=1 / 3, shift=0.3),
    Scenario("3 seeds, 400 clips", 400, seeds=3, seed_sd=0.04),
    Scenario("3 seeds, 400 clips, uneven spread", 400, seeds=3, seed_sd=0.04, uneven=True),
    Scenario("3 seeds, 400 clips, a third better", 400, seeds=3, seed_sd=0.04, better=1 / 3, shift=0.3),
    Scenario("board of 33, 48 clips", 48, systems=32, metrics=1, pairs=True),
    Scenario(
        "board of 33, 48 clips, a third better", 48, systems=32, metrics=1, pairs=True, better=1 / 3, shift=1
    ),
)


@dataclass(frozen=True)
class Found:
    """One set's result, by max-T and by Holm.

    wrong: whether a comparison without a true difference was significant. right: the share of the true
    differences that were; None where there is none.
    """

    wrong: tuple[bool, bool]
    right: tuple[float, float] | None


def made_up(scenario: Scenario, rng: np.random.Generator) -> tuple[list[JobColumns], NDArray[np.bool_]]:
    """The jobs, the baseline first, and which of them differ from it."""
    sizes = rng.integers(1, 5, size=scenario.clips)
    clusters = np.repeat(np.arange(scenario.clips), sizes)
    samples = SampleSet(
        tuple(f"{i:06d}" for i in range(len(clusters))),
        tuple(f"clip{i:05d}" for i in range(scenario.clips)),
        clusters.astype(np.intp),
    )
    n_jobs, replicates = scenario.systems + 1, max(scenario.seeds, 1)
    differs = np.arange(n_jobs) > (1 - scenario.better) * scenario.systems
    common = {
        metric: np.sqrt(scenario.likeness) * (rng.normal(size=scenario.clips)[clusters])
        for metric in range(scenario.metrics)
    }
    jobs = []
    for place in range(n_jobs):
        spread = scenario.seed_sd * (3 if scenario.uneven and place % 4 == 1 else 1)
        values = {}
        for metric in range(scenario.metrics):
            own = np.sqrt(1 - scenario.likeness) * rng.normal(size=scenario.clips)[clusters]
            latent = common[metric] + own + scenario.shift * differs[place] + scenario.lead
            noise = rng.normal(size=(len(clusters), replicates)) + rng.normal(size=(len(clusters), 1))
            seeds = spread * rng.normal(size=(1, replicates)) if scenario.seeds else 0.0
            values[f"m{metric}"] = (latent[:, None] + noise / 2 + seeds > 0).astype(np.float64)
        failed = np.zeros(len(clusters), dtype=np.bool_)
        jobs.append(JobColumns(f"s{place:02d}", "made-up", samples, failed, values, {}, scenario.seeds))
    return jobs, differs


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Scandinavian Journal of Statistics 6, 1979), in the order given."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def one_set(scenario: Scenario, number: int) -> Found:
    """What both corrections call significant in one made-up set."""
    # The draws of the tests differ from set to set, as a fixed draw would be a part of every error.
    jobs, differs = made_up(scenario, np.random.default_rng([SEED, scenario.clips, scenario.seeds, number]))
    metrics = [Metric(f"m{i}", f"m{i}", headline=True) for i in range(scenario.metrics)]
    if scenario.pairs:
        alone, corrected, true = _pairs(jobs, metrics, differs)
    else:
        spreads = {metric.name: spreads_of(jobs, metric, metrics) for metric in metrics}
        quantities = [
            difference_quantity(job, jobs[0], metric, metrics, spreads[metric.name])
            for job in jobs[1:]
            for metric in metrics
        ]
        found = quantity_p_values(quantities, seed=number)
        alone = np.array([test.p for test in found])
        corrected = np.array([test.corrected for test in found])
        true = np.repeat(differs[1:], scenario.metrics)
    each = [corrected < ALPHA, np.array(holm(alone.tolist())) < ALPHA]
    wrong = (bool(each[0][~true].any()), bool(each[1][~true].any()))
    right = (float(each[0][true].mean()), float(each[1][true].mean())) if true.any() else None
    return Found(wrong, right)


def _pairs(
    jobs: Sequence[JobColumns], metrics: Sequence[Metric], differs: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Every two systems. For Holm the p of paired t-tests: no p of 9,999 flips survives 528 tests."""
    from scipy.stats import ttest_1samp

    found = compare_pairs({job.system: job for job in jobs}, metrics=metrics)
    size = jobs[0].samples.n_clusters
    sums = [
        np.bincount(job.samples.clusters, weights=job.values["m0"].mean(axis=1), minlength=size)
        for job in jobs
    ]
    pairs = list(combinations(range(len(jobs)), 2))
    alone = [ttest_1samp(sums[a] - sums[b], 0.0).pvalue for a, b in pairs]
    true = np.array([differs[a] != differs[b] for a, b in pairs])
    return np.nan_to_num(np.array(alone), nan=1.0), np.array([pair.p_corrected for pair in found]), true


@dataclass(frozen=True)
class Row:
    """One setting's result. error, power: in percent, by max-T and by Holm; no power without a difference."""

    setting: str
    comparisons: int
    sets: int
    error: tuple[float, float]
    power: tuple[float, float] | None


def simulated(scenario: Scenario, *, sets: int) -> Row:
    """Both corrections' error and power over simulated sets."""
    found = [one_set(scenario, number) for number in range(sets)]
    errors = [round(100 * float(np.mean([each.wrong[i] for each in found])), 2) for i in range(2)]
    right = [each.right for each in found if each.right is not None]
    power = [round(100 * float(np.mean([each[i] for each in right])), 2) for i in range(2)] if right else None
    return Row(
        scenario.name,
        scenario.compared,
        sets,
        (errors[0], errors[1]),
        None if power is None else (power[0], power[1]),
    )


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, in its order."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = []
    for line in filter(None, lines):
        row = json.loads(line)
        power = row["power"] and tuple(row["power"])
        found.append(Row(**{**row, "error": tuple(row["error"]), "power": power}))
    return found


def rows_table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, in the settings' order; ±: standard error of a simulated share.

    Example:
        >>> print(rows_table([Row("untrained, 48 clips", 36, 1000, (5.1, 3.0), None)]).splitlines()[-1])
        | untrained, 48 clips | 36 | 1,000 | 5.1 ±0.7 | 3.0 ±0.5 |  |  |
    """
    order = [scenario.name for scenario in SCENARIOS]
    lines = [
        "| setting | comparisons | sets | error, max-T (%) | error, Holm (%) | power, max-T (%) "
        "| power, Holm (%) |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in sorted(rows, key=lambda row: order.index(row.setting)):
        errors = [f"{share:.1f} ±{_standard_error(share, row.sets):.1f}" for share in row.error]
        power = [f"{share:.1f}" for share in row.power] if row.power else ["", ""]
        lines.append(
            f"| {' | '.join([row.setting, str(row.comparisons), f'{row.sets:,}', *errors, *power])} |"
        )
    return "\n".join(lines) + "\n"


def _standard_error(share: float, n: int) -> float:
    """Of a share of n sets, both in percent; of none, as if half a set had been one."""
    p = max(share / 100, 0.5 / n)
    return 100 * float(np.sqrt(p * (1 - p) / n))


def main() -> None:
    """Simulate the settings that the file lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path, help="where the lines go, one for each setting")
    parser.add_argument("--sets", type=int, default=1_000, help="made-up sets per setting; boards: a quarter")
    parser.add_argument("--only", nargs="*", default=(), help="settings whose name contains one of these")
    options = parser.parse_args()
    done = {row.setting for row in read_rows(options.file)}
    for scenario in SCENARIOS:
        wanted = not options.only or any(part in scenario.name for part in options.only)
        if scenario.name in done or not wanted:
            continue
        started = time.process_time()
        row = simulated(scenario, sets=options.sets // 4 if scenario.pairs else options.sets)
        with options.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")
        sys.stderr.write(f"{scenario.name}: {time.process_time() - started:.0f} s of processor time\n")


if __name__ == "__main__":
    main()
