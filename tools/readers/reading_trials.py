"""Every system with the same recipes, on validation clips; and the same clips read by kernel ridge.

    python -m tools.readers.reading_trials FOLDER [--systems NAME ...] [--recipes NAME ...]

trains one probe for each system and recipe on 2,000 clips, some 10 minutes of one core in all, and writes a
line of JSON for each to FOLDER/reading_trials.jsonl: what it reads from the 400 validation clips after the
last epoch, which is the rule of the suites. FOLDER/ridge.jsonl gets what kernel ridge reads from 800 test
clips. Files that have some lines are completed. docs/results/ keeps both; `tools.readme_table` writes their
tables.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
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
)

if TYPE_CHECKING:
    from vtok_eval.tokenizers.build import BuildContext

RIDGE_ONLY: Mapping[str, str] = {
    "vtok-absolute": "vtok:pool=grid,stride=1,residual=off",
    "frames-matched": "frames:budget=match:vtok-grid",
}
RECIPES: Mapping[str, Mapping[str, object]] = {
    "as shipped": {},
    "learning rate 0.2": {"learning_rates": (0.2,)},
    "weight decay 1": {"weight_decay": 1.0},
    "learning rate 0.05": {"learning_rates": (0.05,)},
    "16 epochs": {"epochs": 16},
}
"""Changes of the suites' recipe: learning rate 0.1, weight decay 0.5, 8 epochs (256 steps)."""
TRAINING_CLIPS = 2000
TRIALS, RIDGE = "reading_trials.jsonl", "ridge.jsonl"


@dataclass(frozen=True)
class Trial:
    """One probe on the validation clips.

    validation_score: mean over attributes of the score above chance. static, temporal, camera: in percent.
    """

    system: str
    recipe: str
    clips: int
    validation_clips: int
    steps: int
    validation_score: float
    static: float
    temporal: float
    camera: float


@dataclass(frozen=True)
class RidgePoint:
    """What kernel ridge reads from the test clips, in percent."""

    system: str
    clips: int
    test_clips: int
    static: float
    temporal: float
    camera: float


def read_trials(path: Path) -> list[Trial]:
    """The trials of a file."""
    return [Trial(**line) for line in read_lines(path)]


def read_ridge(path: Path) -> list[RidgePoint]:
    """The points of a file of kernel ridge."""
    return [RidgePoint(**line) for line in read_lines(path)]


def measure(folder: Path, *, systems: Iterable[str], recipes: Iterable[str]) -> None:
    """Train and fit what the folder's files lack, recipe by recipe, and append a line for each."""
    import torch

    from vtok_eval.tokenizers.build import BuildContext

    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    specs = {**SYSTEMS, **RIDGE_ONLY}
    context = BuildContext(device=torch.device("cpu"), names=specs)
    read = {point.system for point in read_ridge(folder / RIDGE)}
    done = {(trial.recipe, trial.system) for trial in read_trials(folder / TRIALS)}
    wanted = [(r, s) for r in recipes for s in systems if s in SYSTEMS and (r, s) not in done]
    features = {}
    for system in systems:
        trained = any(name == system for _, name in wanted)
        if trained or system not in read:
            features[system] = _features(specs[system], context)
        if system not in read:
            found = features[system].read_by_ridge("test", clips=TRAINING_CLIPS)
            append_line(
                folder / RIDGE,
                asdict(RidgePoint(system=system, clips=TRAINING_CLIPS, test_clips=TEST_CLIPS, **found)),
            )
        if not trained:
            features.pop(system, None)
    for recipe, system in wanted:
        started = time.process_time()
        append_line(folder / TRIALS, asdict(_trial(features[system], system=system, recipe=recipe)))
        sys.stderr.write(f"{recipe}, {system}: {time.process_time() - started:.0f} s of processor time\n")


def _features(spec: str, context: BuildContext) -> SceneFeatures:
    from vtok_eval.tokenizers.build import build_tokenizer

    counts = {"train": TRAINING_CLIPS, "validation": VALIDATION_CLIPS, "test": TEST_CLIPS}
    return SceneFeatures.of(build_tokenizer(spec, context), first_clips(counts))


def _trial(features: SceneFeatures, *, system: str, recipe: str) -> Trial:
    read = features.trained(clips=TRAINING_CLIPS, number=0, name=f"{system}, {recipe}", **RECIPES[recipe])
    return Trial(
        system=system,
        recipe=recipe,
        clips=TRAINING_CLIPS,
        validation_clips=VALIDATION_CLIPS,
        steps=read.steps,
        validation_score=round(read.validation_score, 4),
        **features.percent(read, "validation"),
    )


def trials_table(trials: Sequence[Trial]) -> str:
    """A Markdown table: recipes as rows, systems as columns, "static / temporal / camera" in percent.

    Example:
        >>> trial = Trial("frames-2", "as shipped", 2000, 400, 256, 0.287, 85.0, 50.2, 32.1)
        >>> print(trials_table([trial]).splitlines()[-1])
        | as shipped | 256 | .287: 85.0 / 50.2 / 32.1 |
    """
    systems = [name for name in SYSTEMS if any(trial.system == name for trial in trials)]
    lines = [
        f"| recipe | steps | {' | '.join(f'`{name}`' for name in systems)} |",
        f"| --- | --: | {' | '.join(['---'] * len(systems))} |",
    ]
    for recipe in RECIPES:
        own = {trial.system: trial for trial in trials if trial.recipe == recipe}
        if own:
            steps = ", ".join(sorted({str(trial.steps) for trial in own.values()}))
            cells = [_cell(own[name]) if name in own else "" for name in systems]
            lines.append(f"| {recipe} | {steps} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(trial: Trial) -> str:
    score = f"{trial.validation_score:.3f}".removeprefix("0")
    return f"{score}: {' / '.join(f'{getattr(trial, group):.1f}' for group in GROUPS)}"


def ridge_table(points: Sequence[RidgePoint]) -> str:
    """A Markdown table of what kernel ridge reads, in percent.

    Example:
        >>> print(ridge_table([RidgePoint("frames-2", 2000, 800, 67.8, 46.9, 22.9)]).splitlines()[-1])
        | `frames-2` | 67.8 | 46.9 | 22.9 |
    """
    lines = ["| system | static (%) | temporal (%) | camera (%) |", "| --- | --: | --: | --: |"]
    for point in points:
        cells = [f"{getattr(point, group):.1f}" for group in GROUPS]
        lines.append(f"| `{point.system}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the folder lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    every = [*SYSTEMS, *RIDGE_ONLY]
    parser.add_argument("--systems", nargs="+", choices=every, default=every, metavar="NAME")
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES), metavar="NAME")
    chosen = parser.parse_args(arguments)
    measure(chosen.folder, systems=chosen.systems, recipes=chosen.recipes)


if __name__ == "__main__":
    main()
