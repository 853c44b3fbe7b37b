"""How long VBench's quality dimensions take with the package's own functions and with ours, side by side.

    python -m tools.vbench.speed [--device cuda] [--threads 2] [--height 256 --width 256 --frames 17]

Both sides get the same videos, weights, device and threads, in one process; models are loaded before the
clock starts on either side. Weights are random and of full size, so the scores mean nothing; that both sides
agree on them is checked all the same. What RAFT costs depends on its vote, so it is timed with videos that
it finds moving and with videos that it finds still.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.vbench.evaluator import VBenchEvaluator, Video
from benchmarks.vbench.networks.metric_models import Networks
from benchmarks.vbench.package import installed_version
from benchmarks.vbench.result_files import PER_VIDEO_SCALE
from benchmarks.vbench.scorers.scorer import Request, Scorer, scorer_class
from tools.vbench.reference import QUALITY, Reference, quiet, reference_raft_weight, references, scaled
from tools.vbench.stand_ins import FULL, SMALL, write_stand_ins
from tools.vbench.videos import write_videos

if TYPE_CHECKING:
    import torch

VOTES = {"moving": 3.0, "still": 0.2}
"""What RAFT's random last layer is multiplied by, so that it finds every pair moving, or none."""


@dataclass
class Clock:
    """Seconds of the wall and of the processor (all threads of this process), one each per repeat."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    @contextmanager
    def running(self, device: torch.device) -> Iterator[None]:
        """Time what happens within."""
        _wait_for(device)
        wall, processor = time.perf_counter(), time.process_time()
        yield
        _wait_for(device)
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.process_time() - processor)


@dataclass
class Row:
    """One line of the table: a dimension, or all seven together."""

    name: str
    reference: Clock = field(default_factory=Clock)
    ours: Clock = field(default_factory=Clock)
    agree: bool = True

    def ratio(self, kind: str) -> float:
        """How many times faster ours is, by the fastest repeat of each: what else ran only slows."""
        return float(min(getattr(self.reference, kind)) / min(getattr(self.ours, kind)))


def measure(
    paths: Sequence[Path],
    *,
    device: torch.device,
    repeats: int,
    batch: int,
    alone: Sequence[str],
    voting: bool,
    progress: Callable[[str], None],
) -> list[Row]:
    """Time dimensions by themselves, and (if `voting`) dynamic degree and the seven together by its vote.

    The two sides take turns. alone: names, of which dynamic degree is passed over.
    """
    networks = Networks(device, batch)
    scorers: dict[str, Scorer] = {name: scorer_class(name)(networks) for name in QUALITY}
    theirs = references(device)
    rows = []
    for name in alone:
        if name == "dynamic_degree":
            continue
        row = Row(name)
        rows.append(row)
        for _ in range(repeats):
            _race(row, theirs, scorers, (name,), paths, device=device, batch=batch)
        progress(_line(row))
    if not voting:
        return rows
    raft = networks.raft()
    for vote, factor in VOTES.items():
        path = raft.update_block.flow_head.conv2.weight  # type: ignore[union-attr]
        with scaled(path, factor), scaled(reference_raft_weight(theirs["dynamic_degree"]), factor):
            for names, label in ((("dynamic_degree",), "dynamic_degree"), (QUALITY, "the seven together")):
                row = Row(_voted(label)(vote))
                rows.append(row)
                for _ in range(repeats):
                    _race(row, theirs, scorers, names, paths, device=device, batch=batch)
                progress(_line(row))
    return [*rows, *_half_of_each(rows)]


def _half_of_each(rows: Sequence[Row]) -> Iterator[Row]:
    """One moving and one still video together, for each row that was timed with both."""
    by_name = {row.name: row for row in rows}
    for name in (_voted("dynamic_degree"), _voted("the seven together")):
        both = [by_name[name(vote)] for vote in VOTES]
        added = Row(name("half moving"), agree=all(row.agree for row in both))
        for side, kind in product(("reference", "ours"), ("wall", "processor")):
            times = [min(getattr(getattr(row, side), kind)) for row in both]
            getattr(getattr(added, side), kind).append(sum(times) / 2)
        yield added


def _voted(label: str) -> Callable[[str], str]:
    return lambda vote: f"{label}, {vote} videos"


def _race(
    row: Row,
    theirs: Mapping[str, Reference],
    scorers: Mapping[str, Scorer],
    names: Sequence[str],
    paths: Sequence[Path],
    *,
    device: torch.device,
    batch: int,
) -> None:
    texts = [str(path) for path in paths]
    expected: dict[str, list[float]] = {}
    with row.reference.running(device), quiet():
        for name in names:
            scale = PER_VIDEO_SCALE.get(name, 1.0)
            expected[name] = [float(entry["video_results"]) / scale for entry in theirs[name](texts)]
    evaluator = VBenchEvaluator(
        {name: scorers[name] for name in names}, device=device, frames_per_piece=batch
    )
    with row.ours.running(device), quiet():
        found = evaluator.score([Video(path, tuple(names), Request(path.stem)) for path in paths])
    for place, scores in enumerate(found):
        if scores.failures:
            raise RuntimeError(f"a video has no score: {scores.failures}")
        row.agree &= all(abs(scores.results[name].value - expected[name][place]) < 1e-4 for name in names)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def busy_share(evaluator: VBenchEvaluator, videos: Sequence[Video]) -> float:
    """Which share of the time a CUDA device computes while videos are scored, by torch's profiler."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    _wait_for(evaluator.device)
    started = time.perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        evaluator.score(videos)
        _wait_for(evaluator.device)
    seconds = time.perf_counter() - started
    kernels = [
        event for event in profiled.events() if event.device_type == torch._C._autograd.DeviceType.CUDA
    ]
    return float(sum(event.time_range.elapsed_us() for event in kernels)) / 1e6 / seconds


def table(rows: Sequence[Row], *, videos: int) -> str:
    """The rows in Markdown, seconds per video."""
    lines = [
        "| | reference, s | ours, s | faster by | reference, CPU s | ours, CPU s | less CPU by | agree |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    return "\n".join([*lines, *(f"| {_cells(row, videos)} |" for row in rows)])


def _cells(row: Row, videos: int) -> str:
    cells = [row.name]
    for kind in ("wall", "processor"):
        cells += [f"{min(getattr(side, kind)) / videos:.2f}" for side in (row.reference, row.ours)]
        cells.append(f"{row.ratio(kind):.2f} x")
    return " | ".join([*cells, "yes" if row.agree else "NO"])


def _line(row: Row) -> str:
    return (
        f"{row.name}: {row.ratio('wall'):.2f} x by the wall, {row.ratio('processor'):.2f} x by the processor"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of this module's docstring; 1 where the two sides disagree on a score."""
    parser = argparse.ArgumentParser(description="time VBench's quality dimensions, the package's and ours")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--videos", type=int, default=2, help="how many")
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--fps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--together", action="store_true", help="only dynamic degree and the seven together")
    parser.add_argument("--alone", choices=QUALITY, action="append", help="only this dimension; repeatable")
    parser.add_argument("--small", action="store_true", help="small models, to try the script")
    parser.add_argument("--json", type=Path, default=None, help="where to write every measurement")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["VBENCH_CACHE_DIR"] = str(root / "vbench")
        os.environ["TORCH_HOME"] = str(root / "torch")
        sizes = SMALL if options.small else FULL
        write_stand_ins(root / "vbench", root / "torch", sizes=sizes, seed=0, prompts=False)
        size = {name: getattr(options, name) for name in ("height", "width", "frames", "fps")}
        paths = write_videos(root, count=options.videos, **size)
        rows = measure(
            paths,
            device=device,
            repeats=options.repeats,
            batch=options.batch,
            alone=options.alone or (() if options.together else QUALITY),
            voting=not options.alone,
            progress=lambda line: _say(f"{line}\n"),
        )
        versions = f"vbench {installed_version()}, torch {torch.__version__}"
        _say(f"\n{versions}, {options.threads} threads, {options.videos} videos, {size}\n\n")
        _say(table(rows, videos=options.videos) + "\n")
        if device.type == "cuda":
            networks = Networks(device, options.batch)
            scorers: dict[str, Scorer] = {name: scorer_class(name)(networks) for name in QUALITY}
            evaluator = VBenchEvaluator(scorers, device=device, frames_per_piece=options.batch)
            share = busy_share(evaluator, [Video(path, QUALITY, Request(path.stem)) for path in paths])
            _say(f"\nthe device computes {share:.0%} of the time\n")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return int(not all(row.agree for row in rows))


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    logging.disable(logging.INFO)
    sys.exit(main())
