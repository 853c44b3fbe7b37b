"""Memory that each VBench dimension needs for a video of a given size, each in its own process.

    python -m tools.vbench.memory [--height 1080 --width 1920 --frames 9 --fps 8] [DIMENSION ...]

Weights are random and of full size. RAFT iterates twice instead of 20 times, which takes as much memory.
Runs on Linux; on a GPU the device's memory is measured as well.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.vbench.dimensions import DIMENSIONS
from tools.vbench.stand_ins import FULL, write_stand_ins
from tools.vbench.videos import write_videos

MIB = 2**20
TOGETHER = "together"
QUALITY = tuple(entry.name for entry in DIMENSIONS if entry.group == "quality")


def peak_of(names: Sequence[str], video: Path, *, device_name: str) -> str:
    """One line: memory with the models loaded, and the largest while the video was scored, in MiB."""
    import torch

    from benchmarks.vbench.evaluator import VBenchEvaluator, Video
    from benchmarks.vbench.networks import raft
    from benchmarks.vbench.networks.metric_models import Networks
    from benchmarks.vbench.scorers.scorer import Request, scorer_class

    torch.set_num_threads(1)
    raft.ITERATIONS = 2
    device = torch.device(device_name)
    networks = Networks(device)
    scorers = {name: scorer_class(name)(networks) for name in names}
    before = _status("VmRSS")
    _forget_peak()
    (scores,) = VBenchEvaluator(scorers, device).score([Video(video, tuple(names), Request("bikes"))])
    if scores.failures:
        raise RuntimeError(f"the video has no score: {scores.failures}")
    line = (
        f"models {before:.0f}, peak {_status('VmHWM'):.0f}, above the models {_status('VmHWM') - before:.0f}"
    )
    if device.type == "cuda":
        line += f"; on the device {torch.cuda.max_memory_allocated(device) / MIB:.0f}"
    return line


def _status(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {key}")


def _forget_peak() -> None:
    """Let VmHWM begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of this module's docstring."""
    parser = argparse.ArgumentParser(description="peak memory of VBench's quality dimensions")
    parser.add_argument("dimensions", nargs="*", default=[*QUALITY, TOGETHER], metavar="DIMENSION")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--fps", type=int, default=8)
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.of:
        (name,) = options.dimensions
        names = QUALITY if name == TOGETHER else (name,)
        sys.stdout.write(f"{name}: {peak_of(names, options.of, device_name=options.device)} MiB\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["VBENCH_CACHE_DIR"], os.environ["TORCH_HOME"] = str(root / "vbench"), str(root / "torch")
        write_stand_ins(root / "vbench", root / "torch", sizes=FULL, seed=0, prompts=False)
        size = {name: getattr(options, name) for name in ("height", "width", "frames", "fps")}
        (video,) = write_videos(root, count=1, **size)
        sys.stdout.write(f"{size}\n")
        sys.stdout.flush()
        worst = 0
        for name in options.dimensions:
            command = [sys.executable, "-m", "tools.vbench.memory", name, "--of", str(video)]
            command += ["--device", options.device]
            worst = max(worst, subprocess.run(command, check=False).returncode)
    return worst


if __name__ == "__main__":
    logging.disable(logging.INFO)
    sys.exit(main())
