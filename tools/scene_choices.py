"""Writes which scenes the prompts of the shipped suites are drawn from: tv_align/scenes/choices.json.

python -m tools.scene_choices

To choose them, five scenes are drawn for each that is taken; with the choice at hand a plan draws only those.
Run it again when prompts or scenes get another version; a test says so.
"""

from __future__ import annotations

import json
from pathlib import Path

from tv_align.scenes.prompts import (
    PER_LEVEL,
    SEED,
    SPLIT,
    ScenePrompt,
    _chosen_prompts,
    choice_key,
    choice_of,
)

TARGET = Path(__file__).parents[1] / "tv_align/scenes/choices.json"
SHOWN_PER_LEVEL = 3
"""Of the suite mini's tv-align-show."""


def choices() -> dict[str, dict[str, list[int]]]:
    """The choices that are kept, by key."""
    return {
        choice_key(SPLIT, SEED, per_level): choice_of(_sorted(_chosen_prompts(SPLIT, SEED, per_level)))
        for per_level in (PER_LEVEL, SHOWN_PER_LEVEL)
    }


def _sorted(drawn: list[ScenePrompt]) -> list[ScenePrompt]:
    return sorted(drawn, key=lambda item: item.entry.id)


def main() -> None:
    """Write the file."""
    TARGET.write_text(json.dumps(choices(), indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
