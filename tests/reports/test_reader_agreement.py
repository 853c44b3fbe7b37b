"""A second reader's agreement with the probe, by hand."""

from dataclasses import replace

import pytest

from reports.run_document import RunBenchmark, RunSystem
from reports.run_report import BenchmarkReport, Cell, gather
from reports.text.agreement import reader_agreement
from reports.text.headline import headline
from vtok_eval.results.records import Comparison, Metric, Score

METRICS = tuple(Metric(name=name, title=name.title(), headline=True) for name in ("static", "temporal"))
SYSTEMS = tuple(RunSystem(name=name, control=name == "control") for name in ("vtok", "frames-2", "control"))


def benchmark(identifier, reader, differences):
    """differences: (system, metric) -> (difference, corrected p)."""
    cells = {}
    for (system, metric), (difference, p) in differences.items():
        score = Score(system, identifier, METRICS[0], 0.5, 0.4, 0.6, 50, 0, 50)
        compared = Comparison(
            identifier, metric, system, "frames-2", difference, difference - 0.1, difference + 0.1, p, p, 50
        )
        cells[system, metric] = Cell(score, compared)
    options = {} if reader is None else {"reader": reader}
    info = RunBenchmark(id=identifier, name="scenes", options=options)
    return BenchmarkReport(info, METRICS, SYSTEMS, {}, cells)


@pytest.fixture(scope="module")
def report(finished_run):
    whole = gather(finished_run.path)
    return lambda *benchmarks: replace(whole, benchmarks=benchmarks)


PROBE = {
    ("vtok", "static"): (-0.03, 0.01),
    ("vtok", "temporal"): (0.08, 0.001),
    ("control", "static"): (-0.2, 0.001),
}


def test_the_same_signs(report):
    ridge = {key: (difference / 3, 0.9) for key, (difference, _) in PROBE.items()}
    found = reader_agreement(
        report(benchmark("scenes", "probe", PROBE), benchmark("scenes:ridge", "ridge", ridge))
    )
    assert found == (
        "Second reader (scenes:ridge): the same sign as the probe for all 2 differences that the probe "
        "shows.",
    )


def test_another_sign_is_named_with_both_numbers(report):
    ridge = {**PROBE, ("vtok", "static"): (0.01, 0.9), ("control", "static"): (0.5, 0.9)}
    (sentence,) = reader_agreement(
        report(benchmark("scenes", None, PROBE), benchmark("scenes:ridge", "ridge", ridge))
    )
    assert "for 1 of 2 differences" in sentence
    assert "not for vtok, Static (−3.0 and +1.0)" in sentence
    assert "control" not in sentence


def test_a_difference_that_is_not_shown_does_not_count(report):
    probe = {key: (difference, 0.5) for key, (difference, _) in PROBE.items()}
    (sentence,) = reader_agreement(
        report(benchmark("scenes", "probe", probe), benchmark("scenes:ridge", "ridge", PROBE))
    )
    assert "shows no difference that it could confirm" in sentence


def test_nothing_is_said_without_a_second_reader_and_the_headline_ends_with_it(report, finished_run):
    assert reader_agreement(gather(finished_run.path)) == ()
    assert reader_agreement(report(benchmark("a", "probe", PROBE), benchmark("b", "probe", PROBE))) == ()
    two = report(benchmark("scenes", "probe", PROBE), benchmark("scenes:ridge", "ridge", PROBE))
    assert headline(two)[-1] == reader_agreement(two)[0]


def described(identifier, name, clips, differences, **said):
    found = benchmark(identifier, None, differences)
    info = RunBenchmark(id=identifier, name=name, description={"data": {"test": clips}, **said})
    return replace(found, info=info)


def test_another_benchmark_on_the_same_test_clips_is_a_second_reader(report):
    probe = described("scenes", "scenes", "abc", PROBE)
    model = described("reader", "reader", "abc", PROBE, reader="language model")
    assert reader_agreement(report(probe, model)) == (
        "Second reader (reader): the same sign as the probe for all 2 differences that the probe shows.",
    )
    assert reader_agreement(report(model, probe)) == reader_agreement(report(probe, model))


@pytest.mark.parametrize("clips", ["other", None])
def test_other_clips_are_not_compared(report, clips):
    probe = described("scenes", "scenes", "abc", PROBE)
    model = described("reader", "reader", clips, PROBE, reader="language model")
    assert reader_agreement(report(probe, model)) == ()
