"""Features of rendered scenes for tools that train many readers: collected once, read by any recipe."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.understanding.scenes.options import ScenesOptions
    from vtok_eval.probes.preprocessing import Preprocessing
    from vtok_eval.probes.training_clips.collection import Collection
    from vtok_eval.probes.training_clips.splits import Split
    from vtok_eval.scenes.dataset import SceneClip
    from vtok_eval.systems import Tokenizer

GROUPS = ("static", "temporal", "camera")
DATA_SEED, CLIP_SIZE, N_FRAMES = 0, 64, 16
SYSTEMS: Mapping[str, str] = {
    "vtok-mean": "vtok:pool=mean,stride=1",
    "vtok-grid": "vtok:pool=grid,stride=1",
    "frames-1": "frames-1",
    "frames-2": "frames-2",
    "frames-4": "frames-4",
    "frames-8": "frames-8",
}
VALIDATION_CLIPS, TEST_CLIPS = 400, 800


@dataclass(frozen=True)
class ReadByProbe:
    """A trained probe: the reader with its preprocessing, its steps and its score on the validation clips."""

    reader: Any
    preprocessing: Preprocessing
    steps: int
    validation_score: float


@dataclass(frozen=True)
class SceneFeatures:
    """One tokenizer's features of each split."""

    tokenizer: Any  # satisfies `Tokenizer`
    splits: Mapping[str, Collection]

    @classmethod
    def of(cls, tokenizer: Tokenizer, clips: Mapping[str, Sequence[SceneClip]]) -> SceneFeatures:
        """Encode the clips of each split; see `first_clips`."""
        import torch

        from benchmarks.understanding.scenes.benchmark import scene_sample
        from vtok_eval.probes.training_clips.collection import collect
        from vtok_eval.run.runners.runner import Runner

        runner = Runner(device=torch.device("cpu"), batch_size=16)
        found = {}
        for split, chosen in clips.items():
            samples = [scene_sample(clip) for clip in chosen]
            found[split] = collect(tokenizer, samples, runner, description=f"{split} clips")
        return cls(tokenizer, found)

    def trained(self, *, clips: int, number: int, name: str, **changes: object) -> ReadByProbe:
        """A probe trained as the suites train it, but for the changes.

        clips: of the training split. number: of the probe, from 0; the seed follows from it. changes: options
        of `understanding-scenes`.
        """
        import torch

        from benchmarks.understanding.scenes.training import AttributeReading
        from vtok_eval.probes.preparation import probe_seed
        from vtok_eval.probes.training import measure_shape, train_reader
        from vtok_eval.scenes.vocabulary import ATTRIBUTES

        device, seed = torch.device("cpu"), probe_seed(0, number)
        recipe = _options(clips, **changes).recipe(n_frames=N_FRAMES)
        preprocessing = self._preprocessing(clips, max_channels=recipe.max_channels)
        training = self._split("train", preprocessing).first(clips)
        validation = self._split("validation", preprocessing)
        task = AttributeReading(ATTRIBUTES)
        shape = measure_shape(self.tokenizer, training.table, seed=seed, device=device)
        trained = train_reader(
            lambda: task.build(self.tokenizer, shape, recipe=recipe, seed=seed, device=device),
            task.objective(training=training, validation=validation, device=device),
            held_out=task.objective(training=validation, validation=validation, device=device),
            preprocessing=preprocessing,
            shape=shape,
            recipe=recipe,
            seed=seed,
            device=device,
            description=f"{name}, {clips} clips, probe {number}",
        )
        history = trained.history
        return ReadByProbe(
            trained.reader, preprocessing, history["steps"], history["chosen"]["validation_score"]
        )

    def percent(self, read: ReadByProbe, split: str) -> dict[str, float]:
        """What a probe reads from a split's clips: the mean over each group's attributes, in percent."""
        import torch

        from benchmarks.understanding.scenes.training import answer_all
        from vtok_eval.scenes.vocabulary import ATTRIBUTES

        held = self._split(split, read.preprocessing)
        answers = answer_all(read.reader, held.table, ATTRIBUTES, device=torch.device("cpu"))
        return group_means(answers, held)

    def read_by_ridge(self, split: str, *, clips: int) -> dict[str, float]:
        """The same by kernel ridge regression, fitted to the first `clips` training clips."""
        from benchmarks.understanding.scenes.ridge import RidgeReader
        from vtok_eval.scenes.vocabulary import ATTRIBUTES

        fitted = self._preprocessing(clips, max_channels=_options(clips).max_channels)
        training = self._split("train", fitted).first(clips)
        reader = RidgeReader.fit(ATTRIBUTES, training, self._split("validation", fitted))
        held = self._split(split, fitted)
        return group_means(reader.answer(held.table), held)

    def _preprocessing(self, clips: int, *, max_channels: int | None) -> Preprocessing:
        from vtok_eval.probes.preprocessing import Preprocessing

        return Preprocessing.of(self.splits["train"].table.first(clips), max_channels=max_channels)

    def _split(self, name: str, preprocessing: Preprocessing) -> Split:
        from vtok_eval.probes.training_clips.splits import Split

        found = self.splits[name]
        return Split(preprocessing.apply(found.table), found.labels)


def first_clips(counts: Mapping[str, int], *, photo: str | None = None) -> dict[str, list[SceneClip]]:
    """The first clips of each split, as `understanding-scenes` renders them.

    counts: clips, by split. photo: of the training split only those with this photo behind them.
    """
    from vtok_eval.scenes.dataset import SceneClip

    found: dict[str, list[SceneClip]] = {}
    for split, n in counts.items():
        every = (SceneClip(DATA_SEED, split, i, size=CLIP_SIZE, n_frames=N_FRAMES) for i in count())
        wanted = photo if split == "train" else None
        found[split] = list(islice((c for c in every if wanted in (None, c.scene.backdrop.photo)), n))
    return found


def group_means(answers: Any, held: Split) -> dict[str, float]:
    """The mean score over each group's attributes, in percent with two decimals."""
    from benchmarks.understanding.scenes.training import mean_scores
    from vtok_eval.scenes.vocabulary import ATTRIBUTES

    scores = mean_scores(answers, held.labels, ATTRIBUTES)
    by_group = {group: [scores[each.name] for each in ATTRIBUTES if each.group == group] for group in GROUPS}
    return {group: round(100 * sum(values) / len(values), 2) for group, values in by_group.items()}


def mean_and_deviation(values: Sequence[float]) -> str:
    """Mean and standard deviation as text.

    Example:
        >>> mean_and_deviation([81.2, 81.8])
        '81.5 ±0.4'
    """
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ±{statistics.stdev(values):.1f}" if len(values) > 1 else mean


def seeds_table(points: Sequence[Any], *, by: str, title: str) -> str:
    """A Markdown table of the seeds' means and standard deviations by system and one more field of a point.

    points: objects with a `system`, the field `by`, and a score in percent for each of `GROUPS`.

    Example:
        >>> from types import SimpleNamespace as Point
        >>> two = [Point(system="vtok", clips=2000, static=80.0, temporal=y, camera=5.0) for y in (60, 62)]
        >>> print(seeds_table(two, by="clips", title="training clips").splitlines()[-1])
        | `vtok` | 2,000 | 2 | 80.0 ±0.0 | 61.0 ±1.4 | 5.0 ±0.0 |
    """
    lines = [
        f"| system | {title} | seeds | {' | '.join(f'{group} (%)' for group in GROUPS)} |",
        f"| --- | --: | --: | {' | '.join(['--:'] * len(GROUPS))} |",
    ]
    by_row: dict[tuple[str, int], list[Any]] = {}
    for point in points:
        by_row.setdefault((point.system, getattr(point, by)), []).append(point)
    for (system, number), own in by_row.items():
        cells = [mean_and_deviation([getattr(point, group) for point in own]) for group in GROUPS]
        lines.append(f"| `{system}` | {number:,} | {len(own)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one line of JSON each; none where there is no such file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line.strip()]


def append_line(path: Path, content: Mapping[str, object]) -> None:
    """Add a line to such a file, which need not be there."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(content) + "\n")


def _options(clips: int, **changes: object) -> ScenesOptions:
    from benchmarks.understanding.scenes.options import ScenesOptions

    given = {
        "train_clips": clips,
        "validation_clips": 1,
        "test_clips": 1,
        "data_seed": DATA_SEED,
        "clip_size": CLIP_SIZE,
        "n_frames": N_FRAMES,
        "reader": "probe",
        "probe_seeds": 1,
    }
    return ScenesOptions.model_validate({**given, **changes})
