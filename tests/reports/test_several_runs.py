"""Several runs as one report: named apart, compared anew, in tables of their own where settings differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports.merged_runs import gather_runs
from reports.tables.terminal import terminal
from reports.write import write_report
from tests.reports.made_up_run import LABEL, SYSTEMS, add_job, finish, run_json, understanding_records
from vtok_eval.errors import RunFolderError, UnknownNameError
from vtok_eval.results.statistics.scores import compare_all
from vtok_eval.results.store import RunFolder

BENCHMARK = "understanding-scenes"


def make_run(path, systems, *, label=LABEL, n_clips=40, **changes):
    entries = [entry for entry in run_json()["systems"] if entry["name"] in systems]
    benchmarks = [entry for entry in run_json()["benchmarks"] if entry["id"] == BENCHMARK]
    settings = {"systems": entries, "benchmarks": benchmarks, "label": label, **changes}
    folder = RunFolder.create(path, run_json(**settings))
    for name in systems:
        _, _, tokens, chances = SYSTEMS[name]
        add_job(
            folder,
            BENCHMARK,
            name,
            understanding_records(name, tokens=tokens, chances=chances, n_clips=n_clips),
        )
    return finish(folder, label=label).path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    return [
        make_run(folder / "first", ("vtok-grid", "frames-2")),
        make_run(folder / "second", ("frames-2", "frames-4")),
    ]


def test_one_run_is_itself(runs):
    (system, baseline) = gather_runs(runs[:1]).systems
    assert (system.name, baseline.name) == ("vtok-grid", "frames-2")


def test_a_system_of_both_runs_stands_once_for_each(runs):
    report = gather_runs(runs)
    names = ["vtok-grid", "frames-2 (first)", "frames-2 (second)", "frames-4"]
    assert [system.name for system in report.systems] == names
    assert report.baseline == "frames-2 (first)"
    benchmark = report.benchmark(BENCHMARK)
    # The same answers in both runs: no difference, which no test can call one.
    again = benchmark.cell("frames-2 (second)", "temporal").comparison
    assert (again.difference, again.p) == (0.0, 1.0)
    assert benchmark.cell("frames-2 (first)", "temporal").comparison is None
    assert LABEL.split(";")[0] in terminal(report)


def test_comparisons_are_those_of_the_joint_records(runs):
    report = gather_runs(runs)
    benchmark = report.benchmark(BENCHMARK)
    folders = {
        "vtok-grid": runs[0],
        "frames-2 (first)": runs[0],
        "frames-2 (second)": runs[1],
        "frames-4": runs[1],
    }
    records = {
        name: [
            replace(record, system=name)
            for record in RunFolder.open(path).raw_records(f"{BENCHMARK}/{name.partition(' ')[0]}")
        ]
        for name, path in folders.items()
    }
    expected = compare_all(records, "frames-2 (first)", benchmark.metrics)
    assert len(expected) == 3 * len(benchmark.metrics)
    for comparison in expected:
        assert benchmark.cell(comparison.system, comparison.metric).comparison == comparison


def test_another_baseline(runs):
    report = gather_runs(runs[1:], baseline="frames-4")
    assert report.baseline == "frames-4"
    comparison = report.benchmark(BENCHMARK).cell("frames-2", "temporal").comparison
    assert comparison.baseline == "frames-4"
    assert comparison.difference < 0
    with pytest.raises(UnknownNameError, match="did you mean 'frames-4'"):
        gather_runs(runs, baseline="frames-5")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 3}, "seed 0 in first, 3 in other"),
        ({"limit": 10}, "limit None in first, 10 in other"),
        (
            {"benchmarks": [{"id": BENCHMARK, "name": BENCHMARK, "version": "1", "options": {"n_test": 9}}]},
            "n_test None in first, 9 in other",
        ),
    ],
)
def test_unlike_settings_have_tables_of_their_own_and_are_named(runs, tmp_path, changes, message):
    other = make_run(tmp_path / "other", ("frames-8",), **changes)
    report = gather_runs([runs[0], other])
    apart = f"{BENCHMARK} (other)"
    assert [found.info.id for found in report.benchmarks] == [BENCHMARK, apart]
    assert [system.name for system in report.benchmark(apart).systems] == ["frames-8"]
    assert [system.name for system in report.benchmark(BENCHMARK).systems] == ["vtok-grid", "frames-2"]
    (sentence,) = report.apart
    assert sentence.startswith(f"{BENCHMARK} is shown apart: ")
    assert message in sentence
    assert " ".join(sentence.split()) in " ".join(terminal(report).split())


def test_what_suites_are_called_does_not_part_runs(runs, tmp_path):
    alone = make_run(tmp_path / "alone", ("frames-8",), label="chosen by hand", name="custom", baseline=None)
    report = gather_runs([runs[0], alone])
    (benchmark,) = report.benchmarks
    assert report.apart == ()
    assert report.label == LABEL
    # The system takes its place beside the other run's baseline.
    assert benchmark.cell("frames-8", "temporal").comparison.baseline == "frames-2"


def test_folders_of_one_name_and_no_folder_are_refused(runs, tmp_path):
    other = make_run(tmp_path / "first", ("frames-8",))
    with pytest.raises(RunFolderError, match="two runs are in folders called 'first'"):
        gather_runs([runs[0], other])
    with pytest.raises(RunFolderError, match="no run folder is named"):
        gather_runs([])
    with pytest.raises(RunFolderError, match="name its folder with --out"):
        write_report(runs)


@pytest.mark.slow
def test_the_report_of_several_is_written(runs, tmp_path):
    paths = write_report(runs, tmp_path / "both")
    page = paths.html.read_text(encoding="utf-8")
    for path in runs:
        assert str(path) in page
    assert "frames-2 (second)" in paths.markdown.read_text(encoding="utf-8")
    assert not (runs[0] / "report").exists()
