"""The paper's claims: verdicts worked out by hand, and rows that claim no more than a run measured."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess

import pytest
import typer
from typer.testing import CliRunner

from reports.reproduce.claims import Claim, ClaimKind, Claims, published_claims
from reports.reproduce.conclusion import Conclusion, Measured, judge
from reports.reproduce.measure import rows
from reports.reproduce.write import as_text, gather_rows, write_reproduce
from tests.reports.made_up_run import run_json
from vtok_eval.cli.shared_options import with_shared_options
from vtok_eval.errors import RunFolderError, UnknownNameError
from vtok_eval.registry import COMMANDS
from vtok_eval.results.records import NoTest
from vtok_eval.results.store import RunFolder

BASICS = {"id": "x", "claim": "c", "published_text": "t", "place": "p", "benchmark": "b"}
GAIN = Claim(**BASICS, kind="difference", published=0.034)
WORDS = Claim(**BASICS, kind="difference")
LEVEL = Claim(**BASICS, kind="level", published=0.8548)
COUNT = Claim(**BASICS, kind="token-count")
SHARE = Claim(**BASICS, kind="token-share")


def measured(value, low, high, p=0.001, *, setting="paper", **more):
    return Measured(value, low, high, p=p, setting=setting, **more)


@pytest.mark.parametrize(
    ("claim", "ours", "expected"),
    [
        (GAIN, None, Conclusion.NOT_MEASURED),
        # The paper's setting: 0.034 is in [0.01, 0.05]; it does so too where the interval holds 0.
        (GAIN, measured(0.03, 0.01, 0.05), Conclusion.WITHIN),
        (GAIN, measured(0.02, -0.01, 0.05, p=0.2), Conclusion.WITHIN),
        # [0.001, 0.02] excludes 0.034 and 0: the sign alone.
        (GAIN, measured(0.01, 0.001, 0.02), Conclusion.SIGN),
        # [-0.01, 0.02] excludes 0.034 and holds 0: the number is contradicted, and no sign is shown.
        (GAIN, measured(0.005, -0.01, 0.02, p=0.4), Conclusion.DISAGREES),
        (GAIN, measured(-0.03, -0.05, -0.01), Conclusion.DISAGREES),
        # Another setting: never more than the sign, even where the interval happens to hold the number.
        (GAIN, measured(0.03, 0.01, 0.05, setting="embedded-default"), Conclusion.SIGN),
        (GAIN, measured(0.03, 0.01, 0.05, setting="paper-like"), Conclusion.SIGN),
        (GAIN, measured(0.02, -0.01, 0.05, p=0.2, setting="custom"), Conclusion.UNDECIDED),
        (GAIN, measured(-0.03, -0.05, -0.01, setting="custom"), Conclusion.DISAGREES),
        # The interval is clear of 0, but the correction leaves p above 0.05.
        (GAIN, measured(0.03, 0.01, 0.05, p=0.08, setting="custom"), Conclusion.UNDECIDED),
        # The paper's setting with a re-created benchmark is not the paper's setting.
        (GAIN, measured(0.03, 0.01, 0.05, caveats=("re-creation",)), Conclusion.SIGN),
        (WORDS, measured(0.03, 0.01, 0.05), Conclusion.SIGN),
        (WORDS, measured(0.01, -0.01, 0.05, p=0.3), Conclusion.UNDECIDED),
        (WORDS, measured(-0.02, -0.03, -0.01), Conclusion.DISAGREES),
        # No test: nothing is said of the sign; a reader that is not sound says nothing at all.
        (WORDS, measured(0.03, 0.01, 0.05, p=None, no_test=NoTest.ONE_SEED), Conclusion.UNDECIDED),
        (GAIN, measured(0.005, -0.01, 0.02, p=None, no_test=NoTest.ONE_SEED), Conclusion.UNDECIDED),
        (GAIN, measured(0.03, 0.01, 0.05, p=None, sound=False), Conclusion.NOT_MEASURED),
        (LEVEL, measured(0.85, 0.84, 0.86, p=None, sound=False), Conclusion.NOT_MEASURED),
        (LEVEL, measured(0.85, 0.84, 0.86, p=None), Conclusion.WITHIN),
        (LEVEL, measured(0.83, 0.82, 0.84, p=None), Conclusion.DISAGREES),
        (LEVEL, measured(0.85, 0.84, 0.86, p=None, setting="embedded-default"), Conclusion.NOT_MEASURED),
        (LEVEL, measured(0.85, 0.84, 0.86, p=None, caveats=("re-creation",)), Conclusion.NOT_MEASURED),
        (LEVEL, measured(0.85, None, None, p=None), Conclusion.NOT_MEASURED),
        (LEVEL, measured(None, None, None, p=None), Conclusion.NOT_MEASURED),
        (COUNT, measured(31.0, 31.0, 31.0, expected=31.0, setting="custom"), Conclusion.WITHIN),
        (COUNT, measured(32.0, 32.0, 32.0, expected=31.0, setting="custom"), Conclusion.DISAGREES),
        (COUNT, measured(31.0, 31.0, 31.0, setting="custom"), Conclusion.NOT_MEASURED),
        (SHARE, measured(31.0, 31.0, 31.0, expected=256.0, setting="custom"), Conclusion.SIGN),
        (SHARE, measured(256.0, 256.0, 256.0, expected=256.0, setting="custom"), Conclusion.DISAGREES),
    ],
)  # fmt: skip
def test_verdicts_by_hand(claim, ours, expected):
    verdict, reason = judge(claim, ours)
    assert verdict is expected
    assert reason


@pytest.mark.parametrize("caveat", ["random weights", "stand-in"])
@pytest.mark.parametrize("claim", [GAIN, WORDS, LEVEL, COUNT, SHARE])
def test_random_weights_and_stand_ins_never_agree(claim, caveat):
    ours = measured(0.8548, 0.001, 0.9, expected=0.8548, caveats=(caveat,))
    assert judge(claim, ours)[0] is Conclusion.NOT_MEASURED
    assert caveat in judge(claim, ours)[1]


def test_the_claims_are_those_of_the_paper():
    claims = {claim.id: claim for claim in published_claims().claims}
    numbers = {name: claim.published for name, claim in claims.items() if claim.published is not None}
    assert numbers == {
        "tv-align": 0.034, "vbench": 0.019, "vbench-quality": 0.8548, "tv-align-counting": 0.337,
    }  # fmt: skip
    assert claims["tokens-sum"].published_text == "S + (T - 1)"
    assert all(claim.place for claim in claims.values())
    with pytest.raises(ValueError, match="needs the published number"):
        Claim(**BASICS, kind=ClaimKind.LEVEL)
    with pytest.raises(ValueError, match="one id"):
        Claims(paper="p", claims=(GAIN, WORDS))


@pytest.fixture(scope="module")
def run_with_options(finished_run, tmp_path_factory):
    """The made-up run, whose VTok systems record their grid and stride as the harness does."""
    path = tmp_path_factory.mktemp("reproduce") / "mini"
    shutil.copytree(finished_run.path, path)
    folder = RunFolder(path)
    systems = run_json()["systems"]
    for entry in systems:
        if entry["spec"].startswith("vtok"):
            entry["description"] = {"options": {"grid": 4, "stride": 1}}
    folder.write_run(run_json(systems=systems))
    return folder


def test_rows_of_a_run(run_with_options):
    found = {(row.claim.id, row.system): row for row in gather_rows([run_with_options.path])}
    # Nothing of TV-Align, and of VBench no total: said so, without a number.
    for name in ("tv-align", "tv-align-counting", "vbench", "vbench-quality", "understanding"):
        row = found[name, ""]
        assert (row.verdict, row.value, row.measured) == (Conclusion.NOT_MEASURED, "", None)
    # Clips of 32 frames: 16 + 31 = 47 tokens against 16 x 32 = 512.
    for system in ("vtok-grid", "vtok-mean"):
        assert found["tokens-sum", system].verdict is Conclusion.WITHIN
        assert found["tokens-sum", system].value == "47 tokens against 47"
        assert found["tokens-shorter", system].value == "47 tokens against 512"
    # The control vtok-absolute stands for nothing.
    assert "vtok-absolute" not in {system for _, system in found}
    comparisons = {(c.system, c.metric): c for c in run_with_options.comparisons()}
    motion = found["motion", "vtok-grid"]
    expected = comparisons["vtok-grid", "temporal"]
    assert motion.measured.value == expected.difference
    assert (motion.measured.low, motion.measured.high) == (expected.low, expected.high)
    assert motion.verdict is Conclusion.SIGN
    assert "not the paper's setting" in motion.where
    assert "vtok-grid (31 tokens) minus frames-2 (32 tokens)" in motion.where


def test_where_nothing_is_recorded_nothing_is_concluded(finished_run):
    found = gather_rows([finished_run.path])
    token_rows = [row for row in found if row.claim.id in ("tokens-sum", "tokens-shorter")]
    assert token_rows
    assert {row.verdict for row in token_rows} == {Conclusion.NOT_MEASURED}


def test_all_forms_hold_every_row(run_with_options, tmp_path):
    found = gather_rows([run_with_options.path])
    paths = write_reproduce(found, [run_with_options.path], tmp_path / "new" / "folder")
    table = list(csv.DictReader(io.StringIO(paths.csv.read_text(encoding="utf-8"))))
    assert [line["verdict"] for line in table] == [row.verdict.value for row in found]
    printed = " ".join(as_text(published_claims(), found).split())
    for row in found:
        assert row.claim.claim in printed
        for path in (paths.markdown, paths.html):
            assert row.verdict.value in path.read_text(encoding="utf-8")
    assert "<script" not in paths.html.read_text(encoding="utf-8")
    assert paths.latex.read_text(encoding="utf-8").count("NOT") == 0


def test_latex_compiles(run_with_options, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex on this machine")
    found = gather_rows([run_with_options.path])
    paths = write_reproduce(found, [run_with_options.path], tmp_path)
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{reproduce.tex}\\end{document}"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert paths.latex.exists()


def test_mistakes(run_with_options, tmp_path):
    with pytest.raises(RunFolderError, match="no run folder is named"):
        gather_rows([])
    with pytest.raises(UnknownNameError, match="did you mean 'vtok-grid'"):
        gather_rows([run_with_options.path], systems=["vtok-gird"])
    with pytest.raises(RunFolderError, match="name its folder with --out"):
        write_reproduce([], [tmp_path / "a", tmp_path / "b"])


def test_another_system_may_stand_for_vtok(run_with_options):
    found = gather_rows([run_with_options.path], systems=["frames-8"])
    assert {row.system for row in found if row.measured} == {"frames-8"}


def reproduce() -> typer.Typer:
    """The command as the whole command line has it."""
    app = typer.Typer()
    app.command()(with_shared_options(COMMANDS.resolve("reproduce"), "reproduce"))
    return app


def test_command(run_with_options, tmp_path):
    done = CliRunner().invoke(reproduce(), [str(run_with_options.path), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "AGREES WITHIN THE INTERVAL: counted, equal" in done.output
    assert (tmp_path / "out" / "reproduce.md").exists()


def test_command_prints_json_alone(run_with_options, tmp_path):
    done = CliRunner().invoke(
        reproduce(), [str(run_with_options.path), "-o", str(tmp_path / "out"), "--json"]
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    found = gather_rows([run_with_options.path])
    assert document["schema"] == "vtok-eval/reproduce/1"
    assert [line["claim_id"] for line in document["claims"]] == [row.claim.id for row in found]
    assert [line["verdict"] for line in document["claims"]] == [row.verdict.value for row in found]


def test_rows_of_several_runs_stand_beside_each_other(run_with_options, finished_run):
    found = gather_rows([run_with_options.path, finished_run.path])
    sums = [row for row in found if row.claim.id == "tokens-sum"]
    assert [row.verdict for row in sums] == [Conclusion.WITHIN] * 2 + [Conclusion.NOT_MEASURED] * 2
    assert rows((), []) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "holds no run"),
        (lambda path: (path / "journal.sqlite").write_bytes(b""), "holds half a run"),
        (
            lambda path: (path / "run.json").write_text('{"name": "x", "schema_ver'),
            "half-written or not JSON",
        ),
        (lambda path: (path / "run.json").write_text('{"schema_version": 99}'), "update vtok-eval"),
    ],
)
def test_what_is_no_run_is_one_clear_line(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(RunFolderError, match=message) as caught:
        gather_rows([tmp_path])
    assert "\n" not in str(caught.value)


def test_an_unfinished_run_says_so(tmp_path):
    RunFolder.create(tmp_path / "begun", run_json())
    found = gather_rows([tmp_path / "begun"])
    assert {row.verdict for row in found} == {Conclusion.NOT_MEASURED}
