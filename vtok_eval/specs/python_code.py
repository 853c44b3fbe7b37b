"""What Python tells of code: the global names that it reads, slots of a class, and whose code it is."""

from __future__ import annotations

import dis
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, ModuleType

_LIBRARIES = tuple(
    str(Path(path).resolve())
    for path in {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
NOT_STATE = frozenset({"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__firstlineno__"})
"""Names in a class that say nothing of what its objects do."""


def names_in(code: CodeType) -> list[str]:
    """The global names that a function's code, and the functions inside it, read.

    Example:
        >>> names_in((lambda numbers: sum(map(abs, numbers))).__code__)
        ['abs', 'map', 'sum']
    """
    own = (step.argval for step in dis.get_instructions(code) if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"})
    inner = (name for c in code.co_consts if isinstance(c, CodeType) for name in names_in(c))
    return sorted({*own, *inner})


def slots_of(cls: type) -> Iterable[str]:
    """The attributes that a class itself keeps in slots.

    Example:
        >>> class Point:
        ...     __slots__ = ("x", "y", "__weakref__")
        >>> slots_of(Point)
        ['x', 'y']
    """
    slots = vars(cls).get("__slots__", ())
    return [slots] if isinstance(slots, str) else [name for name in slots if name not in NOT_STATE]


def is_library(thing: object) -> bool:
    """Whether a class, function or module comes with Python, an installed package or this program.

    Example:
        >>> import json
        >>> is_library(json), is_library(json.JSONDecoder)
        (True, True)
    """
    name = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    module = sys.modules.get(name or "")
    if module is None or name is None or name == "__main__":
        return False
    if name.partition(".")[0] == "vtok_eval":
        return True
    file = getattr(module, "__file__", None)
    if file is None:
        return True  # built into Python
    return str(Path(file).resolve()).startswith(_LIBRARIES)
