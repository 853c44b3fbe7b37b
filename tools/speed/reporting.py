"""Time and memory of the leaderboard and of a report over many runs, on made-up runs of any size.

    python -m tools.speed.reporting --systems 100 --benchmarks 30 --samples 10000

Each system has its own run folder, with Parquet records and no journal. The site, and the report of all
runs side by side, are each made by a fresh process, so that its peak memory is its own. The answers are made
up and the scores' intervals are normal approximations: the numbers mean nothing.
"""

from __future__ import annotations

import argparse
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vtok_eval import __version__
from vtok_eval.results.records import Metric, Score
from vtok_eval.results.store import RunFolder

if TYPE_CHECKING:
    import pyarrow as pa

METRIC = Metric(name="accuracy", title="Accuracy", chance=0.25, headline=True)
LABEL = "made-up answers, to measure the speed of reports; the numbers mean nothing"
SITE = "import sys; from pathlib import Path; from reports.leaderboard.site import build_site; "
SITE += "build_site(sorted(Path(sys.argv[1]).iterdir()), Path(sys.argv[2]))"
REPORT = "import sys; from pathlib import Path; from reports.write import write_report; "
REPORT += "write_report(sorted(Path(sys.argv[1]).iterdir()), Path(sys.argv[2]), baseline='system-000')"
PROGRAMS = {
    "site": (SITE, ("index.html", "site.css", "site.js", "theme.js")),
    "report": (REPORT, ("report.html",)),
}
"""What is measured: its program, and the files of its first page."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How much is made up: records are the product."""

    systems: int
    benchmarks: int
    samples: int

    @property
    def records(self) -> int:
        """Records in all runs together."""
        return self.systems * self.benchmarks * self.samples


@dataclass(frozen=True)
class Cost:
    """What making it took: wall-clock and processor seconds, peak memory, size of all files.

    index_bytes: the first page with its style, scripts and data.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    all_bytes: int
    index_bytes: int


def make_runs(folder: Path, size: Size, *, seed: int = 0) -> None:
    """Write one run folder per system; accuracies are between 0.4 and 0.8, clips differ in difficulty."""
    difficulty = np.random.default_rng([seed, 0]).random((size.benchmarks, size.samples))
    for number in range(size.systems):
        rng = np.random.default_rng([seed, 1, number])
        level = 0.4 + 0.4 * number / max(1, size.systems - 1)
        right = (0.5 * difficulty + 0.5 * rng.random(difficulty.shape) < level).astype(np.float64)
        _write_run(folder / f"run-{number:03d}", f"system-{number:03d}", right, tokens=8 * (number + 1))


def measure(what: str, runs: Path, out: Path) -> Cost:
    """Make the site, or the report, of all runs in a fresh process.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    program, first = PROGRAMS[what]
    peak = Path(f"{out}.peak")
    told = f"{program}; import resource; open(sys.argv[3], 'w').write(str(resource.getrusage(0).ru_maxrss))"
    subprocess.run([sys.executable, "-c", told, str(runs), str(out), str(peak)], check=True)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(
        seconds=seconds,
        cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak_bytes=int(peak.read_text()) * 1024,  # Linux counts in KiB
        all_bytes=sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
        index_bytes=sum((out / name).stat().st_size for name in first),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Make runs up, then their site and their report, and say what each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--systems", type=int, default=100)
    parser.add_argument("--benchmarks", type=int, default=30)
    parser.add_argument("--samples", type=int, nargs="+", default=[2_500, 5_000, 10_000])
    parser.add_argument("--what", nargs="+", choices=list(PROGRAMS), default=list(PROGRAMS))
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    log.info(
        "| what | systems | benchmarks | samples | records | seconds | CPU s | peak MiB | all MB "
        "| first page kB |"
    )
    log.info("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
    for samples in sorted(chosen.samples):
        size = Size(chosen.systems, chosen.benchmarks, samples)
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "runs").mkdir()
            make_runs(Path(name) / "runs", size)
            for what in chosen.what:
                _tell(what, size, measure(what, Path(name) / "runs", Path(name) / what))


def _tell(what: str, size: Size, cost: Cost) -> None:
    log.info(
        "| %s | %d | %d | %s | %s | %.1f | %.1f | %.0f | %.1f | %.0f |",
        what,
        size.systems,
        size.benchmarks,
        f"{size.samples:,}",
        f"{size.records:,}",
        cost.seconds,
        cost.cpu_seconds,
        cost.peak_bytes / 2**20,
        cost.all_bytes / 1e6,
        cost.index_bytes / 1e3,
    )


def _write_run(path: Path, system: str, right: NDArray[np.float64], *, tokens: int) -> None:
    """right: `(benchmarks, samples)`, 0 or 1."""
    import pyarrow.parquet as pq

    names = [f"benchmark-{i:02d}" for i in range(len(right))]
    folder = RunFolder.create(path, _run_json(system, names, tokens))
    n_samples = right.shape[1]
    folder.write_scores([_score(system, name, row) for name, row in zip(names, right, strict=True)])
    folder.write_comparisons([])
    columns = _identity(system, names, n_samples)
    n_rows = len(names) * n_samples
    long = {
        **columns,
        "metric": _repeated([METRIC.name], n_rows),
        "replicate": np.zeros(n_rows, dtype=np.int64),
        "value": right.ravel(),
    }
    wide = {
        **columns,
        "cost": _repeated([f'{{"tokens": {tokens}.0}}'], n_rows),
        "meta": _repeated(["{}"], n_rows),
    }
    for name, content in (("records", long), ("samples", wide)):
        pq.write_table(_table(content), path / f"{name}.parquet")


def _identity(system: str, names: Sequence[str], n_samples: int) -> dict[str, pa.Array[Any]]:
    import pyarrow as pa

    n_rows = len(names) * n_samples
    place = np.repeat(np.arange(len(names), dtype=np.int32), n_samples)
    sample = np.tile(np.arange(n_samples, dtype=np.int32), len(names))
    ids = [f"clip-{i:06d}" for i in range(n_samples)]

    def dictionary(places: NDArray[np.int32], texts: list[str]) -> pa.Array[Any]:
        return pa.DictionaryArray.from_arrays(places, pa.array(texts))

    return {
        "job": dictionary(place, [f"{name}/{system}" for name in names]),
        "system": _repeated([system], n_rows),
        "benchmark": dictionary(place, list(names)),
        "sample_id": dictionary(sample, ids),
        "cluster": dictionary(sample, ids),
        "status": _repeated(["ok"], n_rows),
        "reason": pa.nulls(n_rows, pa.string()),
    }


def _repeated(values: Sequence[str], n_rows: int) -> pa.Array[Any]:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(np.zeros(n_rows, dtype=np.int32), pa.array(list(values)))


def _table(columns: Mapping[str, object]) -> pa.Table:
    """Plain text columns, as pandas writes them."""
    import pyarrow as pa

    plain: dict[str, Any] = {
        name: column.cast(pa.string()) if isinstance(column, pa.DictionaryArray) else column
        for name, column in columns.items()
    }
    return pa.table(plain)


def _score(system: str, benchmark: str, row: NDArray[np.float64]) -> Score:
    value = float(row.mean())
    half = 1.96 * float(np.sqrt(value * (1 - value) / len(row)))
    return Score(
        system=system,
        benchmark=benchmark,
        metric=METRIC,
        value=value,
        low=value - half,
        high=value + half,
        n=len(row),
        n_failed=0,
        n_clusters=len(row),
        method="normal approximation (made-up run)",
        label=LABEL,
    )


def _run_json(system: str, names: Sequence[str], tokens: int) -> dict[str, object]:
    return {
        "name": system,
        "label": LABEL,
        "setting": "made-up",
        "description": LABEL,
        "baseline": None,
        "seed": 0,
        "limit": None,
        "systems": [
            {
                "name": system,
                # Two families, so that each is asked for the tokens with which it reaches the other's scores.
                "spec": f"frames-{tokens}" if tokens % 16 else f"vtok:stride={tokens}",
                "control": False,
                "kind": "tokenizer",
                "description": {},
            }
        ],
        "benchmarks": [
            {"id": name, "name": name, "options": {}, "version": "1", "description": {}} for name in names
        ],
        "not_run": [],
        "sessions": [
            {
                "vtok_eval": __version__,
                "packages": {"numpy": np.__version__},
                "machine": {"processor": "made up"},
                "command": ["vtok-eval", "run"],
                "finished": "2026-11-24T00:00:00+00:00",
            }
        ],
    }


if __name__ == "__main__":
    main()
