"""How scores on rendered scenes depend on the number of training clips: measured once, drawn from the file.

    python -m tools.readers.learning_curve measure FILE
    python -m tools.readers.learning_curve draw FILE PICTURE

The first trains probes (half an hour on one core) and writes a line of JSON for each; it goes on where it was
stopped. docs/results/learning_curve.jsonl is such a file, and so is five_seeds.jsonl (`--clips 2000 --seeds
5`). The second draws the curves: lines of the seeds' means, and a dot for each seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from tools.readers.scene_features import (
    GROUPS,
    SYSTEMS,
    TEST_CLIPS,
    VALIDATION_CLIPS,
    SceneFeatures,
    append_line,
    first_clips,
    read_lines,
    seeds_table,
)

if TYPE_CHECKING:
    from vtok_eval.tokenizers.build import BuildContext

ROOT = Path(__file__).resolve().parents[2]
CLIPS = (400, 800, 1600, 3200)
SEEDS = 3


@dataclass(frozen=True)
class Point:
    """One probe's scores, in percent, on the test clips.

    clips: it was trained with. seed: number of the probe, from 0. steps: of the optimizer.
    validation_score: mean over attributes of the score above chance, of the epoch that was kept.
    """

    system: str
    clips: int
    seed: int
    steps: int
    validation_score: float
    static: float
    temporal: float
    camera: float


def read_points(path: Path) -> list[Point]:
    """The points of a file, one line of JSON each."""
    return [Point(**line) for line in read_lines(path)]


def measure(path: Path, *, sizes: Sequence[int], seeds: int) -> None:
    """Train the probes that the file lacks, and append a line for each.

    sizes: numbers of training clips. seeds: probes of each system and size.
    """
    import torch

    from vtok_eval.tokenizers.build import BuildContext

    torch.set_num_threads(1)
    done = {(point.system, point.clips, point.seed) for point in read_points(path)}
    context = BuildContext(device=torch.device("cpu"), names=SYSTEMS)
    for system in SYSTEMS:
        wanted = [(n, seed) for seed in range(seeds) for n in sizes if (system, n, seed) not in done]
        if not wanted:
            continue
        for point in _measured(system, wanted, context):
            append_line(path, asdict(point))


def _measured(system: str, wanted: Sequence[tuple[int, int]], context: BuildContext) -> Iterator[Point]:
    from vtok_eval.tokenizers.build import build_tokenizer

    tokenizer = build_tokenizer(SYSTEMS[system], context)
    most = max(clips for clips, _ in wanted)
    counts = {"train": most, "validation": VALIDATION_CLIPS, "test": TEST_CLIPS}
    features = SceneFeatures.of(tokenizer, first_clips(counts))
    for clips, seed in wanted:
        trained = features.trained(clips=clips, number=seed, name=system)
        yield Point(
            system=system,
            clips=clips,
            seed=seed,
            steps=trained.steps,
            validation_score=round(trained.validation_score, 4),
            **features.percent(trained, "test"),
        )


def points_table(points: Sequence[Point]) -> str:
    """A Markdown table of the seeds' means and standard deviations, by system and number of clips."""
    return seeds_table(points, by="clips", title="training clips")


def draw(points: Sequence[Point], picture: Path) -> None:
    """One panel for each group of attributes: lines of the seeds' means, a dot for each seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    panels = figure.subplots(1, len(GROUPS), sharex=True)
    for panel, group in zip(panels, GROUPS, strict=True):
        for number, system in enumerate(SYSTEMS):
            own = [point for point in points if point.system == system]
            sizes = sorted({point.clips for point in own})
            if not sizes:
                continue
            means = [mean(getattr(point, group) for point in own if point.clips == n) for n in sizes]
            style = "-" if system.startswith("vtok") else "--"
            panel.plot(sizes, means, style, color=f"C{number}", label=system, linewidth=1.6)
            values = [getattr(point, group) for point in own]
            panel.plot([point.clips for point in own], values, ".", color=f"C{number}", markersize=4)
        panel.set_title(group.capitalize(), fontsize=10)
        panel.set_xscale("log", base=2)
        panel.set_xticks(CLIPS, [f"{n:,}" for n in CLIPS])
        panel.minorticks_off()
        panel.set_xlabel("training clips")
        panel.grid(alpha=0.25)
    panels[0].set_ylabel("accuracy (%)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=8)
    figure.savefig(picture, dpi=160, metadata={"Software": None})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure into a file, or draw from one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("file", type=Path)
    measuring.add_argument("--clips", type=int, nargs="+", default=CLIPS)
    measuring.add_argument("--seeds", type=int, default=SEEDS)
    drawing = commands.add_parser("draw")
    drawing.add_argument("file", type=Path)
    drawing.add_argument("picture", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.command == "measure":
        measure(chosen.file, sizes=chosen.clips, seeds=chosen.seeds)
    else:
        draw(read_points(chosen.file), chosen.picture)


if __name__ == "__main__":
    main()
