"""The examples in docstrings, run as doctests; only modules that have any are imported."""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterable
from pathlib import Path

import pytest

import vtok_eval

ROOT = Path(__file__).parents[1]
PACKAGES = ("vtok_eval", "benchmarks", "tv_align", "reports")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


PROTOCOLS = (
    "vtok_eval.answerers.request",
    "vtok_eval.benchmark",
    "vtok_eval.data.clips",
    "vtok_eval.data.token_checks",
    "vtok_eval.data.tokens",
    "vtok_eval.inputs.accepts",
    "vtok_eval.results.description",
    "vtok_eval.results.records",
    "vtok_eval.scenes.dataset",
    "vtok_eval.systems",
    "tv_align.judges.judge",
)
"""What plug-ins and scripts are written against: every public class and function has an example."""


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


def without_example(objects: Iterable[tuple[str, object]]) -> list[str]:
    return [name for name, found in objects if ">>> " not in (inspect.getdoc(found) or "")]


def test_every_public_name_has_an_example():
    public = [name for name in vtok_eval.__all__ if name != "__version__"]
    assert without_example((name, getattr(vtok_eval, name)) for name in public) == []


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_part_of_a_protocol_has_an_example(name):
    module = importlib.import_module(name)
    own = [
        (attribute, found)
        for attribute, found in vars(module).items()
        if not attribute.startswith("_") and getattr(found, "__module__", "") == name
        if inspect.isclass(found) or inspect.isfunction(found)
        if not (inspect.isclass(found) and issubclass(found, Exception))
    ]
    assert own
    assert without_example(own) == []
