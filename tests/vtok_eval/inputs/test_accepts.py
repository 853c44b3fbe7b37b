"""Input contracts: what a rule takes, and which contracts cannot be met."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtok_eval.errors import SpecError
from vtok_eval.inputs.accepts import Accepts, Progression


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [("1+4k", [1, 5, 9, 13, 17]), ("4k", [4, 8, 12, 16, 20]), ("1 + 8k", [1, 9, 17, 25, 33]), (16, [16])],
)
def test_a_rule_names_its_numbers(rule, numbers):
    progression = Progression.parse(rule, what="frames")
    assert [n for n in range(1, numbers[-1] + 1) if progression.contains(n)] == numbers


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 200))
def test_the_nearest_numbers_are_the_nearest(offset, step, number):
    rule = Progression(offset, step)
    listed = [offset + step * k for k in range(300)]
    assert rule.at_least(number) == min(n for n in listed if n >= number)
    below = [n for n in listed if n <= number]
    assert rule.at_most(number) == (max(below) if below else None)
    assert Progression.parse(str(rule), what="frames") == rule


@pytest.mark.parametrize("rule", ["", "k", "0", 0, -4, "1+0k", "4j", "1+4", "1.5", True, None])
def test_a_rule_that_names_nothing_is_refused(rule):
    with pytest.raises(SpecError, match=r"must be a number above 0 or a rule"):
        Progression.parse(rule, what="frames")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": 16, "most": 12}, "no number of frames meets"),
        ({"frames": "1+4k", "least": 6, "most": 8}, "no number of frames meets"),
        ({"least": 9, "most": 3}, "least=9 is above most=3"),
        ({"frames": "4k", "window": 17}, "window=17 is not among"),
        ({"size": (1, 2, 3)}, "two numbers"),
        ({"fps": 0}, "fps=0 must be above 0"),
        ({"fit_size": "stretch"}, 'must be "pad", "resize" or "crop"'),
        ({"most": 0}, "most=0 must be a number of frames above 0"),
        ({"most": 2.5}, "most=2.5 must be a number of frames above 0"),
    ],
)
def test_a_contract_that_nothing_meets_is_refused(arguments, message):
    with pytest.raises(SpecError, match=message):
        Accepts(**arguments)


def test_a_contract_reads_as_the_code_that_makes_it():
    contract = Accepts(frames="1+4k", size=(256, 320), fps=8, most=49)
    assert eval(f"Accepts({contract.text()})") == contract
