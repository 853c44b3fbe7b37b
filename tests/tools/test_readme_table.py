import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

from tests.reports.made_up_run import LABEL, SYSTEMS, add_job, finish, run_json, understanding_records
from tools import kept_results, readme_table
from tools.kept_results import Results
from tools.readme_table import ROOT, keep, main, pages, rendered
from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import Comparison, Metric, NoTest, Score
from vtok_eval.results.self_checks import CheckKind, CheckOutcome, SelfCheck
from vtok_eval.results.store import RunFolder

PAGES = pages(ROOT)


def test_the_repositorys_tables_are_those_of_the_kept_results():
    assert ROOT / "README.md" in PAGES
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert rendered(text, ROOT / "docs/results", name=path.name) == text, (
            f"{path.name} differs from docs/results: python -m tools.readme_table"
        )


CHOSEN = ("vtok-grid", "frames-2", "keyframe")
OPTIONS = {"train_clips": 2000, "validation_clips": 300, "test_clips": 160}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of three systems."""
    whole = run_json()
    systems = [each for each in whole["systems"] if each["name"] in CHOSEN]
    benchmarks = [{**whole["benchmarks"][0], "options": OPTIONS}]
    folder = RunFolder.create(
        tmp_path_factory.mktemp("readme") / "run", {**whole, "systems": systems, "benchmarks": benchmarks}
    )
    for name in CHOSEN:
        _, _, tokens, chances = SYSTEMS[name]
        records = understanding_records(name, tokens=tokens, chances=chances)
        add_job(folder, "understanding-scenes", name, records)
    return finish(folder)


@pytest.fixture
def shipped(monkeypatch):
    """Makes the made-up run that of a shipped suite, and can change that suite."""
    suite = SimpleNamespace(
        systems=[SimpleNamespace(name=name, spec=SYSTEMS[name][0], optional=False) for name in CHOSEN],
        benchmarks=[SimpleNamespace(id="understanding-scenes", options=OPTIONS, optional=False)],
        seed=0,
    )
    monkeypatch.setattr(readme_table, "load_suite", lambda name: suite)
    return suite


PAGE = """# Title

before
<!-- table:mini/understanding-scenes -->
| old |
<!-- /table -->
between
<!-- table:mini/understanding-scenes/differences -->
<!-- /table -->
after
"""


def test_a_run_fills_the_tables_and_only_them(run, shipped, tmp_path, capsys):
    (tmp_path / "README.md").write_text(PAGE)
    (tmp_path / "docs/images").mkdir(parents=True)
    with pytest.raises(RunFolderError, match=r"no understanding-scenes-against-tokens\.png"):
        main([str(run.path)], root=tmp_path)
    (run.report() / "understanding-scenes-against-tokens.png").write_bytes(b"picture")
    (tmp_path / "docs/other.md").write_text("no table here\n")
    main([str(run.path)], root=tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert (tmp_path / "docs/images/accuracy_against_tokens.png").read_bytes() == b"picture"
    assert "README.md: written" in capsys.readouterr().out
    assert "| old |" not in text
    for kept in ("# Title\n\nbefore\n", "between\n", "after\n"):
        assert kept in text
    for score in run.scores():
        if score.metric.headline:
            shown = f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}] |"
            assert shown in text
    (row,) = [line for line in text.splitlines() if line.startswith("| `vtok-grid` | 31 |")]
    assert row.count("|") == 7
    assert "| `keyframe` (control) | 16 |" in text
    assert "| chance |  |  | 30.0 | 25.0 | 20.0 |" in text
    assert "2,000 training, 300 validation, 160 test clips" in text
    assert LABEL[1:] in text
    assert "Paired differences from `frames-2`" in text
    # Written again without the run: nothing changes.
    main([], root=tmp_path)
    assert (tmp_path / "README.md").read_text() == text
    assert (tmp_path / "docs/other.md").read_text() == "no table here\n"


def test_a_number_that_was_edited_by_hand_is_found(run, shipped, tmp_path):
    keep(run.path, tmp_path)
    text = rendered(PAGE, tmp_path)
    first = next(line for line in text.splitlines() if line.startswith("| `vtok-grid`"))
    number = first.split("|")[4].split()[0]
    edited = text.replace(number, "99.9")
    assert edited != text
    assert rendered(edited, tmp_path) == text


def test_what_is_not_of_a_shipped_suite_is_refused(run, shipped, tmp_path):
    shipped.benchmarks[0].options = {**OPTIONS, "train_clips": 4000}
    with pytest.raises(RunFolderError, match="benchmark understanding-scenes is not as in the shipped suite"):
        keep(run.path, tmp_path)
    shipped.benchmarks[0].options = OPTIONS
    shipped.systems.append(SimpleNamespace(name="frames-4", spec="frames-4", optional=False))
    with pytest.raises(RunFolderError, match="system frames-4 is not as"):
        keep(run.path, tmp_path)
    shipped.systems[-1].optional = True
    assert keep(run.path, tmp_path) == tmp_path / "mini"
    shipped.seed = 1
    with pytest.raises(RunFolderError, match="seed is not as"):
        keep(run.path, tmp_path)


def test_an_unknown_table_is_named(run, shipped, tmp_path):
    keep(run.path, tmp_path)
    (tmp_path / "other.json").write_text("{}")
    for name, message in (
        ("table:curve.jsonl", "no such file of results in .*; there: other.json"),
        ("table:other.json", "source"),
        ("table:huge/understanding-scenes", "no kept results of 'huge'; kept: mini"),
        ("table:mini/vbench", "has no scores of vbench"),
        ("table:mini/understanding-scenes/ranks", "no table 'ranks'"),
    ):
        with pytest.raises(ValueError, match=message):
            rendered(f"<!-- {name} -->\n<!-- /table -->", tmp_path)


def results_of(scores, comparisons=()):
    about = kept_results.About(
        suite="mini",
        label="label",
        baseline="b",
        systems=({"name": "a"}, {"name": "b"}),
        options={},
        tokens={"x": {"a": 31.0}},
        measured_on="Measured somewhere",
    )
    return Results(about, scores, comparisons)


def test_cells_by_hand():
    metric = Metric(name="m", title="M", chance=0.25, headline=True)
    speed = Metric(name="s", title="S", unit="ms", higher_is_better=False, headline=True, failed_as=None)
    scores = [
        Score("a", "x", metric, 0.5, 0.4, 0.612, 10, 0, 10, seeds=2, seed_deviation=0.0123),
        Score("b", "x", metric, 0.25, None, None, 10, 0, 1),
        Score("a", "x", speed, 12.345, 12, 13, 10, 0, 10),
    ]
    table = results_of(scores).table("x").splitlines()
    assert "±: standard deviation between training seeds" in table[0]
    assert table[2:] == [
        "| system | tokens per clip | seeds | M (%) | S (ms) |",
        "| --- | --: | --: | --: | --: |",
        "| `a` | 31 | 2 | 50.0 [40.0, 61.2] ±1.2 | 12.3 [12.0, 13.0] |",
        "| `b` |  |  | 25.0 |  |",
        "| chance |  |  | 25.0 |  |",
    ]


def test_differences_by_hand():
    metric = Metric(name="m", title="M", headline=True)
    scores = [Score("a", "x", metric, 0.5, 0.4, 0.6, 10, 0, 10)]
    tested = Comparison("x", "m", "a", "b", -0.05, -0.1, 0.0, 0.0001, 0.0004, 10)
    untested = Comparison("x", "m", "a", "b", 0.05, 0.01, 0.1, None, None, 10, no_test=NoTest.ONE_SEED)
    assert results_of(scores, [tested]).table("x", "differences").splitlines()[-1] == (
        "| `a` | −5.0 [−10.0, 0.0], p < 0.001 |"
    )
    assert results_of(scores, [untested]).table("x", "differences").splitlines()[-1] == (
        "| `a` | +5.0 [+1.0, +10.0], no test: one training seed |"
    )


def test_points_are_tables_too(tmp_path):
    points = [
        {"system": "a", "clips": 2000, "seed": seed, "steps": 8, "validation_score": 0.1}
        | {"static": 80 + seed, "temporal": 50.0, "camera": 10.0}
        for seed in (0, 2)
    ]
    (tmp_path / "five_seeds.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    text = rendered("<!-- table:five_seeds.jsonl -->\n<!-- /table -->", tmp_path)
    assert "| `a` | 2,000 | 2 | 81.0 ±1.4 | 50.0 ±0.0 | 10.0 ±0.0 |" in text
    with pytest.raises(ValueError, match="no such file of results"):
        rendered("<!-- table:six.jsonl -->\n<!-- /table -->", tmp_path)


def test_kept_files_name_no_folder_of_the_machine(run, shipped, tmp_path):
    folder = keep(run.path, tmp_path)
    about = json.loads((folder / "about.json").read_text())
    assert "/somewhere" not in json.dumps(about)
    assert "0123456789" in about["measured_on"]


def test_a_shipped_suite_of_which_nothing_is_kept_says_how_to_measure_it(shipped, tmp_path):
    text = rendered("<!-- table:full/understanding-scenes -->\n<!-- /table -->", tmp_path)
    assert "vtok-eval run --suite full" in text
    assert "python -m tools.readme_table DIR" in text


def test_part_of_a_suite_is_kept_but_replaces_no_more(run, shipped, tmp_path):
    shipped.benchmarks.append(SimpleNamespace(id="tv-align-read", options={}, optional=False))
    folder = keep(run.path, tmp_path)
    assert "vtok-eval run" in rendered("<!-- table:mini/tv-align-read -->\n<!-- /table -->", tmp_path)
    # Videos are nothing that the run's benchmark takes; a tokenizer would have been measured.
    shipped.systems.append(SimpleNamespace(name="clips", spec="videos:shipped", optional=False))
    assert keep(run.path, tmp_path) == folder
    shipped.systems.append(SimpleNamespace(name="frames-4", spec="frames-4", optional=False))
    with pytest.raises(RunFolderError, match="system frames-4 is not as"):
        keep(run.path, tmp_path)
    del shipped.systems[-2:]
    about = json.loads((folder / "about.json").read_text())
    about["options"]["tv-align-read"] = {}
    (folder / "about.json").write_text(json.dumps(about))
    with pytest.raises(RunFolderError, match="lacks tv-align-read, which the run of mini that is kept has"):
        keep(run.path, tmp_path)
    shipped.benchmarks[-1].optional = True
    assert keep(run.path, tmp_path) == folder


def test_pictures_are_of_the_suite_that_the_readme_shows(tmp_path):
    metric = Metric(name="m", title="M", headline=True)
    scenes = results_of([Score("a", "understanding-scenes", metric, 0.5, 0.4, 0.6, 10, 0, 10)])
    others = replace(scenes, about=scenes.about.model_copy(update={"suite": "full"}))
    for kept in (results_of([]), others):
        readme_table.copy_pictures(tmp_path, tmp_path, kept=kept)
    with pytest.raises(RunFolderError, match=r"no understanding-scenes-against-tokens\.png"):
        readme_table.copy_pictures(tmp_path, tmp_path, kept=scenes)


def test_categories_by_hand():
    headline = Metric(name="q", title="Questions", headline=True)
    corrected = Metric(name="c", title="Corrected", headline=True, derived=True)
    of_category = [
        Metric(name=f"{kind}:{group}", title=f"{group}: {kind}", group=group)
        for group in ("Counting", "Camera")
        for kind in ("q", "p")
    ]
    scores = [
        Score("a", "x", headline, 0.5, 0.4, 0.6, 10, 0, 10),
        Score("a", "x", corrected, 0.6, 0.4, 0.8, 9, 0, 9),
    ]
    scores += [Score("a", "x", m, 0.111 * (i + 1), 0, 1, 3, 0, 3) for i, m in enumerate(of_category)]
    assert results_of(scores).table("x", "categories").splitlines()[2:] == [
        "| system | tokens per clip | seeds | Questions (%) | Counting | Camera |",
        "| --- | --: | --: | --: | --: | --: |",
        "| `a` | 31 |  | 50.0 [40.0, 60.0] | 11 | 33 |",
    ]


def test_photos_by_hand():
    metric = Metric(name="m", title="M", headline=True)
    scores = [Score("a", "x", metric, 0.5, 0.4, 0.6, 10, 0, 10)]
    check = SelfCheck(
        CheckKind.PHOTOS,
        "x",
        CheckOutcome.MIXED,
        ("a", "b"),
        metric="m",
        values={"grass": -0.0266, "brick": 0.01},
    )
    table = replace(results_of(scores), self_checks=[check]).table("x", "photos").splitlines()
    assert table[2:] == [
        "| system | photo | M |",
        "| --- | --- | --: |",
        "| `a` | brick | +1.0 |",
        "| `a` | grass | −2.7 |",
    ]


def test_what_cannot_be_repeated_has_its_source(tmp_path):
    content = {"source": "Measured once.", "columns": ["a", "b"], "rows": [["1", "2"]]}
    (tmp_path / "once.json").write_text(json.dumps(content))
    text = rendered("<!-- table:once.json -->\n<!-- /table -->", tmp_path)
    assert text.splitlines()[1:-1] == ["Measured once.", "", "| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_a_number_of_a_reader_that_is_not_sound_has_its_mark(run, shipped, tmp_path):
    folder = keep(run.path, tmp_path)
    check = SelfCheck(
        CheckKind.SUBSET, "understanding-scenes", CheckOutcome.VIOLATED, ("a", "b"), group="static"
    )
    (folder / "self_checks.json").write_text(json.dumps({"self_checks": [asdict(check)]}))
    (row,) = [
        line for line in rendered(PAGE, tmp_path).splitlines() if line.startswith("| `vtok-grid` | 31 |")
    ]
    assert [cell.count("‡") for cell in row.split("|")[4:7]] == [1, 0, 0]
