"""Which videos a run expects and on which dimensions each counts: VBench's own prompts, or the user's."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.vbench.dimensions import Dimension, dimension
from vtok_eval.errors import MissingDependencyError, SpecError, VtokEvalError
from vtok_eval.files.strict_json import JsonValue, parse_json
from vtok_eval.files.text_files import numbered_lines, read_text
from vtok_eval.video.folder import VIDEO_SUFFIXES, VideoEntry, composed

VIDEOS_PER_PROMPT = 5
VIDEOS_BEFORE_FILTER = 25
"""Videos per prompt that the reference requires for temporal flickering; a filter keeps 5 still ones."""

INFO_FILE = "VBench_full_info.json"


@dataclass(frozen=True)
class VBenchPrompt:
    """A prompt, the dimensions it is for, and its structured information by dimension."""

    text: str
    dimensions: tuple[str, ...]
    information: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ExpectedVideo:
    """A video that a run scores, or misses: then `path` is where it should be.

    entry: as its system lists it; None where the system has no such video.
    earlier: the same prompt's videos that come before it, where only the first still ones count.
    """

    path: Path
    prompt: VBenchPrompt
    index: int | None
    entry: VideoEntry | None = None
    earlier: tuple[Path, ...] = ()


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


def read_prompts(path: Path) -> list[VBenchPrompt]:
    """Read a list of prompts in the form of VBench_full_info.json; repeated texts are merged.

    Raises:
        VtokEvalError: it cannot be read or has another form; names the entry.
        UnknownNameError: a dimension that does not exist.
    """
    entries: object = parse_json(read_text(path, error=VtokEvalError), where=str(path), error=VtokEvalError)
    if not isinstance(entries, list):
        raise VtokEvalError(f"{path}: must be a list of prompts in the form of {INFO_FILE}")
    merged: dict[str, VBenchPrompt] = {}
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict) or not {"prompt_en", "dimension"} <= set(entry):
            raise VtokEvalError(f"{path}: entry {place} needs prompt_en and dimension")
        names = tuple(dimension(str(name)).name for name in entry["dimension"])
        known = merged.get(entry["prompt_en"], VBenchPrompt(entry["prompt_en"], ()))
        merged[known.text] = VBenchPrompt(
            text=known.text,
            dimensions=tuple(dict.fromkeys([*known.dimensions, *names])),
            information={**known.information, **entry.get("auxiliary_info", {})},
        )
    return list(merged.values())


def read_information(path: Path) -> dict[str, dict[str, object]]:
    """Read the structured information of a user's prompts: `{prompt: {dimension: {...}}}`.

    The entry of a dimension has the form of `auxiliary_info` in VBench_full_info.json.

    Raises:
        VtokEvalError: it cannot be read or has another form.
    """
    content: object = parse_json(read_text(path, error=VtokEvalError), where=str(path), error=VtokEvalError)
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise VtokEvalError(f"{path}: must be an object {{prompt: {{dimension: {{...}}}}}}")
    return content


def asked_for(information: Mapping[str, object], name: str, key: str | None = None, *, prompt: str) -> object:
    """What a prompt's structured information says under a dimension and its key.

    VBench's list nests it one to three deep ({"scene": {"scene": {"scene": "alley"}}}); any depth will do.

    Raises:
        SpecError: it says nothing there.
    """
    found: object = information
    while isinstance(found, Mapping) and (name in found or key in found):
        found = found[name] if name in found else found[key]
    if found is information or not found or (key is not None and isinstance(found, Mapping)):
        raise SpecError(f"{name} needs to know the {key or name} that {prompt!r} asks for; it is not given")
    return found


def read_prompt_list(path: Path) -> list[str]:
    """A user's prompts: a text file, one on each line, or a JSON list of texts or of `{"prompt_en": text}`.

    A repeated prompt counts once.

    Raises:
        VtokEvalError: it cannot be read, has another form, or holds no prompt.
    """
    text = read_text(path, error=VtokEvalError)
    content: JsonValue
    if path.suffix.lower() == ".json":
        content = parse_json(text, where=str(path), error=VtokEvalError)
    else:
        content = [line for _, line in numbered_lines(text)]
    if not isinstance(content, list):
        raise VtokEvalError(f"{path}: must be a list of prompts")
    prompts = []
    for place, entry in enumerate(content):
        found = entry.get("prompt_en", entry.get("prompt")) if isinstance(entry, dict) else entry
        if not isinstance(found, str):
            raise VtokEvalError(f"{path}: entry {place} is not a prompt and has none under 'prompt_en'")
        prompts.append(found.strip())
    known = [prompt for prompt in dict.fromkeys(prompts) if prompt]
    if not known:
        raise VtokEvalError(f"{path}: holds no prompt")
    return known


def wanted_of(prompt: VBenchPrompt, chosen: Sequence[Dimension]) -> VBenchPrompt | None:
    """A prompt with those of its dimensions that are chosen; None where there are none."""
    names = {entry.name for entry in chosen}
    counted = tuple(name for name in prompt.dimensions if name in names)
    return VBenchPrompt(prompt.text, counted, prompt.information) if counted else None


def videos_of(prompt: VBenchPrompt, *, filtered: bool) -> int:
    """How many videos of a prompt the standard protocol requires."""
    return (
        VIDEOS_BEFORE_FILTER if filtered and "temporal_flickering" in prompt.dimensions else VIDEOS_PER_PROMPT
    )


def standard(
    entries: Sequence[VideoEntry], prompts: Iterable[VBenchPrompt], *, folder: Path, filtered: bool = False
) -> list[ExpectedVideo]:
    """VBench's standard mode: 5 videos of every prompt (see `wanted_of`), 25 where still ones are filtered.

    A missing video is still expected, so that it is counted as missing. Videos of other
    prompts, or with a higher index, are not scored, as in the reference.

    Raises:
        SpecError: no video is called after any of the prompts, or two files claim one prompt and index.
    """
    found: dict[tuple[str | None, int | None], VideoEntry] = {}
    for entry in entries:
        if entry.prompt is not None and entry.index is not None:
            _enter(found, (composed(entry.prompt), entry.index), entry)
    expected: list[ExpectedVideo] = []
    for prompt in prompts:
        earlier: list[Path] = []
        # Where only the first still ones count, the reference takes the names in alphabetical order.
        for index in sorted(range(videos_of(prompt, filtered=filtered)), key=str):
            known = found.get((composed(prompt.text), index))
            path = folder / f"{prompt.text}-{index}.mp4" if known is None else known.path
            expected.append(ExpectedVideo(path, prompt, index, known, tuple(earlier) if filtered else ()))
            earlier.append(path)
    if all(each.entry is None for each in expected):
        raise SpecError(
            f"{folder}: no video is called after one of VBench's prompts ({{prompt}}-{{index}}.mp4); for "
            f"videos of your own prompts set the option mode to custom"
        )
    return expected


def custom(
    entries: Sequence[VideoEntry],
    chosen: Sequence[Dimension],
    information: Mapping[str, Mapping[str, object]],
    *,
    forgiving: bool = False,
) -> list[ExpectedVideo]:
    """The user's own videos, each on every chosen dimension; the prompt of a file without one is its name.

    forgiving: where a prompt lacks what a dimension needs to know, its videos are not scored on it.

    Raises:
        SpecError: a dimension needs structured information that a prompt lacks, or two files have one name
            but for their extension.
    """
    expected = []
    found: dict[tuple[str | None, int | None], VideoEntry] = {}
    informed = {composed(prompt): about for prompt, about in information.items()}
    for entry in entries:
        text = composed(_stem(entry.path) if entry.prompt is None else entry.prompt)
        if entry.prompt is None:  # in two folders there may be two of one name
            _enter(found, (str(entry.path.with_name(text)), None), entry)
        elif entry.index is not None:
            _enter(found, (text, entry.index), entry)
        known = informed.get(text, {})
        lacking = {each.name: each for each in chosen if each.information and each.name not in known}
        if lacking and not forgiving:
            each = next(iter(lacking.values()))
            raise SpecError(
                f"{each.name} needs to know the {each.information} that {text!r} asks for; give it with "
                f"the option information, a JSON file {{prompt: {{{each.name!r}: ...}}}}"
            )
        names = tuple(each.name for each in chosen if each.name not in lacking)
        expected.append(ExpectedVideo(entry.path, VBenchPrompt(text, names, known), entry.index, entry))
    return expected


def _stem(path: Path) -> str:
    """The name without its extension; a folder of frames has none."""
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name


def _enter(
    found: dict[tuple[str | None, int | None], VideoEntry],
    key: tuple[str | None, int | None],
    entry: VideoEntry,
) -> None:
    other = found.setdefault(key, entry)
    if other.path != entry.path:
        what = "the same video" if key[1] is None else f"video {key[1]} of one prompt"
        raise SpecError(f"{other.path} and {entry.path} both claim to be {what}; keep one")
