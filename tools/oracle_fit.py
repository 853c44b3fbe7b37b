"""Fits the oracle's evidence: `python -m tools.oracle_fit` prints its `INTERCEPT` and `WEIGHTS`.

Loaded by nothing else. It knows the recipes of the clips that it learns from: a chain of detections is a
shape if most of them are on one. Clips are from the train and validation splits, with a separate seed.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray

from tv_align.calibration.degradations import DEGRADATIONS, degraded
from tv_align.judges.oracle.evidence import FEATURES
from tv_align.judges.oracle.observe import SIDE, candidates
from tv_align.judges.oracle.tracks import Chain
from vtok_eval.scenes.dataset import SceneClip
from vtok_eval.scenes.scene import Scene

SPLITS = ("train", "validation")
SEED = 11
"""Other than the prompts' seed, so that the clips that it is measured on are none of these."""
_NEAR = 3.5
"""Pixels that a detection may be off the shape it is of."""
_MOST = 0.6
"""Share of a chain's detections that must be on one shape for the chain to be a shape."""


def labelled(
    *, n_clips: int, splits: tuple[str, ...] = SPLITS
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Features `(n, 22)` of every chain in the first `n_clips` scenes of each split, and which are shapes."""
    rows: list[list[float]] = []
    truths: list[bool] = []
    for split in splits:
        for index in range(n_clips):
            source = SceneClip(SEED, split, index, size=SIDE)
            for name in DEGRADATIONS:
                pixels = degraded(source, name).load().frames.numpy().astype(np.float32)
                for chain, found in candidates(pixels):
                    rows.append(found)
                    truths.append(_is_of_a_shape(chain, source.scene, n_frames=len(pixels)))
    return np.array(rows), np.array(truths)


def fit(rows: NDArray[np.float64], truths: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """Intercept and weights `(22,)` of a logistic regression, for features as they are measured."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scale = StandardScaler().fit(rows)
    model = LogisticRegression(C=1.0, max_iter=3000).fit(scale.transform(rows), truths)
    weights = model.coef_[0] / scale.scale_
    return float(model.intercept_[0] - weights @ scale.mean_), weights


def _is_of_a_shape(chain: Chain, scene: Scene, *, n_frames: int) -> bool:
    on_shape = [
        sum(
            item.visible(hit.frame / (n_frames - 1))
            and _away(hit.x, hit.y, scene.position(index, hit.frame / (n_frames - 1))) < _NEAR
            for hit in chain
        )
        for index, item in enumerate(scene.objects)
    ]
    return max(on_shape, default=0) >= _MOST * len(chain)


def _away(x: float, y: float, place: tuple[float, float]) -> float:
    return float(np.hypot(x - place[0] * SIDE, y - place[1] * SIDE))


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=300, help="Scenes of each split, each in three states.")
    rows, truths = labelled(n_clips=parser.parse_args().clips)
    intercept, weights = fit(rows, truths)
    lines = [f"# {len(rows)} chains, {int(truths.sum())} of them shapes", f"INTERCEPT = {intercept:.4f}"]
    lines += ["WEIGHTS = ("]
    lines += [f"    {weight:.4f},  # {name}" for name, weight in zip(FEATURES, weights, strict=True)]
    sys.stdout.write("\n".join([*lines, ")"]) + "\n")


if __name__ == "__main__":
    main()
