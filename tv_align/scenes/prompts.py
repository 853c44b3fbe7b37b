"""The suite `tv-align-scenes`: prompts and questions drawn from scenes, each with the clip that shows it."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from tv_align.prompts.schema import CATEGORIES, LEVELS, PromptEntry, PromptFile, PromptSuite
from tv_align.prompts.suite import suite_of
from tv_align.scenes.drafts import DRAFTS, Draft
from tv_align.scenes.words import telling_words
from vtok_eval.benchmark import Sample
from vtok_eval.results.records import PHOTO
from vtok_eval.scenes.dataset import SceneClip
from vtok_eval.scenes.drawing import stream
from vtok_eval.scenes.photos import SPLITS
from vtok_eval.scenes.scene import VERSION as SCENES_VERSION
from vtok_eval.scenes.scene import Scene

SUITE = "tv-align-scenes"
VERSION = 2
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


def scene_prompts(
    *, split: str = SPLIT, seed: int = SEED, per_level: int = PER_LEVEL
) -> tuple[ScenePrompt, ...]:
    """`per_level` prompts of each level of each category, each with its own scene, in a fixed order.

    Each category and level draws its own scenes, so that other uses of a scene do not affect which are
    taken. A scene is passed over where its sentence is taken already, or where its facts would
    make a word more than once more frequent in the category's true facts than in its false ones, or the other
    way round: so no word of a question reveals its answer.

    Raises:
        UnknownNameError: there is no such split of scenes.
    """
    return _scene_prompts(split, seed, per_level)


@lru_cache(maxsize=8)
def _scene_prompts(split: str, seed: int, per_level: int) -> tuple[ScenePrompt, ...]:
    """Kept by what was asked for, however the caller has worded it."""
    kept = _kept_choice(split, seed, per_level)
    found = _chosen_prompts(split, seed, per_level) if kept is None else _kept_prompts(split, seed, kept)
    order = {name: number for number, name in enumerate(CATEGORIES)}
    return tuple(sorted(found, key=lambda item: (order[item.category], item.entry.id)))


def choice_key(split: str, seed: int, per_level: int) -> str:
    """Names a choice of scenes in the file of kept ones.

    Example:
        >>> choice_key("test", 4, 25).endswith("test, seed 4, 25 a level")
        True
    """
    return f"prompts {VERSION}, scenes {SCENES_VERSION}, {split}, seed {seed}, {per_level} a level"


def choice_of(drawn: Sequence[ScenePrompt]) -> dict[str, list[int]]:
    """Which scenes were chosen, by number: by category and level, in the order of the prompts' ids."""
    chosen: dict[str, list[int]] = {}
    for item in drawn:
        chosen.setdefault(f"{item.category}/{item.entry.level}", []).append(item.scene.index)
    return chosen


def _kept_choice(split: str, seed: int, per_level: int) -> Mapping[str, Sequence[int]] | None:
    """The choice that this package keeps for its suites, so that only its scenes are drawn; None of others.

    tools/scene_choices.py writes it; that it is what `_chosen_prompts` chooses is tested.
    """
    text = resources.files(__package__).joinpath("choices.json").read_text(encoding="utf-8")
    choices: Mapping[str, Mapping[str, Sequence[int]]] = json.loads(text)
    return choices.get(choice_key(split, seed, per_level))


def _kept_prompts(split: str, seed: int, kept: Mapping[str, Sequence[int]]) -> list[ScenePrompt]:
    found = []
    for category, level in itertools.product(CATEGORIES, LEVELS):
        for number, index in enumerate(kept[f"{category}/{level}"], start=1):
            scene, draft = _draft(category, level, split, seed, index)
            if draft is None:
                raise ValueError(f"{category}/{level}: scene {index} of choices.json has no sentence")
            found.append(ScenePrompt(category, _entry(draft, category, level, number), scene))
    return found


def _chosen_prompts(split: str, seed: int, per_level: int) -> list[ScenePrompt]:
    texts: set[str] = set()
    found: list[ScenePrompt] = []
    for category in CATEGORIES:
        balance: Counter[str] = Counter()
        places = [_Place(category, level, split, seed) for level in LEVELS]
        # The levels take turns: some words are true in one of them only, and false in the other.
        for number, place in itertools.product(range(1, per_level + 1), places):
            scene, draft = next(
                (scene, draft)
                for scene, draft in place.drafts
                if draft.text not in texts and _keeps_balance(draft, balance)
            )
            balance.update(telling_words(draft.true, draft.false))
            texts.add(draft.text)
            found.append(ScenePrompt(category, _entry(draft, category, place.level, number), scene))
    return found


class _Place:
    """A category and level, and the drafts that its own scenes give, one after another."""

    def __init__(self, category: str, level: str, split: str, seed: int) -> None:
        self.level = level
        self.drafts = self._drafts(category, level, split, seed)

    @staticmethod
    def _drafts(category: str, level: str, split: str, seed: int) -> Iterator[tuple[Scene, Draft]]:
        places = [(other, each) for other in CATEGORIES for each in LEVELS]
        for index in itertools.count(places.index((category, level)), len(places)):
            scene, draft = _draft(category, level, split, seed, index)
            if draft is not None:
                yield scene, draft


def _draft(category: str, level: str, split: str, seed: int, index: int) -> tuple[Scene, Draft | None]:
    """A scene, and the sentence about it; None where it has none of this category and level."""
    scene = SceneClip(seed, split, index).scene
    rng = stream(scene.version, seed, SPLITS.index(split), index, _STREAM)
    return scene, DRAFTS[category](scene, level, rng)


def _keeps_balance(draft: Draft, balance: Mapping[str, int]) -> bool:
    added = telling_words(draft.true, draft.false)
    return all(abs(balance.get(word, 0) + count) <= 1 for word, count in added.items())


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


def reference_samples(*, per_level: int, size: int, n_frames: int) -> list[Sample]:
    """The suite's prompts as a benchmark's samples, each with its clip; see `reference_clips`."""
    drawn = scene_prompts(per_level=per_level)
    clips = reference_clips(drawn, size=size, n_frames=n_frames)
    return [
        Sample(
            id=item.entry.id,
            cluster=item.entry.id,
            clip=clips[item.entry.id],
            target={"prompt_id": item.entry.id},
            meta={
                "prompt": item.entry.text,
                "category": item.category,
                "level": item.entry.level,
                "n_frames": n_frames,
                PHOTO: item.scene.backdrop.photo,
            },
        )
        for item in drawn
    ]


def _entry(draft: Draft, category: str, level: str, number: int) -> PromptEntry:
    return PromptEntry(
        id=f"scenes-{category}-{level}-{number:02d}",
        text=draft.text,
        level=level,
        questions=draft.questions(),
    )
