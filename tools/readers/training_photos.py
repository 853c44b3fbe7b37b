"""How much the number of photos behind the training clips matters, at an equal number of clips and steps.

    python -m tools.readers.training_photos FILE

trains two probes of each system on 400 clips over one photo and over all eight of the training split (about
three minutes of one core), and writes a line of JSON for each; a file that has some is completed.
docs/results/training_photos.jsonl is such a file, of which `tools.readme_table` writes the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.readers.scene_features import (
    SceneFeatures,
    append_line,
    first_clips,
    read_lines,
    seeds_table,
)

SYSTEMS: Mapping[str, str] = {"vtok-mean": "vtok:pool=mean,stride=1", "frames-2": "frames-2"}
CLIPS = {"train": 400, "validation": 400, "test": 800}
EPOCHS = 37
"""Of 7 batches: as many steps as 2,000 clips give in 8 epochs, and 3 more."""
SEEDS = 2


@dataclass(frozen=True)
class PhotoPoint:
    """One probe's scores on the test clips, in percent. photos: behind its training clips."""

    system: str
    photos: int
    seed: int
    steps: int
    static: float
    temporal: float
    camera: float


def read_photo_points(path: Path) -> list[PhotoPoint]:
    """The points of a file."""
    return [PhotoPoint(**line) for line in read_lines(path)]


def measure(path: Path) -> None:
    """Train the probes that the file lacks, and append a line for each."""
    import torch

    from vtok_eval.scenes.photos import photos_of
    from vtok_eval.tokenizers.build import BuildContext, build_tokenizer

    torch.set_num_threads(1)
    photos = photos_of("train")
    done = {(point.system, point.photos, point.seed) for point in read_photo_points(path)}
    context = BuildContext(device=torch.device("cpu"), names=SYSTEMS)
    for system, spec in SYSTEMS.items():
        for number, photo in ((1, photos[0].name), (len(photos), None)):
            wanted = [seed for seed in range(SEEDS) if (system, number, seed) not in done]
            if not wanted:
                continue
            features = SceneFeatures.of(build_tokenizer(spec, context), first_clips(CLIPS, photo=photo))
            for seed in wanted:
                name = f"{system}, {number} photo(s)"
                read = features.trained(clips=CLIPS["train"], number=seed, name=name, epochs=EPOCHS)
                scores = features.percent(read, "test")
                append_line(path, asdict(PhotoPoint(system, number, seed, read.steps, **scores)))


def photos_table(points: Sequence[PhotoPoint]) -> str:
    """A Markdown table of the seeds' means and standard deviations.

    Example:
        >>> points = [PhotoPoint("frames-2", 1, seed, 259, 58.0 + seed, 43.0, 12.0) for seed in (0, 2)]
        >>> print(photos_table(points).splitlines()[-1])
        | `frames-2` | 1 | 2 | 59.0 ±1.4 | 43.0 ±0.0 | 12.0 ±0.0 |
    """
    return seeds_table(points, by="photos", title="training photos")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the file lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    measure(parser.parse_args(arguments).file)


if __name__ == "__main__":
    main()
