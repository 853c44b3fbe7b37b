"""A user's own class (tokenizer, generator, answerer, judge), found in a file or an importable module."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from types import ModuleType
from typing import Any

from vtok_eval.errors import SpecError, UnknownNameError, VtokEvalError, one_line
from vtok_eval.registry import TOKENIZERS
from vtok_eval.specs.neighbours import neighbours_of


def load_user_class(
    name: str, *, method: str = "encode", what: str = "tokenizer", known: Collection[str] | None = None
) -> Callable[..., Any]:  # Any: it makes whatever the user wrote
    r"""The class (or function that makes an object) of `FILE.py:Class` or `package.module:Class`.

    The file's code can import the modules next to it, as in a script; no other code sees them.

    Args:
        name: file or module, and class.
        method: the method its objects must have; if the class does not exist, the error names those with it.
        what: what the class should be, for errors.
        known: registered names that may have been meant instead; tokenizers' by default.

    Raises:
        SpecError: no such file or module, or its code raises when imported.
        UnknownNameError: it has no such class.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> file = Path(tempfile.mkdtemp()) / "mine.py"
        >>> _ = file.write_text("class Mine:\n    def encode(self, clips): ...")
        >>> load_user_class(f"{file}:Mine", method="encode", what="tokenizer", known=()).__name__
        'Mine'
    """
    where, _, attribute = name.partition(":")
    module = (
        _load_file(Path(where))
        if where.endswith(".py")
        else _import_module(where, what, TOKENIZERS if known is None else known)
    )
    found = getattr(module, attribute, None)
    if not callable(found):
        known = [key for key, value in vars(module).items() if hasattr(value, method) and callable(value)]
        raise UnknownNameError(what=f"class in {where}", name=attribute, known=known)
    result: Callable[..., Any] = found
    return result


def _load_file(path: Path) -> ModuleType:
    path = path.expanduser()
    if not path.is_file():
        raise SpecError(f"no file {path} (looked from {Path.cwd()})")
    source = path.read_bytes()
    neighbours = neighbours_of(path.parent)
    code_hash = hashlib.blake2b(str(path.resolve()).encode() + source, digest_size=8).hexdigest()
    name = f"{neighbours.package}_{path.stem}_{code_hash}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    module.__package__ = neighbours.package
    module.__dict__["__builtins__"] = neighbours.builtins()
    # Registered before it runs: dataclasses and pickle look their module up by name, and a neighbour that
    # imports this file gets this module.
    sys.modules[name] = module
    sys.modules[f"{neighbours.package}.{path.stem}"] = module
    try:
        # Compiled here, past Python's cache: that takes a file changed within a second for the old one.
        exec(compile(source, str(path), "exec"), vars(module))
    except Exception as error:
        del sys.modules[name], sys.modules[f"{neighbours.package}.{path.stem}"]
        raise _import_failed(str(path), error) from error
    return module


def _import_module(name: str, what: str, known: Collection[str]) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.split(".")[0] == error.name:
            others = f"neither a {what} ({', '.join(known)}) nor" if known else "not"
            raise SpecError(f"{name!r} is {others} a module that can be imported") from error
        raise _import_failed(name, error) from error
    except Exception as error:
        raise _import_failed(name, error) from error


def _import_failed(what: str, error: Exception) -> VtokEvalError:
    hint = ""
    if isinstance(error, ModuleNotFoundError) and what.endswith(".py"):
        hint = f"; install it here, or name the environment that has it: exec:PYTHON@{what}:Class"
    return SpecError(f"{what} cannot be imported: {one_line(error)}{hint}")
