"""Reads prompt suites: the ones that are shipped, by name, or a user's or the official files, by path."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml
from pydantic import ValidationError

from tv_align.prompts.schema import PromptFile, PromptSuite
from tv_align.prompts.suite import suite_of
from vtok_eval.errors import SpecError
from vtok_eval.files.strict_json import JsonValue, parse_json
from vtok_eval.files.text_files import decode_text

SUITES = ("open", "scenes")
"""Names that `load_prompts` knows; anything else is the path of a file or of a folder of files."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it was built in: ten times as fast."""
_SUFFIXES = (".json", ".yaml", ".yml")


def load_prompts(source: str) -> PromptSuite:
    """The suite `source`: "open" (`tv-align-open`), "scenes" (`tv-align-scenes`), or a path.

    A path is a JSON or YAML file in the form of `PromptFile`, or a folder of such files of one suite.

    Raises:
        SpecError: there is no such name or file, or a file breaks the schema; names file, line and field.

    Example:
        >>> suite = load_prompts("open")
        >>> suite.name, len(suite.prompts) > 100
        ('tv-align-open', True)
    """
    if source == "scenes":
        from tv_align.scenes.prompts import scenes_suite

        return scenes_suite()
    if source == "open":
        return _suite(_files(resources.files("tv_align.prompts") / "open"))
    path = Path(source)
    if path.is_dir():
        return _suite(_files(path))
    if path.is_file():
        return _suite([path])
    raise SpecError(
        f"no prompts called {source!r}: give one of {', '.join(SUITES)}, or the path of a prompt file "
        "(JSON or YAML) or of a folder of them"
    )


def json_schema() -> dict[str, object]:
    """The JSON schema of a prompt file.

    Example:
        >>> sorted(json_schema()["required"])
        ['category', 'prompts', 'source', 'suite', 'version']
    """
    return PromptFile.model_json_schema()


def read_prompt_file(path: Traversable | Path) -> PromptFile:
    """One file.

    Raises:
        SpecError: it cannot be read or breaks the schema; names file, line and field.

    Example:
        >>> read_prompt_file(Path("no-such.yaml"))
        Traceback (most recent call last):
        vtok_eval.errors.SpecError: no-such.yaml: cannot be read as prompts ...
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read as prompts ({error})") from error
    text = decode_text(data, where=str(path), error=SpecError)
    root = _syntax_tree(path, text)
    try:
        content = _json(path, text) if _is_json(path) else yaml.load(text, Loader=_LOADER)
        return PromptFile.model_validate(content)
    except ValidationError as error:
        raise SpecError(_explain(path, root, error)) from error


def _files(folder: Traversable | Path) -> list[Traversable | Path]:
    files = [entry for entry in folder.iterdir() if entry.name.lower().endswith(_SUFFIXES)]
    if not files:
        raise SpecError(f"{folder}: no prompt file in this folder (looked for *{', *'.join(_SUFFIXES)})")
    return sorted(files, key=lambda entry: entry.name)


def _is_json(path: Traversable | Path) -> bool:
    return path.name.lower().endswith(".json")


def _json(path: Traversable | Path, text: str) -> JsonValue:
    return parse_json(text, where=str(path), error=SpecError)


def _suite(paths: Sequence[Traversable | Path]) -> PromptSuite:
    files = [read_prompt_file(path) for path in paths]
    try:
        return suite_of(files)
    except ValueError as error:
        raise SpecError(f"{', '.join(path.name for path in paths)}: {error}") from error


def _syntax_tree(path: Traversable | Path, text: str) -> yaml.Node:
    """The file's nodes with their lines. JSON is read as YAML here, in which a tab may not replace a space.

    Raises:
        SpecError: the syntax is wrong, or a key is repeated.
    """
    is_json = _is_json(path)
    if is_json:
        _json(path, text)
    try:
        root = yaml.compose(text.replace("\t", " ") if is_json else text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"{path}, line {line}: not YAML ({error.problem})") from error
    if root is None:
        raise SpecError(f"{path}: holds no prompts")
    _refuse_doubled_keys(path, root)
    return root


def _refuse_doubled_keys(path: Traversable | Path, node: yaml.Node) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_doubled_keys(path, item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            raise SpecError(f"{path}, line {key.start_mark.line + 1}: {key.value!r} occurs twice")
        seen.add(key.value)
        _refuse_doubled_keys(path, value)


def _explain(path: Traversable | Path, root: yaml.Node, error: ValidationError) -> str:
    """The first fault as one line: file, line, field, what is wrong; and how many more there are."""
    faults = error.errors()
    first = faults[0]
    field = ".".join(str(part) for part in first["loc"]) or "the file"
    given = "" if first["type"] in ("missing", "value_error") else f", not {str(first['input'])[:60]!r}"
    message = first["msg"].removeprefix("Value error, ")
    more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
    return f"{path}, line {_line(root, first['loc'])}: {field}: {message}{given}{more}"


def _line(root: yaml.Node, location: tuple[int | str, ...]) -> int:
    """The line, from 1, of the innermost node on the way to `location` that is there."""
    node, line = root, root.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        else:
            break
    result: int = line
    return result
