"""A report: what it shows equals what was scored, is labelled, and bold only where a test supports it."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reports.page.html import page
from reports.run_report import gather
from reports.tables.budget import budget_tables
from reports.tables.latex import latex, latex_text
from reports.tables.markdown import markdown
from reports.tables.score_table import tidy
from reports.tables.terminal import terminal
from reports.text.headline import headline, how_to_read
from reports.text.wording import value_text
from reports.write import write_report
from tests.reports.made_up_run import (
    BASELINE,
    LABEL,
    SYSTEMS,
    add_job,
    finish,
    made_record,
    run_json,
    understanding_records,
)
from vtok_eval.errors import RunFolderError
from vtok_eval.results.statistics.scores import compare
from vtok_eval.results.store import RunFolder

HOSTILE = "<script>alert(1)</script> & $x_1$ 100% #{} ~^\\ |`*"


ODD_TEXT = "é ß ﬁ 中文 “quoted” -- ''' ,, [a] 3 µs ≤ 4 × 2 – \x07 end"


class Page(HTMLParser):
    """Tags, attributes and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.slow
def test_everything_is_written_and_labelled(written):
    for path in (written.html, written.markdown, written.csv, written.comparison):
        text = path.read_text(encoding="utf-8")
        assert LABEL in Page(text).text if path.suffix == ".html" else LABEL.split(",")[0] in text
    assert "embedded default" in written.latex.read_text(encoding="utf-8")
    names = {path.stem for path in written.pictures}
    assert names == {
        "differences",
        "understanding-scenes-against-tokens",
        "understanding-scenes-metric-by-metric",
        "efficiency-token-growth",
        "efficiency-latency-against-tokens",
        "efficiency-memory-against-tokens",
    }
    for png in written.pictures:
        assert png.read_bytes().startswith(b"\x89PNG")
        svg = png.with_suffix(".svg").read_text(encoding="utf-8")
        assert LABEL in svg  # in its description
        assert LABEL in png.with_suffix(".csv").read_text(encoding="utf-8")
        column = png.with_name(f"{png.stem}-column.pdf").read_bytes()
        assert column.startswith(b"%PDF")
        (box,) = re.findall(rb"/MediaBox \[ ?0 0 ([0-9.]+) [0-9.]+ ?\]", column)
        assert float(box) == pytest.approx(72 * 3.3, abs=1)  # inches of a paper's column


@pytest.mark.slow
def test_the_page_fetches_nothing_and_describes_its_pictures(written):
    page = Page(written.html.read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert "link" not in page.tags
    for tag, name, value in page.attributes:
        assert name not in {"src", "srcset"}, (tag, value)
        if name in {"href", "xlink:href"}:
            assert value is not None
            assert value.startswith("#")
    alts = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(alts) == 2 * 6  # as wide as the page, and as a column
    assert all(alt and len(alt) > 60 for alt in alts)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_points_say_their_numbers_and_pages_stay_small(written):
    page = written.html.read_text(encoding="utf-8")
    assert len(page) < 1_000_000
    tips = re.findall(r"<title>([^<]*)</title></use>", page)
    assert any(
        tip.startswith("vtok-grid: Temporal (%) ") and tip.endswith("at 31 tokens per clip") for tip in tips
    )
    assert any(tip.startswith("understanding-scenes, Temporal, vtok-grid: ") for tip in tips)
    # Text is text, and every colour is one that has a counterpart on dark screens.
    themed = {*re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", page)}
    rules = {*re.findall(r"fill: (#[0-9a-f]{6})\"\]", page)}
    shown = {*re.findall(r'style="[^"]*?(?:fill|stroke): (#[0-9a-f]{6})', page)}
    assert shown <= rules <= themed
    assert ">frames-matched</text>" in page


@pytest.mark.slow
def test_writing_twice_gives_the_same_bytes(finished_run, written, tmp_path):
    again = write_report(finished_run.path, tmp_path / "again")
    for path in (again.html, again.markdown, again.latex, again.csv, *again.pictures):
        assert path.read_bytes() == (written.folder / path.name).read_bytes(), path.name


def test_csv_holds_every_score_as_it_was_scored(finished_run):
    rows = list(csv.DictReader(io.StringIO(tidy(gather(finished_run.path)).to_csv(index=False))))
    scores = finished_run.scores()
    assert len(rows) == len(scores)
    found = {(row["benchmark"], row["system"], row["metric"]): row for row in rows}
    for score in scores:
        row = found[score.benchmark, score.system, score.metric.name]
        assert float(row["value"]) == pytest.approx(score.value)
        assert float(row["low"]) == pytest.approx(score.low)
        assert (int(row["n"]), int(row["n_failed"])) == (score.n, score.n_failed)
        assert row["label"] == LABEL


@pytest.mark.slow
def test_what_vbench_did_not_run_stands_there_once_with_its_reason(written):
    text = Page(written.html.read_text(encoding="utf-8")).text
    notes, _, provenance = text.partition("Provenance Run folder")
    assert notes.count("not run: not asked for") == 1
    assert "dynamic_degree" in notes
    assert "made up" in provenance  # the machine's processor


def test_tokens_come_first_and_failures_are_counted(finished_run):
    text = terminal(gather(finished_run.path))
    row = next(line for line in text.splitlines() if line.startswith("frames-8 "))
    assert row.split()[1] == "128"
    assert "160 (2)" in row
    assert max(len(line) for line in text.splitlines()) <= 100


def test_bold_stands_where_every_paired_test_supports_it_and_nowhere_else(finished_run):
    benchmark = gather(finished_run.path).benchmark("understanding-scenes")
    assert benchmark is not None
    best = {metric: system for (system, metric), cell in benchmark.cells.items() if cell.best}
    # vtok-grid's temporal attributes are 11 points above the next system's; static ones lie within noise of
    # each other, and on camera vtok-mean leads vtok-grid by 2 points of 160 clips x 4 attributes: no title.
    assert best["temporal"] == "vtok-grid"
    assert "static" not in best
    assert "camera" not in best
    controls = {name for name, (_, control, _, _) in SYSTEMS.items() if control}
    assert not controls & set(best.values())


def test_second_best_is_underlined_in_every_form_where_paired_tests_support_it(finished_run):
    report = gather(finished_run.path)
    benchmark = report.benchmark("understanding-scenes")
    names = [system.name for system in benchmark.contenders()]
    metric = next(metric for metric in benchmark.metrics if metric.name == "temporal")
    ordered = sorted(names, key=lambda name: -benchmark.cell(name, "temporal").score.value)
    records = {name: finished_run.raw_records(f"understanding-scenes/{name}") for name in names}
    for name in ordered[2:]:
        found = compare(records[ordered[1]], records[name], metric, benchmark.metrics)
        assert found.difference > 0
        assert found.p * len(ordered[2:]) < 0.05
    seconds = [key for key, cell in benchmark.cells.items() if cell.second]
    assert seconds == [(ordered[1], "temporal")]
    value = value_text(benchmark.cell(ordered[1], "temporal").score)
    assert f"<ins>{value} " in markdown(report)
    assert f"\\underline{{{value} [" in latex(report)
    assert re.search(rf"{re.escape(value)} \[[^\]]*\]²", terminal(report))
    assert f"<u>{value} [" in page(report, [])
    table = tidy(report)
    assert table[table["second_best"]][["system", "metric"]].to_numpy().tolist() == [[ordered[1], "temporal"]]


def test_the_finding_says_what_the_comparisons_say(finished_run):
    report = gather(finished_run.path)
    (first, *_) = headline(report)
    comparison = next(
        c
        for c in finished_run.comparisons()
        if (c.system, c.metric, c.benchmark) == ("vtok-grid", "temporal", "understanding-scenes")
    )
    assert f"Temporal {100 * comparison.difference:.1f} points better" in first
    assert "31 against 32 tokens" in first
    assert "Static: no difference shown" in first


def test_the_finding_is_of_every_benchmark_that_compares(finished_run):
    """Of one alone it needs no name; of many, each sentence has it, and what is left out is named."""
    report = gather(finished_run.path)
    alone = headline(report)
    scenes = report.benchmark("understanding-scenes")
    copies = tuple(replace(scenes, info=scenes.info.changed(id=f"copy {i}")) for i in range(8))
    many = headline(replace(report, benchmarks=copies))
    assert many[: len(alone)] == tuple(f"copy 0: {sentence}" for sentence in alone)
    assert len(many) == 6 * len(alone) + 1
    assert many[-1] == "Compared in the tables only: copy 6, copy 7."
    assert "copy 5: paired sign-flip test" in how_to_read(replace(report, benchmarks=copies))


def test_a_loss_is_called_a_loss(small_run):
    # The baseline is the better system here: vtok-grid must be said to be worse.
    folder = finish(small_run, baseline="vtok-grid")
    run = folder.run() | {"baseline": "vtok-grid"}
    folder.write_run(run)
    (sentence,) = headline(gather(folder.path))
    assert sentence.startswith("frames-2 against vtok-grid")
    assert re.search(r"Temporal [\d.]+ points worse", sentence)


def test_a_run_without_scores_says_so(small_run):
    report = gather(small_run.path)
    text = terminal(report)
    assert "nothing is scored yet" in text
    assert headline(report) == ("Nothing is scored yet, so nothing was found.",)


@pytest.mark.slow
def test_a_run_without_scores_has_a_page_that_says_so(small_run):
    page = Page(write_report(small_run.path).html.read_text(encoding="utf-8"))
    assert "nothing is scored yet" in page.text
    assert "Without scores" in page.text
    assert "img" not in page.tags


@pytest.mark.slow
def test_one_system_alone(tmp_path):
    systems = [entry for entry in run_json()["systems"] if entry["name"] == "vtok-grid"]
    folder = RunFolder.create(tmp_path / "alone", run_json(systems=systems, baseline=None))
    _, _, tokens, chances = SYSTEMS["vtok-grid"]
    records = understanding_records("vtok-grid", tokens=tokens, chances=chances, n_clips=20)
    add_job(folder, "understanding-scenes", "vtok-grid", records)
    report = gather(finish(folder, baseline=None).path)
    assert headline(report) == ("No baseline was named, so no system was compared with another.",)
    assert not any(cell.best for cell in report.benchmarks[0].cells.values())
    paths = write_report(folder.path)
    assert {path.stem for path in paths.pictures} == {
        "understanding-scenes-against-tokens",
        "understanding-scenes-metric-by-metric",
    }


def test_an_open_job_is_named(small_run):
    add_job(
        small_run,
        "efficiency",
        "vtok-grid",
        [made_record("efficiency", "vtok-grid", "frames-4/repeat-0", values={"tokens@4": (19.0,)})],
        planned=4,
    )
    text = " ".join(terminal(gather(small_run.path)).split())
    assert "job efficiency/vtok-grid is open: 1 of 4 samples are done" in text


@pytest.mark.slow
def test_every_sample_failed(tmp_path):
    folder = RunFolder.create(tmp_path / "run", run_json())
    for system in ("vtok-grid", BASELINE):
        records = [
            made_record("understanding-scenes", system, f"test-{i}", reason="RuntimeError: no")
            for i in range(8)
        ]
        add_job(folder, "understanding-scenes", system, records)
    finish(folder)
    paths = write_report(folder.path)
    assert "RuntimeError: no" in Page(paths.html.read_text(encoding="utf-8")).text
    assert "16 samples failed" in terminal(gather(folder.path))


@pytest.fixture
def hostile_run(tmp_path):
    systems = [
        {"name": name, "spec": name, "control": False, "kind": "tokenizer", "description": {"note": HOSTILE}}
        for name in (HOSTILE, BASELINE)
    ]
    benchmarks = [entry for entry in run_json()["benchmarks"] if entry["id"] == "understanding-scenes"]
    benchmarks[0]["description"] = {"notes": [HOSTILE]}
    run = run_json(systems=systems, benchmarks=benchmarks) | {"label": HOSTILE, "description": HOSTILE}
    folder = RunFolder.create(tmp_path / "hostile", run)
    for system in (HOSTILE, BASELINE):
        records = [
            made_record(
                "understanding-scenes", system, HOSTILE + str(i), values={"direction": (float(i % 2),)}
            )
            for i in range(9)
        ]
        records.append(made_record("understanding-scenes", system, "failed", reason=HOSTILE))
        add_job(folder, "understanding-scenes", system, records)
    return finish(folder, label=HOSTILE)


@pytest.mark.slow
def test_names_are_shown_and_never_obeyed(hostile_run):
    paths = write_report(hostile_run.path)
    page = Page(paths.html.read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert HOSTILE in page.text
    table = markdown(gather(hostile_run.path))
    assert "<script>" not in table
    # Every row has as many cells as the head: a | in a name ends no cell.
    rows = [line for line in table.splitlines() if line.startswith("|")]
    first_table = rows[: next(i for i, row in enumerate(rows) if i and row.startswith("| ---")) + 3]
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in first_table}
    assert len(widths) == 1


def test_latex_is_balanced_and_escaped(hostile_run):
    text = latex(gather(hostile_run.path))
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert body.count(r"\begin{tabular") == body.count(r"\end{tabular")
    assert r"\toprule" in body
    assert "<script>" not in body.replace(r"\textless{}", "")
    assert re.search(r"(?<!\\)[&%#$_]", re.sub(r" & | \\\\", "", body.split(r"\midrule")[1])) is None


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
@pytest.mark.parametrize("run", ["finished_run", "hostile_run"])
def test_latex_compiles(run, request, tmp_path):
    report = gather(request.getfixturevalue(run).path)
    document = (
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        + latex(report, budget_tables(report))
        + latex_text(ODD_TEXT)
        + "\n\\end{document}\n"
    )
    (tmp_path / "run.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "run.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_what_is_no_run_is_one_clear_line(tmp_path):
    for path, message in ((tmp_path / "none", "there is no run folder"), (tmp_path, "holds no run")):
        with pytest.raises(RunFolderError, match=message):
            write_report(Path(path))
