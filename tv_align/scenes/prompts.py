"""The suite `tv-align-scenes`: prompts and questions drawn from scenes, each with the clip that shows it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tv_align.prompts.load import suite_of
from tv_align.prompts.schema import CATEGORIES, LEVELS, PromptEntry, PromptFile, PromptSuite
from tv_align.scenes.drafts import DRAFTS, Draft
from vtok_eval.scenes.dataset import SceneClip
from vtok_eval.scenes.photos import SPLITS
from vtok_eval.scenes.scene import Scene, stream

SUITE = "tv-align-scenes"
VERSION = 1
SEED = 4
"""Of the scenes, other than the default seed of the understanding benchmark's clips."""
SPLIT = "test"
PER_LEVEL = 25
"""Prompts of each level and category."""
_STREAM = 4
"""Sets this randomness apart from the scenes' own (0 to 2) and that of their other questions (3)."""


@dataclass(frozen=True)
class ScenePrompt:
    """A prompt and the scene that shows it."""

    category: str
    entry: PromptEntry
    scene: Scene


def scenes_suite(*, split: str = SPLIT, seed: int = SEED, per_level: int = PER_LEVEL) -> PromptSuite:
    """The prompts of `scene_prompts` as a suite.

    Raises:
        UnknownNameError: there is no such split of scenes.
    """
    drawn = scene_prompts(split=split, seed=seed, per_level=per_level)
    files = [
        PromptFile(
            suite=SUITE,
            version=VERSION,
            source=f"rendered scenes, split {split}, seed {seed}, {per_level} prompts a level and category",
            category=category,
            prompts=[item.entry for item in drawn if item.category == category],
        )
        for category in CATEGORIES
    ]
    return suite_of(files)


@lru_cache(maxsize=8)
def scene_prompts(
    *, split: str = SPLIT, seed: int = SEED, per_level: int = PER_LEVEL
) -> tuple[ScenePrompt, ...]:
    """`per_level` prompts of each level of each category, each with a scene of its own, in a fixed order.

    Scenes are gone through in order; each serves the category and level that lacks most prompts of those it
    can serve. No two prompts have the same text.

    Raises:
        UnknownNameError: there is no such split of scenes.
    """
    lacking = {(category, level): per_level for category in CATEGORIES for level in LEVELS}
    texts: set[str] = set()
    found: list[ScenePrompt] = []
    for index in itertools.count():
        if not any(lacking.values()):
            break
        scene = SceneClip(seed, split, index).scene
        rng = stream(scene.version, seed, SPLITS.index(split), index, _STREAM)
        order = sorted(lacking, key=lambda slot: -lacking[slot])
        for category, level in order:
            draft = DRAFTS[category](scene, level, rng) if lacking[category, level] else None
            if draft is not None and draft.text not in texts:
                number = per_level - lacking[category, level] + 1
                found.append(ScenePrompt(category, _entry(draft, category, level, number), scene))
                texts.add(draft.text)
                lacking[category, level] -= 1
                break
    place = {name: number for number, name in enumerate(CATEGORIES)}
    return tuple(sorted(found, key=lambda item: (place[item.category], item.entry.id)))


def reference_clips(
    drawn: Sequence[ScenePrompt], *, size: int = 64, n_frames: int = 16
) -> dict[str, SceneClip]:
    """By prompt id, the clip that shows it; `size` in pixels."""
    return {
        item.entry.id: SceneClip(
            item.scene.seed, item.scene.split, item.scene.index, size=size, n_frames=n_frames
        )
        for item in drawn
    }


def _entry(draft: Draft, category: str, level: str, number: int) -> PromptEntry:
    return PromptEntry(
        id=f"scenes-{category}-{level}-{number:02d}",
        text=draft.text,
        level=level,
        questions=draft.questions(),
    )
