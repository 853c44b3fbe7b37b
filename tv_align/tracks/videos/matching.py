"""Which video of a folder was made for which prompt, what is missing and what belongs to none."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tv_align.prompts.schema import Prompt
from vtok_eval.errors import SpecError
from vtok_eval.video.folder import VideoEntry

_LONGEST_NAME_BYTES = 240
"""File systems end names at 255 bytes; longer prompts name their videos by the prompt's id."""


@dataclass(frozen=True)
class PromptVideo:
    """A video that should be there: the `index`-th of a prompt, and where it is or would be."""

    prompt: Prompt
    index: int
    path: Path
    present: bool


@dataclass(frozen=True)
class Matched:
    """expected: every video that counts, in the prompts' order. extra: files that belong to no prompt."""

    expected: tuple[PromptVideo, ...]
    extra: tuple[Path, ...]

    @property
    def missing(self) -> tuple[PromptVideo, ...]:
        """The missing ones; they count as failed."""
        return tuple(each for each in self.expected if not each.present)


def match_videos(
    prompts: Sequence[Prompt],
    entries: Sequence[VideoEntry],
    *,
    folder: Path,
    videos_per_prompt: int | None = None,
) -> Matched:
    """Pair a folder's videos with prompts: `{prompt}-{index}.mp4`, by the prompt's text or by its id.

    videos_per_prompt: indices 0 to n - 1 of every prompt are expected, others are extra. None: every prompt
        is expected to have one video at least, and all that it has count.

    Raises:
        SpecError: no video belongs to any prompt, or two files claim one prompt and index.
    """
    by_name = {_plain(name): prompt for prompt in prompts for name in (prompt.text, prompt.id)}
    found: dict[tuple[str, int], Path] = {}
    extra: list[Path] = []
    for entry in entries:
        prompt = None if entry.prompt is None else by_name.get(_plain(entry.prompt))
        surplus = videos_per_prompt is not None and (entry.index or 0) >= videos_per_prompt
        if prompt is None or entry.index is None or surplus:
            extra.append(entry.path)
            continue
        key = prompt.id, entry.index
        if found.setdefault(key, entry.path) != entry.path:
            raise SpecError(
                f"{found[key].name} and {entry.path.name} in {folder} both claim to be video "
                f"{entry.index} of one prompt ({prompt.id}); keep one"
            )
    if not found:
        raise SpecError(
            f"{folder}: none of its {len(entries)} videos is called after one of the {len(prompts)} prompts; "
            f"names must be {{prompt}}-{{index}}.mp4, the first prompt is {prompts[0].text!r}"
        )
    expected = [
        PromptVideo(prompt, index, path or folder / _file_name(prompt, index), path is not None)
        for prompt in prompts
        for index, path in _of_prompt(prompt, found, videos_per_prompt)
    ]
    return Matched(tuple(expected), tuple(extra))


def _of_prompt(
    prompt: Prompt, found: dict[tuple[str, int], Path], videos_per_prompt: int | None
) -> list[tuple[int, Path | None]]:
    if videos_per_prompt is not None:
        return [(index, found.get((prompt.id, index))) for index in range(videos_per_prompt)]
    own = sorted((index, path) for (prompt_id, index), path in found.items() if prompt_id == prompt.id)
    return [*own] or [(0, None)]


def _file_name(prompt: Prompt, index: int) -> str:
    usable = len(prompt.text.encode()) <= _LONGEST_NAME_BYTES and "/" not in prompt.text
    return f"{prompt.text if usable else prompt.id}-{index}.mp4"


def _plain(name: str) -> str:
    """A name without what file systems change: the form of accents (macOS), a full stop at its end."""
    return unicodedata.normalize("NFC", name).strip().removesuffix(".")
