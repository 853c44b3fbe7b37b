"""At equal budget: frontiers read by hand, leaders supported or not, and what the intervals may say."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from reports.run_report import gather
from reports.tables.budget import (
    Needed,
    amounts_needed,
    budget_tables,
    budgets,
    leaders,
    needed_table,
    needed_text,
)
from reports.tables.markdown import markdown
from tests.reports.made_up_run import LABEL, add_job, finish, made_record, run_json
from vtok_eval.results.store import RunFolder


@pytest.fixture(scope="module")
def report(finished_run):
    return gather(finished_run.path)


def test_near_equal_budgets_count_as_one(report):
    # 31 (vtok) and 32 (two frames) lie within a tenth; blind (0) and the controls are no budget.
    assert budgets(report.benchmark("understanding-scenes")) == [16, 32, 64, 128]


def test_leaders_have_the_highest_score_that_the_budget_buys(report):
    benchmark = report.benchmark("understanding-scenes")
    found = {(entry.budget, entry.metric): entry for entry in leaders(benchmark)}
    for (budget, metric), entry in found.items():
        affordable = {
            system.name: benchmark.cell(system.name, metric).score.value
            for system in benchmark.contenders()
            if benchmark.tokens[system.name] <= budget
        }
        assert affordable[entry.system] == max(affordable.values())
    assert found[32, "temporal"].system == "vtok-grid"
    assert found[32, "temporal"].supported
    # Nobody to beat within 16 tokens, and static scores lie within each other's intervals.
    assert not found[16, "temporal"].supported
    assert not found[128, "static"].supported


def test_needed_tokens_agree_with_the_scores(report):
    benchmark = report.benchmark("understanding-scenes")
    found = {(entry.system, entry.metric): entry for entry in amounts_needed(report, benchmark)}
    frames = ("frames-1", "frames-2", "frames-4", "frames-8", "frames-matched", "frames-8:grid=2")
    best = max(benchmark.cell(name, "temporal").score.value for name in frames)
    # Frame sampling tops out below vtok-grid: its tokens are not to be had at any measured budget.
    assert benchmark.cell("vtok-grid", "temporal").score.value > best
    assert math.isinf(found["vtok-grid", "temporal"].amount)
    # vtok-mean lies between 2 frames (32 tokens) and 4 frames (64); at 32 tokens frames-8:grid=2 is the best.
    mean = benchmark.cell("vtok-mean", "temporal").score.value
    at_32 = max(
        benchmark.cell(name, "temporal").score.value for name in frames if benchmark.tokens[name] == 32
    )
    at_64 = benchmark.cell("frames-4", "temporal").score.value
    expected = 32 * 2 ** ((mean - at_32) / (at_64 - at_32))
    assert found["vtok-mean", "temporal"].amount == pytest.approx(expected)
    for entry in found.values():
        assert entry.low <= entry.high
    assert "blind" not in {system for system, _ in found}


def test_interval_covers_where_the_truth_is_known(tmp_path):
    # Answers are right with probability 0.5 at 16 tokens and 0.7 at 64: 0.6, half way, costs
    # sqrt(16 * 64) = 32.
    rng = np.random.default_rng(5)
    folder = RunFolder.create(tmp_path / "run", run_json(systems=[]))
    run = folder.run()
    run["systems"] = [
        {"name": name, "spec": name, "control": False, "kind": "tokenizer", "description": {}}
        for name in ("frames-1", "frames-4", "vtok")
    ]
    folder.write_run(run)
    for name, tokens, chance in (("frames-1", 16, 0.5), ("frames-4", 64, 0.7), ("vtok", 30, 0.6)):
        records = [
            made_record(
                "understanding-scenes",
                name,
                f"clip-{i:04d}",
                values=dict.fromkeys(_all_attributes(), (float(rng.random() < chance),)),
                cost={"tokens": float(tokens)},
            )
            for i in range(2000)
        ]
        add_job(folder, "understanding-scenes", name, records)
    report = gather(finish(folder, baseline="frames-1").path)
    entry = next(
        e
        for e in amounts_needed(report, report.benchmarks[0])
        if (e.system, e.metric) == ("vtok", "temporal")
    )
    assert entry.low < 32 < entry.high
    assert entry.low > 22
    assert entry.high < 45


def test_text_says_what_is_only_a_bound():
    def text(tokens, low, high):
        return needed_text(Needed("s", "m", tokens, low, high, least=16, most=128))

    assert text(73.6, 52.1, math.inf) == "74 [52, > 128]"
    assert text(16, 16, 16) == "≤ 16"
    assert text(math.inf, math.inf, math.inf) == "> 128"
    assert text(math.inf, 90.0, math.inf) == "> 128 [90, > 128]"
    assert text(40.0, None, None) == "40"
    assert needed_text(None) == "–"


def test_tables_are_labelled_and_stand_in_the_report(report):
    tables = budget_tables(report)
    # Efficiency has tokens as a metric and VBench none: no budget to compare at.
    assert set(tables) == {"understanding-scenes"}
    rows = list(csv.DictReader(io.StringIO(needed_table(report, tables).to_csv(index=False))))
    assert {row["label"] for row in rows} == {LABEL}
    row = next(row for row in rows if (row["system"], row["metric"]) == ("vtok-grid", "temporal"))
    assert (row["unit"], row["others_need"], row["bound"]) == ("tokens", "", "not reached")
    text = markdown(report, tables)
    assert "the best within each token budget" in text
    assert "\\> 128" in text


def _all_attributes():
    from tests.reports.made_up_run import ALL_METRICS

    return [metric.name for metric in ALL_METRICS["understanding-scenes"] if not metric.mean_of]
