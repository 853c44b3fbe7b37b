"""Which videos a run expects and on which dimensions each counts: VBench's own prompts, or the user's."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.vbench.dimensions import Dimension, dimension
from vtok_eval.errors import MissingDependencyError, SpecError, VtokEvalError
from vtok_eval.video.folder import VideoEntry

VIDEOS_PER_PROMPT = 5
INFO_FILE = "VBench_full_info.json"


@dataclass(frozen=True)
class Prompt:
    """A prompt, the dimensions it is for, and its structured information by dimension."""

    text: str
    dimensions: tuple[str, ...]
    information: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Expected:
    """A video that a run scores, or misses: then `path` is where it should be."""

    path: Path
    prompt: Prompt
    index: int | None


def package_info_file() -> Path:
    """VBench's own list of prompts inside the installed package; found without importing it.

    Raises:
        MissingDependencyError: the package is not installed, or without the file.
    """
    try:
        files = importlib.metadata.files("vbench") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == INFO_FILE:
            return Path(str(file.locate()))
    raise MissingDependencyError(
        f"VBench's standard prompts need {INFO_FILE} of the package 'vbench'; or name a copy of it with the "
        f"option prompts"
    )


def read_prompts(path: Path) -> list[Prompt]:
    """Read a list of prompts in the form of VBench_full_info.json; a text that stands twice is merged.

    Raises:
        VtokEvalError: it cannot be read or has another form; names the entry.
        UnknownNameError: a dimension that does not exist.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise VtokEvalError(f"{path}: cannot be read as a list of prompts ({error})") from error
    if not isinstance(entries, list):
        raise VtokEvalError(f"{path}: must be a list of prompts in the form of {INFO_FILE}")
    merged: dict[str, Prompt] = {}
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict) or not {"prompt_en", "dimension"} <= set(entry):
            raise VtokEvalError(f"{path}: entry {place} needs prompt_en and dimension")
        names = tuple(dimension(str(name)).name for name in entry["dimension"])
        known = merged.get(entry["prompt_en"], Prompt(entry["prompt_en"], ()))
        merged[known.text] = Prompt(
            text=known.text,
            dimensions=tuple(dict.fromkeys([*known.dimensions, *names])),
            information={**known.information, **entry.get("auxiliary_info", {})},
        )
    return list(merged.values())


def read_information(path: Path) -> dict[str, dict[str, Any]]:
    """Read the structured information of a user's prompts: `{prompt: {dimension: {...}}}`.

    What stands under a dimension is as in `auxiliary_info` of VBench_full_info.json.

    Raises:
        VtokEvalError: it cannot be read or has another form.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise VtokEvalError(f"{path}: cannot be read as information on prompts ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise VtokEvalError(f"{path}: must be an object {{prompt: {{dimension: {{...}}}}}}")
    return content


def standard(
    entries: Sequence[VideoEntry], prompts: Iterable[Prompt], chosen: Sequence[Dimension], *, folder: Path
) -> list[Expected]:
    """VBench's standard mode: `VIDEOS_PER_PROMPT` videos of every prompt of the chosen dimensions.

    A video that is not there is expected all the same, so that it is counted as missing. Videos of other
    prompts, or with a higher index, are not scored, as in the reference.

    Raises:
        SpecError: no video is called after any of the prompts, or two files claim one prompt and index.
    """
    names = {entry.name for entry in chosen}
    found: dict[tuple[str | None, int | None], Path] = {}
    for entry in entries:
        key = entry.prompt, entry.index
        if None not in key and found.setdefault(key, entry.path) != entry.path:
            raise SpecError(
                f"{found[key]} and {entry.path} both claim to be video {entry.index} of one prompt; keep one"
            )
    expected = []
    for prompt in prompts:
        counted = tuple(name for name in prompt.dimensions if name in names)
        if not counted:
            continue
        wanted = Prompt(prompt.text, counted, prompt.information)
        for index in range(VIDEOS_PER_PROMPT):
            named = folder / f"{prompt.text}-{index}.mp4"
            expected.append(Expected(found.get((prompt.text, index), named), wanted, index))
    if not any((each.prompt.text, each.index) in found for each in expected):
        raise SpecError(
            f"{folder}: no video is called after one of VBench's prompts ({{prompt}}-{{index}}.mp4); for "
            f"videos of your own prompts set the option mode to custom"
        )
    return expected


def custom(
    entries: Sequence[VideoEntry], chosen: Sequence[Dimension], information: Mapping[str, Mapping[str, Any]]
) -> list[Expected]:
    """The user's own videos, each on every chosen dimension; a file without a prompt stands for its name.

    Raises:
        SpecError: a dimension needs structured information that a prompt lacks.
    """
    expected = []
    for entry in entries:
        text = entry.path.stem if entry.prompt is None else entry.prompt
        known = information.get(text, {})
        for each in chosen:
            if each.information and each.name not in known:
                raise SpecError(
                    f"{each.name} needs to know the {each.information} that {text!r} asks for; give it with "
                    f"the option information, a JSON file {{prompt: {{{each.name!r}: ...}}}}"
                )
        names = tuple(each.name for each in chosen)
        expected.append(Expected(entry.path, Prompt(text, names, known), entry.index))
    return expected
