"""Best and second best: bold and underlined only where paired tests worked out by hand support it."""

from __future__ import annotations

import pytest

from reports.tables.best_systems import Podium, find_best
from vtok_eval.results.records import Metric, Score
from vtok_eval.results.statistics.pairs import Pair

HIT = Metric("hit", "Hit", headline=True)
LAG = Metric("hit", "Lag", unit="ms", higher_is_better=False)


def scores(metric: Metric, **values: float) -> list[Score]:
    return [Score(name, "b", metric, value, None, None, 100, 0, 100) for name, value in values.items()]


def pairs(found: list[Score], **p_values: float) -> list[Pair]:
    """p_values: by "first_second"; turned around where the names' order says so."""
    value = {score.system: score.value for score in found}
    made = []
    for key, p in p_values.items():
        a, b = key.split("_")
        made.append(Pair(a, b, "hit", value[a] - value[b], None, None, p, p, 100, 100))
    return made


def test_three_systems_by_hand() -> None:
    # The leader faces two tests: each p must lie below 0.05 / 2. The runner-up faces one: below 0.05.
    found = scores(HIT, a=0.9, b=0.8, c=0.7)
    tests = pairs(found, a_b=0.02, c_a=0.001, b_c=0.04)
    assert find_best(tests, found, metrics=[HIT], contenders="abc") == {"hit": Podium("a", "b")}
    tests = pairs(found, a_b=0.02, c_a=0.001, b_c=0.06)
    assert find_best(tests, found, metrics=[HIT], contenders="abc") == {"hit": Podium("a", None)}


@pytest.mark.parametrize("p", [0.025, 0.03, 1.0])
def test_no_best_no_second(p: float) -> None:
    # 0.025 is not below 0.05 / 2; however clearly b beats c, the second of an open race is not known.
    found = scores(HIT, a=0.9, b=0.89, c=0.1)
    tests = pairs(found, a_b=p, a_c=0.0001, b_c=0.0001)
    assert find_best(tests, found, metrics=[HIT], contenders="abc") == {}


def test_of_two_systems_none_is_second() -> None:
    found = scores(HIT, a=0.9, b=0.8)
    assert find_best(pairs(found, a_b=0.01), found, metrics=[HIT], contenders="ab") == {"hit": Podium("a")}


def test_lower_is_better() -> None:
    found = scores(LAG, a=9.0, b=5.0, c=1.0)
    tests = pairs(found, a_b=0.001, a_c=0.001, b_c=0.001)
    assert find_best(tests, found, metrics=[LAG], contenders="abc") == {"hit": Podium("c", "b")}


def test_controls_are_not_on_the_podium_and_a_missing_test_supports_nothing() -> None:
    found = scores(HIT, control=0.99, a=0.9, b=0.8, c=0.7)
    tests = pairs(found, a_b=0.001, a_c=0.001, b_c=0.001)
    assert find_best(tests, found, metrics=[HIT], contenders="abc") == {"hit": Podium("a", "b")}
    assert find_best(tests[:1], found, metrics=[HIT], contenders="abc") == {}


def test_a_significant_test_the_other_way_supports_nothing() -> None:
    # Over the samples both have, b is better, though a's own score is higher.
    found = scores(HIT, a=0.9, b=0.8)
    turned = [Pair("a", "b", "hit", -0.1, None, None, 0.001, 0.001, 50, 50)]
    assert find_best(turned, found, metrics=[HIT], contenders="ab") == {}
