"""Options of a class as `vtok-eval list BENCHMARK` shows them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import pytest
import yaml
from pydantic import BaseModel

from vtok_eval.cli.listing import render_benchmark
from vtok_eval.probes.options.training import takes_options
from vtok_eval.registry import BENCHMARKS
from vtok_eval.specs.option_help import OptionHelp, options_of


class Base:
    """What it is.

    width, height: of a clip, in
    pixels. sizes: see `width`; keep: "last" (the default)
    or "best".

    Raises:
        ValueError: never. bad: not an option's text.
    """


class Derived(Base):
    """keep: another text."""

    def __init__(
        self, path: str, *, width: int = 4, height: int | None = None, sizes: Sequence[int] = (1, 2),
        keep: str = "last", bad: float = 0.5, **others: object,
    ) -> None:  # fmt: skip
        """Args:
        path (str): of a file: a YAML file.
        """


def test_each_option_has_its_default_and_the_nearest_docstrings_text() -> None:
    assert options_of(Derived) == (
        OptionHelp("path", "required", "of a file: a YAML file"),
        OptionHelp("width", "4", "of a clip, in pixels"),
        OptionHelp("height", "null", "of a clip, in pixels"),
        OptionHelp("sizes", "[1, 2]", "see `width`"),
        OptionHelp("keep", "last", "another text"),
        OptionHelp("bad", "0.5", ""),
    )


def test_a_schema_of_options_describes_them() -> None:
    class Sides(BaseModel):
        """side: in pixels."""

        side: int = 64

    @takes_options(Sides)
    class Square:
        """A square."""

    assert options_of(Square) == (OptionHelp("side", "64", "in pixels"),)


def test_a_function_without_options() -> None:
    assert options_of(lambda: None) == ()


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_every_benchmark_lists_each_of_its_options_with_default_and_a_line(name: str) -> None:
    make = BENCHMARKS.resolve(name)
    parameters = inspect.signature(make).parameters
    options = options_of(make)
    assert [option.name for option in options] == list(parameters)
    printed = render_benchmark(name).splitlines()
    assert printed[0].startswith(f"{name} ")
    for option in options:
        assert len(option.text) > 8, option
        default = parameters[option.name].default
        if default is not inspect.Parameter.empty:
            as_read = yaml.safe_load(option.default)
            assert as_read == (list(default) if isinstance(default, tuple) else default)
        (line,) = (line for line in printed if line.split()[:1] == [option.name] and option.text in line)
        assert option.default in line
