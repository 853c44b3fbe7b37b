"""Times the commands that people wait for: doctor, a plan, a report, a small run of your tokenizer.

python -m tools.speed.commands --run RUN [--repeats 3] [--cold] [--out TABLE.json]

Each command runs in a new process, which is what a user waits for. Seconds by the clock depend on what else
the machine does; processor seconds (of the process and its children) depend on it far less. RUN: a finished
run of mini; a copy is reported, since a report is written into its folder. After the first repeat the small
run's features are in the cache, as when you edit a tokenizer and run again; --cold: one for each repeat.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

OWN_TOKENIZER = '''
from vtok_eval.data import Clips, Tokens


class Mine:
    """Four tokens: the mean colour of every fourth frame."""

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(clips.frames[:, ::4].float().mean(dim=(3, 4)) / 255)
'''


@dataclass(frozen=True)
class Timing:
    """What a command took: seconds by the clock and of the processor, the least of all repeats."""

    command: str
    seconds: float
    processor_seconds: float
    bar_seconds: float


def timed(
    arguments: Sequence[str], *, title: str, bar: float, folder: Path, cache: Path, repeats: int, cold: bool
) -> Timing:
    """Run `vtok-eval ARGUMENTS` in `folder` so many times.

    bar: what it may take. cache: the user's cache folder.

    Raises:
        RuntimeError: it fails.
    """
    clock, processor = [], []
    for number in range(repeats):
        own = cache / str(number) if cold else cache
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "vtok_eval.cli.main", *(text.format(number=number) for text in arguments)],
            cwd=folder,
            env=_environment(own),
            capture_output=True,
            text=True,
            check=False,
        )
        clock.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if done.returncode not in {0, 1}:
            raise RuntimeError(f"vtok-eval {' '.join(arguments)}: {done.stderr.strip()}")
    return Timing(title, round(min(clock), 2), round(min(processor), 2), bar)


def _environment(cache: Path) -> Mapping[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "VTOK_EVAL_CACHE": str(cache), "PYTHONPATH": root, "MPLBACKEND": "Agg"}


def measure(run: Path, *, repeats: int, cold: bool) -> list[Timing]:
    """Time every command. run: a finished run of mini."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(run, folder / "run")
        (folder / "mine.py").write_text(OWN_TOKENIZER, encoding="utf-8")
        small = ["run", "--suite", "mini", "--only", "--tokenizer", "mine=mine.py:Mine", "--limit", "20"]
        commands = {
            "doctor": (["doctor"], 3.0),
            "run --dry-run": (["run", "--suite", "mini", "--dry-run"], 3.0),
            "report RUN": (["report", "run"], 8.0),
            "run --only --tokenizer mine=FILE.py:Class --limit 20": (
                [*small, "--out", "small-{number}"],
                20.0,
            ),
        }
        return [
            timed(
                arguments,
                title=title,
                bar=bar,
                folder=folder,
                cache=folder / "cache",
                repeats=repeats,
                cold=cold,
            )
            for title, (arguments, bar) in commands.items()
        ]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    found = measure(given.run.resolve(), repeats=given.repeats, cold=given.cold)
    lines = ["| command | s by the clock | processor s | bar, s |", "| --- | --: | --: | --: |"]
    lines += [f"| `{t.command}` | {t.seconds} | {t.processor_seconds} | {t.bar_seconds:g} |" for t in found]
    lines.append(f"load before {load_before:.1f}, after {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores")
    sys.stdout.write("\n".join(lines) + "\n")
    if given.out is not None:
        given.out.write_text(
            json.dumps([asdict(timing) for timing in found], indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
