"""Suites: what a YAML file may say, and the error for a wrong one."""

import pytest

from vtok_eval.errors import SpecError, SuiteError, UnknownNameError
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.run.suite import (
    CUSTOM_LABEL,
    SystemEntry,
    load_suite,
    parse_benchmark,
    parse_suite,
    shipped_suites,
)

GOOD = """\
name: small
label: a test
setting: custom
baseline: frames-2
systems:
  - frames-2
  - {name: mine, spec: "vtok:stride=1", control: true}
benchmarks:
  - understanding-scenes
  - name: efficiency
    options: {repeats: 2}
"""


def test_a_suite_is_read_with_its_short_forms():
    suite = parse_suite(GOOD, origin="s.yaml")
    assert [system.name for system in suite.systems] == ["frames-2", "mine"]
    assert suite.systems[1].spec == "vtok:stride=1"
    assert suite.systems[1].control
    assert suite.benchmarks[1].id == "efficiency"
    assert suite.benchmarks[1].options == {"repeats": 2}
    assert suite.seed == 0


def test_every_shipped_suite_is_valid_and_described():
    assert "mini" in shipped_suites()
    assert all(shipped_suites().values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("baseline: frames-2", "baselin: frames-2"),
            "s.yaml:4: unknown key 'baselin'; did you mean 'baseline'?",
        ),
        (("baseline: frames-2", "baseline: frames-3"), "unknown baseline system 'frames-3'; did you mean"),
        (("options:", "option:"), "s.yaml:11: unknown key 'option'; did you mean 'options'?"),
        (("- understanding-scenes", "- understanding-scene"), "did you mean 'understanding-scenes'?"),
        (("  - frames-2\n", "  - frames-2\n  - frames-2\n"), "system 'frames-2' occurs twice"),
        (("label: a test\n", ""), "s.yaml:1: label: Field required"),
        (("name: small", "name: [unclosed"), "s.yaml:2: not YAML"),
        (("setting: custom", "setting: custom\nseed: -1"), "s.yaml:4: seed: Input should be greater"),
    ],
)
def test_a_wrong_suite_is_told_where_and_what(change, message):
    with pytest.raises(SuiteError) as caught:
        parse_suite(GOOD.replace(*change), origin="s.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_suite_that_is_no_mapping():
    with pytest.raises(SuiteError, match="a suite is a mapping"):
        parse_suite("- a\n- b\n", origin="s.yaml")


def test_an_unknown_suite_and_a_missing_file(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'mini'"):
        load_suite("mimi")
    with pytest.raises(SuiteError, match="no suite file"):
        load_suite(str(tmp_path / "none.yaml"))


def test_a_name_is_never_given_to_two_systems():
    suite = load_suite("mini")
    taken = SystemEntry(name="frames-2", spec="frames-4")
    with pytest.raises(SpecError, match="the name 'frames-2' is taken by frames-2; give frames-4 another"):
        suite.changed(add_systems=[taken])
    twice = [SystemEntry(name="mine", spec="frames-4"), SystemEntry(name="mine", spec="frames-8")]
    with pytest.raises(SpecError, match="the name 'mine' is taken by frames-4"):
        suite.changed(add_systems=twice, keep_systems=False)


def test_a_changed_suite_adds_systems_once_and_drops_a_baseline_that_left():
    suite = parse_suite(GOOD, origin="s.yaml")
    more = suite.changed(add_systems=[SystemEntry(spec="frames-4"), SystemEntry(spec="frames-2")])
    assert [system.name for system in more.systems] == ["frames-2", "mine", "frames-4"]
    alone = suite.changed(add_systems=[SystemEntry(spec="frames-4")], keep_systems=False)
    assert [system.name for system in alone.systems] == ["frames-4"]
    assert alone.baseline is None
    # What was never part of the suite must not carry its label.
    assert (alone.name, alone.label) == ("custom", CUSTOM_LABEL)
    assert more.label == suite.label
    with pytest.raises(UnknownNameError):
        suite.changed(baseline="frames-3")


def test_benchmarks_named_on_the_command_line():
    suite = parse_suite(GOOD, origin="s.yaml")
    assert parse_benchmark("efficiency", suite=suite).options == {"repeats": 2}
    assert parse_benchmark("vbench:a,b", suite=suite).options == {"dimensions": ["a", "b"]}
    with pytest.raises(UnknownNameError, match="did you mean 'vbench'"):
        parse_benchmark("vbnch", suite=suite)
    with pytest.raises(SpecError, match="no parts"):
        parse_benchmark("understanding-scenes:a", suite=suite)


def test_what_is_named_on_the_command_line_is_not_optional():
    suite = parse_suite(
        GOOD.replace("name: efficiency", "name: efficiency\n    optional: true"), origin="s.yaml"
    )
    assert suite.is_optional(benchmark="efficiency", system="mine")
    named = suite.changed(benchmarks=[parse_benchmark("efficiency", suite=suite)])
    assert not named.is_optional(benchmark="efficiency", system="mine")
    assert named.label == suite.label  # still the suite's own benchmark


def test_one_tokenizer_alone_leaves_out_benchmarks_that_take_none():
    alone = load_suite("mini").changed(add_systems=[SystemEntry(spec="frames-4")], keep_systems=False)
    ids = [entry.id for entry in alone.benchmarks]
    assert ids == ["understanding-scenes", "tv-align-read", "tv-align-show", "efficiency"]
    named = [parse_benchmark("vbench:temporal_flickering", suite=load_suite("mini"))]
    asked = load_suite("mini").changed(
        add_systems=[SystemEntry(spec="frames-4")], keep_systems=False, benchmarks=named
    )
    # What was asked for by name stays, and is refused in one line.
    assert [entry.name for entry in asked.benchmarks] == ["vbench"]


def test_budgets_are_in_tokens_unless_the_suite_or_the_command_line_says_bits():
    suite = parse_suite(GOOD, origin="s.yaml")
    assert suite.budget == "tokens"
    assert suite.changed(budget=BudgetUnit.BITS).budget == "bits"
    in_bits = parse_suite("budget: bits\n" + GOOD, origin="s.yaml")
    assert in_bits.budget == "bits"
    assert in_bits.changed().budget == "bits"
    # Which unit tables count in says nothing of what is measured: the suite's label stays true.
    assert in_bits.changed(budget=BudgetUnit.TOKENS).label == "a test"
    with pytest.raises(SuiteError, match=r"s\.yaml:1: budget: Input should be 'tokens' or 'bits'"):
        parse_suite("budget: bytes\n" + GOOD, origin="s.yaml")


def test_a_suite_in_bits_that_matches_tokens_says_so(caplog):
    from vtok_eval.run.plan import _say_what_is_matched

    systems = "[frames-2, {name: few, spec: 'frames:budget=match:frames-2'}]"
    text = f"name: s\nlabel: l\nsetting: custom\nsystems: {systems}\n"
    suite = parse_suite(text + "benchmarks: [efficiency]\n", origin="s.yaml")
    _say_what_is_matched(suite)
    assert caplog.messages == []
    _say_what_is_matched(suite.changed(budget=BudgetUnit.BITS))
    assert caplog.messages == [
        "few: budget=match matches tokens, and budgets are counted in bits here: bits per clip may differ"
    ]
