"""Budgets in bits: what is read from the records, which tables and plots change, and what is refused."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from reports.merged_runs import gather_runs
from reports.plots.frontier import frontier
from reports.run_report import gather
from reports.tables.budget import budget_tables, budgets, leaders, needed_table
from reports.tables.grid import comparison_grid
from reports.tables.markdown import markdown
from reports.text import answer
from reports.text.wording import tokens_text
from reports.write import write_report
from tests.reports.made_up_run import ALL_METRICS, add_job, finish, made_record, run_json
from vtok_eval.errors import RunFolderError
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.results.run_view import open_run
from vtok_eval.results.store import RunFolder

BENCHMARK = "understanding-scenes"
# In tokens vtok is the dearer of the two, in bits by far the cheaper: its tokens are codes.
SYSTEMS = {"frames-1": (16, 65_536.0, 0.6), "frames-4": (64, 262_144.0, 0.7), "vtok": (30, 300.0, 0.65)}


def made_run(path, *, with_bits=True, codes=False, budget=None):
    rng = np.random.default_rng(0)
    content = run_json()
    content["systems"] = [entry for entry in content["systems"] if entry["name"] in SYSTEMS]
    content["benchmarks"] = [entry for entry in content["benchmarks"] if entry["id"] == BENCHMARK]
    if budget:
        content["budget"] = budget
    folder = RunFolder.create(path, content)
    attributes = [metric.name for metric in ALL_METRICS[BENCHMARK] if not metric.mean_of]
    for name, (tokens, bits, chance) in SYSTEMS.items():
        cost = {"tokens": float(tokens)}
        if with_bits:
            cost |= {"bits": bits, "bits_per_frame": bits / 16, "bits_per_pixel": bits / 2**16}
        outputs = {}
        if codes and name == "vtok":
            outputs = {"codes": {"sizes": [1024], "codes": [[1, 2]], "counts": [[20, 10]]}}
        records = [
            replace(
                made_record(
                    BENCHMARK,
                    name,
                    f"clip-{i:04d}",
                    cost=cost,
                    values=dict.fromkeys(attributes, (float(rng.random() < chance),)),
                ),
                outputs=outputs,
            )
            for i in range(120)
        ]
        add_job(folder, BENCHMARK, name, records)
    finish(folder, baseline="frames-1").export_records()
    return folder.path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_run(tmp_path_factory.mktemp("bits") / "run")


def test_prices_are_the_records_mean_bits(run):
    benchmark = gather(run, unit=BudgetUnit.BITS).benchmark(BENCHMARK)
    assert benchmark.prices == {name: bits for name, (_, bits, _) in SYSTEMS.items()}
    assert gather(run).benchmark(BENCHMARK).prices == {n: t for n, (t, _, _) in SYSTEMS.items()}
    assert open_run(run).scores().groupby("system")["bits"].first().to_dict() == benchmark.prices
    # The Parquet files that a packed run consists of say the same as its journal.
    (run / "journal.sqlite").rename(run / "hidden")
    try:
        assert gather(run, unit=BudgetUnit.BITS).benchmark(BENCHMARK).prices == benchmark.prices
    finally:
        (run / "hidden").rename(run / "journal.sqlite")


def test_the_cheapest_in_bits_is_another_than_in_tokens(run):
    in_bits = gather(run, unit=BudgetUnit.BITS).benchmark(BENCHMARK)
    in_tokens = gather(run).benchmark(BENCHMARK)
    assert budgets(in_bits) == [300, 65_536, 262_144]
    assert {entry.system for entry in leaders(in_bits) if entry.budget == 300} == {"vtok"}
    assert {entry.system for entry in leaders(in_tokens) if entry.budget == 16} == {"frames-1"}
    assert [system.name for system in in_bits.at_budget_of("vtok")] == ["vtok"]


def test_headings_and_axes_name_the_unit(run):
    report = gather(run, unit=BudgetUnit.BITS)
    text = markdown(report, budget_tables(report))
    for expected in (
        "the best within each bit budget",
        "bits that other families need for a score",
        "Its own bits per clip",
        "the bits per clip with which",
        "width x the bits of the precision",
    ):
        assert expected in text
    assert "token budget" not in text
    rows = list(csv.DictReader(io.StringIO(needed_table(report, budget_tables(report)).to_csv())))
    assert {row["unit"] for row in rows} == {"bits"}
    benchmark = report.benchmark(BENCHMARK)
    picture = frontier(report, benchmark)
    assert picture.name == f"{BENCHMARK}-against-bits-per-clip"
    assert set(picture.data["bits_per_clip"]) == {bits for _, bits, _ in SYSTEMS.values()}
    assert "against bits per clip" in picture.alt
    assert "Bits per clip" in comparison_grid(benchmark, baseline="frames-1").columns


def test_the_picture_is_drawn_in_bits(run, tmp_path):
    written = write_report(run, tmp_path / "report", unit=BudgetUnit.BITS)
    assert any(path.name == f"{BENCHMARK}-against-bits-per-clip.png" for path in written.pictures)
    assert (tmp_path / "report" / f"{BENCHMARK}-against-bits-per-clip.csv").read_text().count("65536.0") == 3


def test_a_column_of_bits_stands_beside_tokens_where_some_are_codes(tmp_path, run):
    columns = comparison_grid(gather(run).benchmark(BENCHMARK), baseline=None).columns
    assert "Bits per clip" not in columns
    with_codes = gather(made_run(tmp_path / "coded", codes=True)).benchmark(BENCHMARK)
    assert comparison_grid(with_codes, baseline=None).columns[1:3] == ("Tokens per clip", "Bits per clip")
    assert with_codes.cell("vtok", "dead_codes").score.value == 1022
    assert with_codes.cell("frames-1", "dead_codes") is None
    assert with_codes.cell("frames-1", "token_bits_per_clip").score.value == 65_536
    # A rate is a price, not a quality: nobody is the best at it.
    assert not any(cell.best for (_, metric), cell in with_codes.cells.items() if "bits" in metric)


def test_the_runs_own_unit_holds_unless_another_is_asked_for(tmp_path):
    path = made_run(tmp_path / "run", budget="bits")
    assert gather(path).benchmark(BENCHMARK).unit is BudgetUnit.BITS
    assert gather(path, unit=BudgetUnit.TOKENS).benchmark(BENCHMARK).unit is BudgetUnit.TOKENS
    merged = gather_runs([path, made_run(tmp_path / "other")])
    assert merged.benchmark(BENCHMARK).unit is BudgetUnit.BITS
    assert set(merged.benchmark(BENCHMARK).prices) == {
        f"{n} ({f})" for n in SYSTEMS for f in ("run", "other")
    }


def test_a_run_without_bits_is_refused_in_one_line(tmp_path):
    path = made_run(tmp_path / "old", with_bits=False)
    assert gather(path).benchmark(BENCHMARK).bits == {}
    with pytest.raises(RunFolderError, match=r"does not say how many bits its tokens cost .*--budget tokens"):
        gather(path, unit=BudgetUnit.BITS)
    damaged = made_run(tmp_path / "damaged", budget="bytes")
    with pytest.raises(RunFolderError, match=r"run\.json: .*budget"):
        gather(damaged)


def test_the_answer_counts_in_the_unit_of_the_budget(tmp_path):
    made_run(tmp_path / "run")
    report = gather(tmp_path / "run", unit=BudgetUnit.BITS)
    (benchmark,) = report.benchmarks
    assert answer._at(benchmark, "vtok") == "At 300 bits per clip"
    assert answer._price(benchmark, "frames-1") == f" ({tokens_text(65_536.0)} bits)"
    (benchmark,) = gather(tmp_path / "run", unit=BudgetUnit.TOKENS).benchmarks
    assert answer._at(benchmark, "vtok") == "At 30 tokens per clip"
