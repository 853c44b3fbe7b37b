"""Import of the modules that are next to a user's file, seen by that file's code alone.

Each folder of user files becomes a package of its own with a private name. An `import helper` in a file of
that folder, or in a module it imports, means the folder's `helper`, as if the file had been run as a script;
the rest of the program, and user files in other folders, go on to find what they found before.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

PREFIX = "vtok_eval_user_"
_OURS = frozenset({"vtok_eval", "benchmarks", "tv_align", "reports"})
"""Never a neighbour: a second copy of our own classes would fail every isinstance check."""
_EXTENSIONS = importlib.machinery.EXTENSION_SUFFIXES


@dataclass(frozen=True)
class Neighbours:
    """The modules of a folder, as a package called `package`.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "helper.py").write_text("WIDTH = 8")
        >>> code = "from helper import WIDTH"
        >>> names = {"__builtins__": neighbours_of(folder).builtins()}
        >>> exec(code, names)
        >>> names["WIDTH"], "helper" in sys.modules
        (8, False)
    """

    folder: Path
    package: str

    def builtins(self) -> dict[str, object]:
        """The built-in names for code of this folder: an import statement looks here for `__import__`."""
        return {**vars(builtins), "__import__": self._import}

    def has(self, name: str) -> bool:
        """Whether the folder has a module or package of this name that is not found in it anyway."""
        if name in _OURS:
            return False
        path = self.folder / name
        suffixes = (".py", *_EXTENSIONS)
        files = [path / "__init__.py", *(self.folder / f"{name}{suffix}" for suffix in suffixes)]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            is_namespace = path.is_dir() and any(path.glob("*.py"))
            return is_namespace and _global_file(name) is None and name not in sys.modules
        known = _global_file(name)
        return known is None or not found.samefile(known)

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level or not self.has(top):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        found = builtins.__import__(f"{self.package}.{name}", globals, locals, fromlist or (), 0)
        return found if fromlist else sys.modules[f"{self.package}.{top}"]


_by_package: dict[str, Neighbours] = {}
_hashes: dict[str, bytes] = {}
"""Of the source of each neighbour that was loaded, by its module's full name."""


def neighbours_of(folder: Path) -> Neighbours:
    """The modules of a folder; a new package if the source of a loaded module has changed.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "helper.py").write_text("WIDTH = 8")
        >>> found = neighbours_of(folder)
        >>> found.has("helper"), found.has("json")
        (True, False)
    """
    folder = folder.resolve()
    digest = hashlib.blake2b(str(folder).encode(), digest_size=8).hexdigest()
    generation = 0
    while (package := f"{PREFIX}{digest}_{generation}") in _by_package and _has_changed(package):
        generation += 1
    if package in _by_package:
        return _by_package[package]
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())  # before the usual finder, which would find them too
    module = ModuleType(package)
    module.__path__ = [str(folder)]
    sys.modules[package] = module
    _by_package[package] = Neighbours(folder, package)
    return _by_package[package]


class _Finder:
    """Finds modules of the private packages and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package = fullname.partition(".")[0]
        if package not in _by_package:
            return None
        loaders = [
            (_Loader, importlib.machinery.SOURCE_SUFFIXES),
            (importlib.machinery.ExtensionFileLoader, _EXTENSIONS),
        ]
        for folder in path or ():
            spec = importlib.machinery.FileFinder(folder, *loaders).find_spec(fullname)
            if spec is not None and (spec.loader is not None or spec.submodule_search_locations):
                return spec
        return None


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a neighbour from its source, and lets it import the neighbours too."""

    def get_code(self, fullname: str) -> CodeType | None:
        # Past Python's cache, which takes a file that was changed within a second for the old one.
        source = self.get_data(self.path)
        _hashes[fullname] = hashlib.blake2b(source).digest()
        code: CodeType = self.source_to_code(source, self.path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = _by_package[module.__name__.partition(".")[0]].builtins()
        super().exec_module(module)


def _has_changed(package: str) -> bool:
    """Whether the source of a module of this package has changed since it was loaded."""
    for name, known in _hashes.items():
        if not name.startswith(f"{package}."):
            continue
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None or not Path(file).is_file():
            return True
        if hashlib.blake2b(Path(file).read_bytes()).digest() != known:
            return True
    return False


def _global_file(name: str) -> Path | None:
    """The file that the name means to everybody else, if any."""
    module = sys.modules.get(name)
    try:
        spec = module.__spec__ if module is not None else importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    if spec is None or spec.origin in (None, "built-in", "frozen"):
        return None
    path = Path(str(spec.origin))
    return path if path.is_file() else None
