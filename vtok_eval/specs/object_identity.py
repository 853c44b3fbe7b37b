"""A hash of what a Python object is: its class's code, its weights, and its other attributes.

It identifies objects that are passed to `vtok_eval.evaluate` in place of a spec. Two objects share a hash
only if they run the same code on the same values. Equal objects can have different hashes, for example after
another function of their module has changed; that costs a measurement and never gives a wrong one.
"""

from __future__ import annotations

import copyreg
import functools
import hashlib
import inspect
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING

from vtok_eval.environments.worker.weights import tensor_bytes, weights_sha256
from vtok_eval.errors import SpecError
from vtok_eval.files.hashing import sha256_file
from vtok_eval.specs.python_code import NOT_STATE, is_library, names_in, slots_of

if TYPE_CHECKING:
    import numpy as np
    import torch


def object_sha256(subject: object, *, what: str) -> str:
    """The SHA-256, in hex, of an object's code, weights and attributes.

    A class or function of an installed package counts by its name and the package's version is in the run's
    provenance; the code of any other is read, with what it refers to in its own modules.

    Args:
        subject: any object; modules of torch, tensors, arrays, functions and plain attributes are understood.
        what: its name in errors.

    Raises:
        SpecError: an attribute's content cannot be read (an open file, a client of a server).

    Example:
        >>> class Scale:
        ...     def __init__(self, by): self.by = by
        >>> object_sha256(Scale(2), what="a") == object_sha256(Scale(2), what="b")
        True
        >>> object_sha256(Scale(2), what="a") == object_sha256(Scale(3), what="a")
        False
    """
    reader = _Reader()
    reader.read(subject, path=what)
    return reader.hexdigest()


def state_facts(subject: object) -> dict[str, object]:
    """`state_sha256` of the weights that an object holds; nothing where it holds none.

    Weights are the `state_dict` of the object, where it is a `torch.nn.Module`, and of its attributes that
    are modules, and attributes that are tensors or numpy arrays. Files that a constructor reads by a path of
    its own are thus seen by what was read.

    Example:
        >>> import torch
        >>> class Mine:
        ...     def __init__(self, fill):
        ...         self.weight = torch.full((2, 2), fill)
        >>> state_facts(Mine(0.0)) == state_facts(Mine(0.0)), state_facts(Mine(0.0)) == state_facts(Mine(1.0))
        (True, False)
    """
    found = weights_sha256(subject)
    return {"state_sha256": found} if found else {}


class _Reader:
    """Feeds one hash with an object, each part under a tag so that different contents differ."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._seen: dict[int, int] = {}
        self._kept: list[object] = []
        """Everything seen stays alive, so that no later object gets the same id."""

    def hexdigest(self) -> str:
        """What was read so far."""
        return self._hash.hexdigest()

    def _say(self, tag: str, content: bytes | str = b"") -> None:
        data = content.encode() if isinstance(content, str) else content
        self._hash.update(f"{tag}:{len(data)}:".encode())
        self._hash.update(data)

    def read(self, value: object, *, path: str) -> None:
        """Add a value; path: where it is, for errors."""
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            self._say(type(value).__name__, value if isinstance(value, bytes) else repr(value))
            return
        if id(value) in self._seen:
            self._say("again", str(self._seen[id(value)]))
            return
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)
        readers = (self._read_code, self._read_plain, self._read_torch)
        if not any(read(value, path) for read in readers):
            self._read_object(value, path)

    def _read_code(self, value: object, path: str) -> bool:
        """Functions, classes and modules."""
        if isinstance(value, BuiltinFunctionType):
            self._say("built-in", f"{value.__module__}.{value.__qualname__}")
        elif isinstance(value, ModuleType):
            self._read_module(value)
        elif isinstance(value, type):
            self._read_class(value, path)
        elif isinstance(value, FunctionType):
            self._read_function(value, path)
        elif isinstance(value, MethodType):
            self._say("method")
            self.read(value.__func__, path=path)
            self.read(value.__self__, path=path)
        elif isinstance(value, functools.partial):
            self._say("partial")
            for part in (value.func, value.args, value.keywords):
                self.read(part, path=path)
        elif isinstance(value, staticmethod | classmethod):
            self._say(type(value).__name__)
            self.read(value.__func__, path=path)
        elif isinstance(value, property):
            self._say("property")
            for accessor in (value.fget, value.fset, value.fdel):
                self.read(accessor, path=path)
        else:
            return False
        return True

    def _read_plain(self, value: object, path: str) -> bool:
        """Containers, paths and members of enumerations."""
        if isinstance(value, Enum):
            self._say("enum", f"{type(value).__qualname__}.{value.name}")
        elif isinstance(value, Path):
            self._say("path", sha256_file(value) if value.is_file() else str(value))
        elif isinstance(value, Mapping):
            self._say("mapping", str(len(value)))
            for key, entry in value.items():
                self.read(key, path=path)
                self.read(entry, path=f"{path}[{key!r}]")
        elif isinstance(value, list | tuple):
            self._say(type(value).__name__, str(len(value)))
            for i, entry in enumerate(value):
                self.read(entry, path=f"{path}[{i}]")
        elif isinstance(value, set | frozenset):
            self._say("set", "\0".join(sorted(map(repr, value))))
        else:
            return False
        return True

    def _read_torch(self, value: object, path: str) -> bool:
        """Tensors, arrays, generators and modules; of packages that are not loaded there are none."""
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
            self._read_array(numpy.asarray(value), path)
        elif torch is None:
            return False
        elif isinstance(value, torch.Tensor):
            self._read_tensor(value, path)
        elif isinstance(value, torch.dtype | torch.device | torch.Size | torch.layout):
            self._say(type(value).__name__, str(value))
        elif isinstance(value, torch.Generator):
            self._read_tensor(value.get_state(), path)
        elif isinstance(value, torch.nn.Module):
            self._read_torch_module(value, path)
        else:
            return False
        return True

    def _read_array(self, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], path: str) -> None:
        if array.dtype.hasobject:
            raise SpecError(_unreadable(path, "an array of Python objects"))
        self._say("array", f"{array.dtype.str}{array.shape}")
        self._say("data", array.tobytes())

    def _read_tensor(self, tensor: torch.Tensor, path: str) -> None:
        import torch

        if tensor.is_meta or tensor.layout is not torch.strided or tensor.is_quantized:
            raise SpecError(_unreadable(path, f"a {tensor.layout} tensor on {tensor.device}"))
        self._say("tensor", f"{tensor.dtype}{tuple(tensor.shape)}")
        self._say("data", tensor_bytes(tensor))

    def _read_torch_module(self, module: torch.nn.Module, path: str) -> None:
        import torch

        self._say("module", f"training={module.training}")
        self._read_class(type(module), path)
        own = vars(torch.nn.Module())
        for kind in ("_parameters", "_buffers", "_modules"):
            for name, entry in vars(module)[kind].items():
                self._say("name", name)
                self.read(entry, path=f"{path}.{name}")
        self._read_attributes({n: v for n, v in vars(module).items() if n not in own}, path)
        hooks = [n for n, v in vars(module).items() if n.endswith("_hooks") and isinstance(v, Mapping) and v]
        for name in hooks:
            # The keys count the hooks of the whole process.
            self._read_plain(list(vars(module)[name].values()), f"{path}.{name}")

    def _read_object(self, value: object, path: str) -> None:
        """Any other object: its class and its attributes, or what pickle would keep of a library's object."""
        if is_library(type(value)):
            self._read_pickled(value, path)
            return
        slots = [name for cls in type(value).__mro__ for name in slots_of(cls) if hasattr(value, name)]
        self._say("object")
        self._read_class(type(value), path)
        own = getattr(value, "__dict__", {})
        self._read_attributes({**own, **{name: getattr(value, name) for name in slots}}, path)

    def _read_pickled(self, value: object, path: str) -> None:
        """An object whose state may be hidden in C code: what it says of itself to pickle."""
        try:
            known = copyreg.dispatch_table.get(type(value))
            reduced = value.__reduce_ex__(4) if known is None else known(value)
        except Exception as error:
            raise SpecError(_unreadable(path, f"a {type(value).__name__}")) from error
        self._say("pickled", f"{type(value).__module__}.{type(value).__qualname__}")
        parts = (reduced,) if isinstance(reduced, str) else reduced
        for place, part in enumerate(parts):
            # The fourth and fifth are iterators over a list's or mapping's entries.
            self.read(list(part) if place > 2 and part is not None else part, path=path)

    def _read_attributes(self, attributes: Mapping[str, object], path: str) -> None:
        for name in sorted(attributes):
            self._say("name", name)
            self.read(attributes[name], path=f"{path}.{name}")

    def _read_class(self, cls: type, path: str) -> None:
        self._say("class", f"{cls.__qualname__}")
        if is_library(cls):
            self._say("library", cls.__module__)
            return
        if id(cls) in self._seen and self._seen[id(cls)] < 0:
            return
        self._seen[id(cls)] = -1
        self._kept.append(cls)
        for base in cls.__bases__:
            self._read_class(base, path)
        for name in sorted(set(vars(cls)) - NOT_STATE):
            self._read_member(vars(cls)[name], name, path)

    def _read_member(self, member: object, name: str, path: str) -> None:
        """A member of a class; of descriptors that Python makes, only that they are there."""
        self._say("name", name)
        if inspect.isdatadescriptor(member) and not isinstance(member, property):
            return
        if name.startswith("__") and not isinstance(member, FunctionType | staticmethod | classmethod):
            return
        if name.startswith("_abc"):
            return
        self.read(member, path=f"{path}.{name}")

    def _read_module(self, module: ModuleType) -> None:
        file = getattr(module, "__file__", None)
        self._say("module", module.__name__)
        if file is not None and not is_library(module) and Path(file).is_file():
            self._say("source", sha256_file(Path(file)))

    def _read_function(self, function: FunctionType, path: str) -> None:
        self._say("function", function.__qualname__)
        if is_library(function):
            self._say("library", function.__module__ or "")
            return
        self._read_code_object(function.__code__, path)
        for part in (function.__defaults__, function.__kwdefaults__):
            self.read(part, path=path)
        for cell in function.__closure__ or ():
            try:
                self.read(cell.cell_contents, path=path)
            except ValueError:  # a cell that is not filled yet
                self._say("empty cell")
        for name in names_in(function.__code__):
            if name in function.__globals__:
                self._say("global", name)
                self.read(function.__globals__[name], path=f"{path}:{name}")

    def _read_code_object(self, code: CodeType, path: str) -> None:
        self._say("code", code.co_code)
        self._say("names", "\0".join((*code.co_names, *code.co_varnames, *code.co_freevars)))
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._read_code_object(constant, path)
            else:
                self.read(constant, path=path)


def _unreadable(path: str, content: str) -> str:
    return (
        f"the content of {path} cannot be identified: it is {content}; "
        "name the object's version yourself with identity={name: text}"
    )
