"""The sources of a user's code: a file and all that it imports from the user's own folders."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from vtok_eval.files.content_hash import content_sha256

OURS = frozenset({"vtok_eval", "benchmarks", "tv_align", "reports"})
"""Packages of this program."""
_SUFFIXES = (".py", *importlib.machinery.EXTENSION_SUFFIXES)


@dataclass(frozen=True)
class Sources:
    """What a user's file consists of.

    files: by name (its path from the file's folder, or from where Python found the module): SHA-256.
    ours: modules of this program that the files import.

    Example:
        >>> Sources(files={"mine.py": "9f86d0..."}, ours=frozenset({"vtok_eval.data"})).files
        {'mine.py': '9f86d0...'}
    """

    files: dict[str, str] = field(default_factory=dict)
    ours: frozenset[str] = frozenset()


def sources_of(file: Path) -> Sources:
    """The file and every module of the user's own folders that it imports, directly or through others.

    Imports are read from the source, those inside functions too, so that code need not run to be found.
    A neighbour (a module next to the file) comes before an installed module of its name, as it does when the
    file runs. Installed packages and the standard library are left out. A module that is loaded by a name
    that is computed, and a file that is opened, cannot be detected here.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "helper.py").write_text("WIDTH = 8")
        >>> _ = (folder / "mine.py").write_text("def f():\\n    from helper import WIDTH")
        >>> sorted(sources_of(folder / "mine.py").files)
        ['helper.py', 'mine.py']
    """
    walk = _Walk(file.resolve().parent)
    walk.visit(_Module(file.resolve(), file.name, ()))
    return Sources({name: content_sha256(path) for name, path in sorted(walk.found.items())}, walk.ours)


def is_own(path: Path) -> bool:
    """Whether a module's file is the user's own: neither installed, nor Python's, nor this program's.

    Example:
        >>> import json
        >>> is_own(Path(json.__file__)), is_own(Path(__file__)), is_own(Path("/home/me/mine.py"))
        (False, False, True)
    """
    resolved = path.resolve()
    if {"site-packages", "dist-packages"} & set(resolved.parts):
        return False
    return not any(resolved.is_relative_to(folder) for folder in _folders_of_others())


@lru_cache
def _folders_of_others() -> tuple[Path, ...]:
    places = sysconfig.get_paths()
    ours = [Path(str(spec.origin)).parent for name in OURS if (spec := _spec(name)) and spec.origin]
    return (*(Path(places[key]).resolve() for key in ("stdlib", "platstdlib")), *(p.resolve() for p in ours))


@dataclass(frozen=True)
class _Module:
    """A file, its name in `Sources.files`, and the packages from the root folder to it."""

    file: Path
    name: str
    package: tuple[str, ...]
    root: Path | None = None


class _Walk:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found: dict[str, Path] = {}
        self._seen: set[Path] = set()
        self.ours: frozenset[str] = frozenset()

    def visit(self, start: _Module) -> None:
        waiting = [start]
        while waiting:
            module = waiting.pop()
            if module.file in self._seen:
                continue
            self._seen.add(module.file)
            self.found[module.name] = module.file
            if module.file.suffix == ".py":
                waiting += self._imported_by(module)

    def _imported_by(self, module: _Module) -> Iterator[_Module]:
        root = module.root or self._folder
        for level, name in imports_in(module.file.read_bytes()):
            parts = tuple(part for part in name.split(".") if part)
            if level:
                base = module.package[: len(module.package) - (level - 1)] if level > 1 else module.package
                yield from _modules_below(root, (*base, *parts))
            elif parts and parts[0] in OURS:
                self.ours |= {name}
            elif parts:
                yield from self._absolute(parts)

    def _absolute(self, parts: tuple[str, ...]) -> Iterator[_Module]:
        own = list(_modules_below(self._folder, parts))
        if own:
            yield from own
            return
        spec = _spec(parts[0]) if parts[0] not in sys.stdlib_module_names else None
        if spec is None:
            return
        for location in spec.submodule_search_locations or ():
            if is_own(Path(location)):
                yield from _modules_below(Path(location).parent, parts)
        if spec.has_location and not spec.submodule_search_locations and is_own(Path(str(spec.origin))):
            yield from _modules_below(Path(str(spec.origin)).parent, parts)


def imports_in(source: bytes) -> Iterator[tuple[int, str]]:
    """Each import in a source, as its level (0: absolute) and the dotted name of what may be a module.

    `from a import b` gives "a.b", since b may be a module; `import_module("a")` with a literal counts.
    Nothing for a source with a syntax error.

    Example:
        >>> list(imports_in(b"from .nets import Encoder; import torch"))
        [(1, 'nets.Encoder'), (0, 'torch')]
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # importing it will raise, and say where
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.level, ".".join(part for part in (node.module, alias.name) if part)
        elif isinstance(node, ast.Call) and node.args and _imports_by_name(node.func):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield 0, first.value


def _imports_by_name(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"import_module", "__import__"}


def _modules_below(root: Path, parts: tuple[str, ...]) -> Iterator[_Module]:
    """The files that importing `a.b.c` from a folder runs: a/__init__.py, a/b/__init__.py, a/b/c.py."""
    for length in range(1, len(parts) + 1):
        base = root.joinpath(*parts[:length])
        found = next((file for file in _candidates(base) if file.is_file()), None)
        if found is None:
            if not base.is_dir():
                return  # the rest are names in the last module, not modules
            continue
        is_package = found.name == "__init__.py"
        package = parts[:length] if is_package else parts[: length - 1]
        name = Path(os.path.relpath(found, root)).as_posix()
        yield _Module(found.resolve(), name, package, root)


def _candidates(base: Path) -> Iterator[Path]:
    yield base / "__init__.py"
    yield from (base.with_name(f"{base.name}{suffix}") for suffix in _SUFFIXES)


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """Where Python finds a top-level module, without importing it."""
    try:
        return importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
