"""The examples in docstrings, run as doctests; only modules that have any are imported."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import re
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
    "vtok_eval.codes",
    "vtok_eval.errors",
    "vtok_eval.registry",
    "vtok_eval.scenes.dataset",
    "vtok_eval.systems",
    "vtok_eval.token_costs",
    "tv_align.judges.judge",
)
"""What plug-ins and scripts are written against: every public class and function has an example."""

PACKAGES_TO_LEARN_FROM = (
    "vtok_eval.checks",
    "vtok_eval.data",
    "vtok_eval.inputs",
    "vtok_eval.probes",
    "vtok_eval.results",
    "vtok_eval.specs",
    "vtok_eval.tokenizers",
    "benchmarks.reconstruction.metrics",
    "tv_align.prompts",
)
"""Where somebody new to the code reads first: the same of every module in them, but for `NOT_SHOWN`."""

NOT_SHOWN = {
    # They need a model that no package ships, a server or a whole benchmark.
    *("vtok_eval.checks.clips", "vtok_eval.checks.contract_search"),
    *("vtok_eval.probes.clip_reading", "vtok_eval.probes.preparation", "vtok_eval.probes.ridge.preparation"),
    *("vtok_eval.tokenizers.autoencoders.adapter", "vtok_eval.tokenizers.autoencoders.diffusers_model"),
    *("vtok_eval.tokenizers.autoencoders.latents", "vtok_eval.tokenizers.autoencoders.table"),
    *("vtok_eval.tokenizers.backbones.open_clip", "vtok_eval.tokenizers.backbones.open_clip_weights"),
    "vtok_eval.tokenizers.feature_store.shards",
    *(
        "vtok_eval.results.columns.parquet_columns",
        "vtok_eval.results.decoded_clips",
        "vtok_eval.results.journal",
    ),
    *("benchmarks.reconstruction.metrics.changes", "benchmarks.reconstruction.metrics.lpips_distance"),
    "benchmarks.reconstruction.metrics.vmaf",
}


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
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in PACKAGES:
            raise
        pytest.skip(str(error))  # an extra that this Python does not have
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testmod(module, optionflags=FLAGS)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def without_example(objects: Iterable[tuple[str, object]]) -> list[str]:
    return [name for name, found in objects if ">>> " not in (inspect.getdoc(found) or "")]


def test_every_public_name_has_an_example():
    public = [name for name in vtok_eval.__all__ if name != "__version__"]
    assert without_example((name, getattr(vtok_eval, name)) for name in public) == []


def shown_modules() -> list[str]:
    """The modules of `PACKAGES_TO_LEARN_FROM` that define a public class or function."""
    found = []
    for package in PACKAGES_TO_LEARN_FROM:
        for path in sorted((ROOT / package.replace(".", "/")).rglob("*.py")):
            public = re.search(r"^(class|def) (?!\w+Error\b)[A-Za-z]", path.read_text("utf-8"), re.MULTILINE)
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if public and name not in NOT_SHOWN:
                found.append(name)
    return found


def test_modules_without_the_demand_exist():
    assert {name for name in NOT_SHOWN if importlib.util.find_spec(name) is None} == set()


@pytest.mark.parametrize("name", [*PROTOCOLS, *shown_modules()])
def test_every_public_part_of_a_module_has_an_example(name):
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
