"""A reader that is not sound supports no claim, whichever report reads its numbers."""

from __future__ import annotations

import csv
import io
import json
import shutil

import pytest

from reports.exports.lm_eval import lm_eval_results
from reports.exports.model_card import model_index
from reports.leaderboard.boards import make_boards
from reports.leaderboard.charts import family_classes
from reports.leaderboard.data_files import scores_csv
from reports.leaderboard.site import build_site
from reports.leaderboard.sources import load_source
from reports.leaderboard.views import board_view, pairs_view
from reports.merged_runs import gather_runs
from reports.plots.frontier import frontier
from reports.reproduce.claims import Claim
from reports.reproduce.conclusion import Conclusion
from reports.reproduce.measure import rows
from reports.run_report import gather
from reports.submission.pack import submit
from reports.submission.verify import verify
from reports.tables.budget import budget_tables
from reports.tables.markdown import markdown
from reports.tables.score_table import tidy
from reports.text.headline import how_to_read
from reports.write import write_report
from tests.reports.unsound_run import BENCHMARK, write_unsound_run
from vtok_eval.results.columns.job_columns import SampleSets
from vtok_eval.results.records import NoTest
from vtok_eval.results.run_view import open_run
from vtok_eval.results.store import RunFolder

STATIC = "static"


@pytest.fixture(scope="module")
def unsound(tmp_path_factory):
    return write_unsound_run(tmp_path_factory.mktemp("runs") / "unsound").path


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The same benchmark without a pair of systems whose tokens contain each other."""
    systems = ("frames-1", "frames-2", "frames-4", "frames-8")
    return write_unsound_run(tmp_path_factory.mktemp("runs") / "sound", systems).path


def is_silent(report):
    """No mark, no p and no best system on static metrics; all of it on temporal ones."""
    benchmark = report.benchmark(BENCHMARK)
    assert benchmark is not None
    by_group = {
        group: [
            cell
            for (_, metric), cell in benchmark.cells.items()
            if next(m for m in benchmark.metrics if m.name == metric).group == group
        ]
        for group in ("static", "temporal")
    }
    compared = [cell.comparison for cell in by_group["static"] if cell.comparison]
    assert compared
    assert {entry.no_test for entry in compared} == {NoTest.NOT_SOUND}
    assert not any(entry.p or entry.p_corrected for entry in compared)
    assert all(entry.difference is not None for entry in compared)
    assert not any(cell.best or cell.second for cell in by_group["static"])
    assert not any(cell.score.sound for cell in by_group["static"])
    assert all(cell.score.sound for cell in by_group["temporal"])
    tested = [cell.comparison for cell in by_group["temporal"] if cell.comparison]
    assert all(entry.no_test is None and entry.p is not None for entry in tested)
    return any(cell.best for cell in by_group["temporal"])


def test_the_runs_differ_as_intended(unsound, sound):
    assert [c.group for c in gather(unsound).self_checks if c.outcome.value == "violated"] == [STATIC]
    cell = gather(sound).benchmark(BENCHMARK).cell("frames-4", STATIC)
    # Without the mark the same numbers have a best system and a p-value.
    assert cell.best
    assert cell.comparison.p_corrected < 0.05


def test_a_run_by_itself(unsound):
    report = gather(unsound)
    assert is_silent(report)
    text = markdown(report)
    assert "not tested" in text
    assert "‡ reader not sound here" in text
    assert "Test: paired sign-flip test" in how_to_read(report)
    deviations = [
        100 * cell.score.seed_deviation
        for (_, metric), cell in report.benchmark(BENCHMARK).cells.items()
        if metric == STATIC
    ]
    low, high = min(deviations), max(deviations)
    assert f"between a system's seeds: Static {low:.3g} to {high:.3g} points; Temporal" in text
    frame = tidy(report)
    assert set(frame[frame.group == STATIC].sound) == {False}
    assert set(frame[frame.group == "camera"].sound) == {True}
    assert set(open_run(unsound).scores().query("metric == 'static'").sound) == {False}
    of_pair = open_run(unsound).compare("frames-4", "frames-2").set_index("metric")
    assert of_pair.no_test["static"] == NoTest.NOT_SOUND
    assert of_pair.p["temporal"] > 0


def test_another_baseline_changes_nothing(unsound):
    assert is_silent(gather_runs([unsound], baseline="keyframe"))


def test_without_a_baseline_nothing_is_best_either(unsound, tmp_path):
    copy = tmp_path / "alone"
    shutil.copytree(unsound, copy)
    run = RunFolder.open(copy)
    run.write_run({**run.run(), "baseline": None})
    run.write_comparisons([])
    benchmark = gather(copy).benchmark(BENCHMARK)
    assert not any(cell.best for (_, metric), cell in benchmark.cells.items() if metric == STATIC)
    assert any(cell.best for cell in benchmark.cells.values())


def test_a_folder_whose_scores_do_not_say_it(unsound, tmp_path):
    """Earlier versions wrote the self-check, but no mark into scores.json."""
    copy = tmp_path / "older"
    shutil.copytree(unsound, copy)
    scores = json.loads((copy / "scores.json").read_text())
    for entry in scores["scores"]:
        del entry["sound"]
    (copy / "scores.json").write_text(json.dumps(scores))
    assert is_silent(gather(copy))
    assert "reader not sound here" in model_index(copy, "frames-4")


def test_merged_runs(unsound, sound):
    """One protocol has one reader: what one run found holds for the systems of the other."""
    report = gather_runs([sound, unsound])
    is_silent(report)
    said = [check.detail for check in report.self_checks if check.outcome.value == "violated"]
    assert [detail.endswith("(run unsound)") for detail in said] == [True]
    (violated,) = (c for c in report.self_checks if c.outcome.value == "violated")
    assert violated.systems == ("vtok-grid", "keyframe")
    assert violated.systems[0] in {system.name for system in report.systems}


def test_no_leader_within_a_budget(unsound, sound):
    for path, expected in ((sound, {"static", "temporal", "camera"}), (unsound, {"temporal", "camera"})):
        tables = budget_tables(gather(path))[BENCHMARK]
        assert {entry.metric for entry in tables.leaders} == expected
        assert STATIC not in {entry.metric for entry in tables.needed} or path == sound


def test_no_frontier_in_the_picture(unsound):
    report = gather(unsound)
    picture = frontier(report, report.benchmark(BENCHMARK))
    by_metric = picture.data.groupby("metric").on_frontier.any()
    assert dict(by_metric) == {"camera": True, "static": False, "temporal": True}


def test_the_whole_report_is_written(unsound, tmp_path):
    paths = write_report(unsound, tmp_path)
    for path in (paths.html, paths.markdown):
        assert "‡ reader not sound here" in path.read_text(encoding="utf-8")
    assert r"$\ddagger$" in paths.latex.read_text(encoding="utf-8")
    for row in csv.DictReader(io.StringIO(paths.csv.read_text(encoding="utf-8"))):
        assert not (row["group"] == STATIC and row["verdict"] in ("better", "worse"))


def test_a_leaderboard_ranks_only_systems_with_a_sound_reader(unsound, sound):
    sets = SampleSets()
    (board,) = make_boards([load_source(path, sets) for path in (unsound, sound)])
    keys = {entry.source.run.name: set() for entry in board.entries}
    for entry in board.entries:
        if (entry.key, STATIC) in board.ranks:
            keys[entry.source.run.name].add(entry.system.name)
    assert keys == {"unsound": set(), "sound": {"frames-1", "frames-2", "frames-4", "frames-8"}}
    assert all((e.key, "temporal") in board.ranks for e in board.contenders())
    doubtful = {entry.key for entry in board.entries if entry.source.run.name == "unsound"}
    for pair in board.pairs:
        if pair.metric == STATIC and {pair.a, pair.b} & doubtful:
            assert (pair.no_test, pair.p, pair.p_corrected) == (NoTest.NOT_SOUND, None, None)
        elif pair.metric == STATIC:
            assert pair.p is not None
    view = board_view(board, family_classes([board]))
    assert view["doubts"].startswith("‡ reader not sound here")
    place = [metric["name"] for metric in view["metrics"]].index(STATIC)
    for row in view["rows"]:
        text = row["scores"][place]["text"]
        assert text.endswith("‡") is (row["id"] in doubtful)
    winners = pairs_view(board, {})["pairs"][STATIC]
    assert all(w == 0 for w, why in zip(winners["winner"], winners["no_test"], strict=True) if why)


def test_a_board_of_it_alone_says_why_nothing_is_ranked(unsound, tmp_path):
    (board,) = make_boards([load_source(unsound, SampleSets())])
    why = {
        metric["name"]: metric["why_unranked"]
        for metric in board_view(board, family_classes([board]))["metrics"]
    }
    assert why[STATIC].startswith("reader not sound here")
    assert why["temporal"] == ""
    assert "reader not sound here" in scores_csv([board])
    site = build_site([unsound], tmp_path / "site")
    assert "Static (%) ranks nobody: reader not sound here" in site.index.read_text(encoding="utf-8")


def test_a_submission_is_marked_by_whoever_reads_it(unsound, tmp_path):
    packed = submit(unsound, tmp_path / "unsound.vtok-run.zip")
    verified = verify(packed)
    assert [c.group for c in verified.self_checks if c.outcome.value == "violated"] == [STATIC]
    (board,) = make_boards([load_source(packed, SampleSets())])
    assert not any(metric == STATIC for _, metric in board.ranks)
    assert any(metric == "temporal" for _, metric in board.ranks)


def test_no_verdict_on_a_claim(unsound, sound):
    """Of claims about VTok, or about frames-4 in its place: measured with the one run, with the other not."""
    claim = {"claim": "c", "published_text": "t", "place": "p", "kind": "difference", "benchmark": BENCHMARK}
    for path, expected in ((sound, Conclusion.SIGN), (unsound, Conclusion.NOT_MEASURED)):
        report = gather(path, rank=False)
        (row,) = rows([Claim(id="a", metrics=(STATIC,), **claim)], [report], systems=["frames-4"])
        assert row.verdict is expected
        if expected is Conclusion.NOT_MEASURED:
            assert row.reason.startswith("reader not sound here")
            assert "no test: reader not sound here" in row.interval
    (row,) = rows([Claim(id="b", metrics=("temporal",), **claim)], [gather(unsound)])
    assert (row.system, row.verdict) == ("vtok-grid", Conclusion.SIGN)


def test_exports_say_it(unsound, sound):
    for path, expected in ((unsound, True), (sound, False)):
        results = lm_eval_results(path, "frames-4")
        alias = results["results"][BENCHMARK]["alias"]
        assert ("reader not sound here: static" in alias) is expected
        intervals = results["configs"][BENCHMARK]["metadata"]["intervals"]
        assert intervals[STATIC]["sound"] is not expected
        assert intervals["temporal"]["sound"] is True
        assert ("reader not sound here" in model_index(path, "frames-4")) is expected
