"""Which of this program's own code a result depends on, by package, as hashes that comments do not change."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from vtok_eval.specs.sources import OURS

_NEVER_IN_A_SCORE = (
    *("vtok_eval.cli", "vtok_eval.run", "vtok_eval.results", "vtok_eval.files", "vtok_eval.errors"),
    *("vtok_eval.registry", "vtok_eval.checks", "vtok_eval.suites", "reports"),
)
"""Packages that plan, keep, compute from records again at the end of each run, or show."""


def code_of(modules: Iterable[str]) -> dict[str, str]:
    """By package, as a path: a hash of its modules that these modules import, directly or through others.

    Comments, documentation strings and blank lines do not count, nor do packages that never change what is
    measured: the command line, the harness, reports, statistics (scores are computed again by each run).

    Example:
        >>> "vtok_eval/scenes" in code_of(["benchmarks.understanding.scenes.benchmark"])
        True
        >>> any(name.startswith("vtok_eval/cli") for name in code_of(["vtok_eval.probes.training"]))
        False
    """
    found: dict[str, Path] = {}
    waiting = [name for name in modules if _counts(name)]
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        path = _file_of(module)
        if path is None:
            continue
        found[module] = path
        waiting += [name for name in _imports(path, _package(module, path)) if _counts(name)]
    by_package: dict[str, list[str]] = defaultdict(list)
    for module, path in sorted(found.items()):
        by_package["/".join(_package(module, path).split(".")[:3])].append(f"{module} {_source_hash(path)}")
    return {name: hashlib.sha256("\n".join(lines).encode()).hexdigest() for name, lines in by_package.items()}


def _counts(module: str) -> bool:
    return module.partition(".")[0] in OURS and not any(
        module == name or module.startswith(f"{name}.") for name in _NEVER_IN_A_SCORE
    )


@cache
def _file_of(module: str) -> Path | None:
    """The file of one of our modules; None for a name that is not a module (a class of one, say)."""
    parent, _, name = module.rpartition(".")
    if not parent:
        spec = importlib.util.find_spec(module)
        return None if spec is None or not spec.origin else Path(spec.origin)
    above = _file_of(parent)
    if above is None or above.name != "__init__.py":
        return None
    candidates = (above.parent / name / "__init__.py", above.parent / f"{name}.py")
    return next((path for path in candidates if path.is_file()), None)


def _package(module: str, path: Path) -> str:
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@cache
def _imports(path: Path, package: str) -> tuple[str, ...]:
    return tuple(_imported_names(_tree(path), package))


def _imported_names(node: ast.AST, package: str) -> Iterator[str]:
    """Names that may be modules, those imported inside functions too, but not for type checking alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _imported_names(other, package)
        elif isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            above = package.rsplit(".", child.level - 1)[0] if child.level > 1 else package
            base = ".".join(part for part in (above if child.level else "", child.module) if part)
            yield base
            yield from (f"{base}.{alias.name}" for alias in child.names)
        else:
            yield from _imported_names(child, package)


@cache
def _source_hash(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if first is not None and ast.get_docstring(node, clean=False) is not None:
                lines[first.lineno - 1 : first.end_lineno] = [""] * _height(first)
    kept = (line.rstrip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def _height(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
