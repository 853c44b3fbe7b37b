"""The examples in docstrings, run as doctests; only modules that have any are imported."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("vtok_eval", "benchmarks", "tv_align", "reports")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules_with_examples() -> list[str]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                found.append(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    return found


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples(name, tmp_path, monkeypatch):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:  # an extra that this Python does not have
        pytest.skip(str(error))
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testmod(module, optionflags=FLAGS)
    assert outcome.attempted > 0
    assert outcome.failed == 0
