"""Options become keyword arguments by one binder, with one set of error lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import pytest

from vtok_eval.errors import SpecError, UnknownNameError, VtokEvalError
from vtok_eval.specs.binding import bind, construct, effective_options


class Counts(Protocol):
    def count(self) -> int: ...


def make(
    model: str,
    frames: int = 8,
    rate: float | None = None,
    exact: bool = False,
    where: Path | None = None,
    way: Literal["linspace", "interior"] = "linspace",
    cap: float | Literal["none"] = 1.0,
    budget: int | Counts = 4,
    *,
    bare=3,
    **others: object,
) -> None:
    """What is bound to."""


def bound(**options: str) -> dict[str, object]:
    return bind(make, {"model": "m", **options}, what="judge mine", subject="model")


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("frames", "4", 4),
        ("rate", "2.5", 2.5),
        ("exact", "on", True),
        ("where", "a/b", Path("a/b")),
        ("way", "interior", "interior"),
        ("cap", "none", "none"),
        ("cap", "0.5", 0.5),
        ("budget", "7", 7),
        ("bare", "5", 5),
    ],
)
def test_values_are_read_as_annotated_or_as_the_default_is(option: str, text: str, value: object) -> None:
    assert bound(**{option: text}) == {"model": "m", option: value}


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        ({"frame": "4"}, UnknownNameError, "unknown option of judge mine 'frame'; did you mean 'frames'?"),
        ({"others": "4"}, UnknownNameError, "unknown option of judge mine 'others'"),
        (
            {"frames": "many"},
            SpecError,
            "judge mine: frames=many is not valid: .*valid integer",
        ),
        ({"way": "interor"}, SpecError, "way=interor is not valid: .*; did you mean 'interior'?"),
        ({"budget": "x"}, SpecError, "budget=x is not valid"),
    ],
)
def test_errors_name_the_option_and_the_nearest_choice(
    options: dict[str, str], error: type[Exception], line: str
) -> None:
    with pytest.raises(error, match=line) as caught:
        bound(**options)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_said_with_the_line_to_write() -> None:
    with pytest.raises(SpecError, match="judge mine does not say which model: write judge mine:MODEL"):
        bind(make, {}, what="judge mine", subject="model")
    with pytest.raises(SpecError, match=r"mine needs the option 'model': write mine:model=\.\.\."):
        bind(make, {}, what="mine")


def test_given_arguments_cannot_be_set_and_superfluous_ones_are_left_out() -> None:
    arguments = bind(make, {"model": "m"}, what="mine", given={"frames": 3, "device": "cpu"})
    assert arguments == {"model": "m", "frames": 3}
    with pytest.raises(UnknownNameError, match="option of mine 'frames'"):
        bind(make, {"model": "m", "frames": "4"}, what="mine", given={"frames": 3})


def test_readers_and_prefixes_go_before_annotations() -> None:
    read: dict[str, Callable[[str | None], object]] = {"where": lambda text: text or "default"}
    prefixes = {"match:": lambda text: text.removeprefix("match:").upper()}
    options = {"model": "m", "budget": "match:ours"}
    arguments = bind(make, options, what="mine", read=read, prefixes=prefixes)
    assert arguments == {"model": "m", "where": "default", "budget": "OURS"}


def test_an_inherited_constructor_is_read_in_its_own_module() -> None:
    from vtok_eval.tokenizers.frames import FrameSampling

    class Mine(FrameSampling):
        pass

    assert bind(Mine, {"count": "2"}, what="mine", read={"backbone": lambda text: None})["count"] == 2


def test_what_a_constructor_raises_is_one_line() -> None:
    def broken(side: int) -> None:
        raise ZeroDivisionError(f"no\nluck with {side}")

    with pytest.raises(SpecError, match="mine cannot be built: ZeroDivisionError: no luck with 3"):
        construct(broken, {"side": 3}, what="mine")

    def refused() -> None:
        raise VtokEvalError("as it is")

    with pytest.raises(VtokEvalError, match=r"^as it is$"):
        construct(refused, {}, what="mine")


def test_options_in_effect_are_json() -> None:
    found = effective_options(make, {"model": "m", "where": Path("a")}, leave_out=("others", "rate"))
    assert found["where"] == "a"
    assert found["frames"] == 8
    assert "rate" not in found
