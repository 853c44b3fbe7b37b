"""What test files may import, and how documents may call our code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])


def imported(source: str) -> Iterator[str]:
    """Every module that Python source imports, also inside functions and inside programs kept as text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"(?:^|;|\n)\s*(?:import|from)\s+([\w.]+)", node.value)


def is_test_module(name: str) -> bool:
    """Whether one of a dotted name's parts is a test file's name."""
    return any((part.startswith("test_") and list(TESTS.rglob(f"{part}.py"))) for part in name.split("."))


def test_the_walk_finds_imports():
    source = "import a.b\nfrom c import d\ndef f():\n    from .e import g\nS = 'import sys; import h as t'"
    assert set(imported(source)) == {"a.b", "c.d", "e.g", "sys", "h"}
    assert is_test_module("tests.test_layout.imported")
    assert not is_test_module("tests.profiles.test_of_nothing")


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_no_file_imports_a_test_file(path):
    assert [name for name in imported(path.read_text(encoding="utf-8")) if is_test_module(name)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_runs_our_packages_as_modules(path):
    """`python -m benchmarks...` finds fairscale's package of that name outside a clone."""
    found = re.findall(r"python3? -m (?:vtok_eval|benchmarks|tv_align|reports)\b.*", path.read_text("utf-8"))
    assert found == []
