"""What a spec string refers to on this machine, by content: source files, weights, folders."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vtok_eval.environments.spec import interpreter_in
from vtok_eval.errors import SpecError
from vtok_eval.files.content_hash import content_sha256, path_sha256
from vtok_eval.specs.grammar import parse_options
from vtok_eval.specs.neighbours import PREFIX
from vtok_eval.specs.sources import Sources, is_own, sources_of

_SEPARATORS = re.compile(r"[:,=()@]")
_MODEL_FILES = ("config.json", "*.safetensors", "*.pt", "*.pth", "*.ckpt", "*.bin")


@dataclass(frozen=True)
class Content:
    """What specs refer to, by content.

    sources: of Python files in them (`Sources.files`). files: name -> SHA-256 of every other file or folder.
    names: each path as it is written -> its last part, for texts that must not depend on where a file is.
    ours: modules of this program that the Python files import.

    Example:
        >>> Content(files={"w.pt": "9f86d0..."}).facts()
        {'files': {'w.pt': '9f86d0...'}}
    """

    sources: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    ours: frozenset[str] = frozenset()

    def facts(self) -> dict[str, object]:
        """What a description keeps of it."""
        kept = {"sources": self.sources, "files": self.files}
        return {key: value for key, value in kept.items() if value}


def content_of(specs: Iterable[str]) -> Content:
    """The files and folders that spec strings, or option values, name.

    A value counts where a file of that name is there. A folder counts where it is written with a slash, or
    holds a model.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "w.pt").write_bytes(b"weights")
        >>> found = content_of([f"my_class:checkpoint={folder / 'w.pt'},width=8"])
        >>> list(found.files), found.names == {str(folder / "w.pt"): "w.pt"}
        (['w.pt'], True)
    """
    sources: dict[str, str] = {}
    files: dict[str, str] = {}
    names: dict[str, str] = {}
    ours: frozenset[str] = frozenset()
    specs = list(specs)
    for interpreter in filter(None, map(interpreter_in, specs)):
        # Another environment is known by its versions, which its worker states; its files are not hashed.
        names[interpreter] = Path(interpreter).name
    specs = [spec.replace(f"{interpreter_in(spec)}@", "@") for spec in specs]
    for text in dict.fromkeys(piece for spec in specs for piece in _pieces(spec)):
        path = Path(text).expanduser()
        if not _counts(text, path):
            continue
        names[text] = path.resolve().name
        if path.suffix == ".py":
            found = sources_of(path)
            sources |= found.files
            ours |= found.ours
        else:
            files[_free(names[text], files)] = path_sha256(path)
    return Content(sources, files, names, ours)


def class_content(cls: type) -> Sources:
    """The sources of a class in the user's own folders; empty for any other.

    Example:
        >>> class_content(Path).files  # a class of the standard library has no sources of the user's
        {}
    """
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None or not Path(file).is_file() or not is_own(Path(file)):
        return Sources()
    return sources_of(Path(file))


def class_name(cls: type) -> str:
    """MODULE:CLASS; of a user's file, the file's name in the place of the module's, which is private.

    Example:
        >>> class_name(Content)
        'vtok_eval.specs.content:Content'
    """
    if not cls.__module__.startswith(PREFIX):
        return f"{cls.__module__}:{cls.__qualname__}"
    return f"{Path(str(sys.modules[cls.__module__].__file__)).name}:{cls.__qualname__}"


def class_facts(cls: type) -> dict[str, object]:
    """What a description keeps of a class that is not this program's: its file's hash, its own sources.

    Example:
        >>> sorted(class_facts(Content))
        ['source_sha256']
    """
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None or not Path(file).is_file():
        return {}
    sources = class_content(cls).files
    own = {"sources": sources} if sources else {}
    return {"source_sha256": content_sha256(Path(file)), **own}


def _pieces(spec: str) -> Iterator[str]:
    yield spec
    yield from _SEPARATORS.split(spec)
    for found in re.finditer(":", spec):
        # Whole values of options, which may hold any separator, in parentheses.
        try:
            options = parse_options(spec[found.end() :], spec=spec, subject="subject")
        except SpecError:
            continue  # what follows this colon is not a list of options
        yield from options.values()


def _counts(text: str, path: Path) -> bool:
    try:
        if not text.strip() or not path.exists():
            return False
        if path.is_file():
            return True
        return "/" in text or any(any(path.glob(pattern)) for pattern in _MODEL_FILES)
    except (OSError, ValueError):
        return False  # a text that no file can be called


def _free(name: str, taken: Iterable[str]) -> str:
    return name if name not in taken else _free(f"{name}'", taken)
