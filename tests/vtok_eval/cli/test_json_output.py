"""`--json`: standard output is one JSON document, whatever else is printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from vtok_eval.cli import machine_checks
from vtok_eval.cli.finding import Check, State
from vtok_eval.cli.json_output import prints_go_to_stderr
from vtok_eval.cli.main import app
from vtok_eval.errors import SpecError

NOISY = """
import torch
from vtok_eval import Tokens

class Noisy:
    def __init__(self, device=None):
        print("a tokenizer that prints")
    def encode(self, clips):
        print("again")
        return Tokens.of(clips.frames[:, ::4].float().mean(dim=(3, 4)) / 255)
"""
SUITE = {
    "name": "small",
    "label": "a small test, not the paper's setting",
    "setting": "custom",
    "baseline": "blind",
    "systems": ["blind", {"name": "noisy", "spec": "noisy.py:Noisy"}],
    "benchmarks": [
        {"name": "efficiency", "options": {"lengths": [4, 8], "clip_size": 32, "repeats": 2, "passes": 1}}
    ],
}


def call(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_list_has_what_the_text_has() -> None:
    document = json.loads(call("list", "suites", "--json").stdout)
    assert document["schema"] == "vtok-eval/list/1"
    assert list(document["listings"]) == ["suites"]
    text = call("list", "suites").stdout
    assert "mini" in document["listings"]["suites"]
    for name, entry in document["listings"]["suites"].items():
        assert any(name in line and entry["summary"] in line for line in text.splitlines())


def test_a_benchmark_has_its_options() -> None:
    document = json.loads(call("list", "efficiency", "--json").stdout)
    assert (document["schema"], document["name"]) == ("vtok-eval/benchmark/1", "efficiency")
    assert {"lengths", "repeats"} <= {option["name"] for option in document["options"]}


def test_doctor_has_every_check_and_its_exit_code(monkeypatch) -> None:
    found = [
        Check("torch", State.MISSING, "not installed", "pip install torch"),
        Check("disk", State.OK, "9 GiB"),
    ]

    def checks(*, imports: bool = False) -> list[Check]:
        sys.stdout.write("a package that prints when it is imported")
        return found

    monkeypatch.setattr(machine_checks, "checks", checks)
    done = call("doctor", "--json")
    document = json.loads(done.stdout)
    assert (document["schema"], document["healthy"], done.exit_code) == ("vtok-eval/doctor/1", False, 1)
    assert document["checks"][0] == {
        "name": "torch",
        "status": "missing",
        "detail": "not installed",
        "remedy": "pip install torch",
        "required": True,
    }


def test_prints_go_to_stderr_only_if_wanted(capsys) -> None:
    for wanted in (True, False):
        with prints_go_to_stderr(wanted):
            sys.stdout.write("noise\n")
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == (("", "noise\n") if wanted else ("noise\n", ""))
    sys.stdout.write("after\n")
    assert capsys.readouterr().out == "after\n"


@pytest.mark.parametrize(
    ("arguments", "left_out"),
    [
        (["run", "--dry-run"], "--dry-run"),
        (["run", "--full"], "--full"),
        (["report", "somewhere", "--baseline", "blind"], "--baseline"),
        (["report", "somewhere", "--full"], "--full"),
        (["doctor", "vbench"], "doctor vbench"),
    ],
)
def test_what_json_cannot_hold_is_refused_in_one_line(arguments, left_out) -> None:
    error = call(*arguments, "--json").exception
    assert isinstance(error, SpecError)
    assert left_out in str(error)
    assert len(str(error).splitlines()) == 1


@pytest.mark.slow
def test_run_and_report_print_the_document_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["vtok-eval", "run"])
    Path("noisy.py").write_text(NOISY)
    Path("small.yaml").write_text(yaml.safe_dump(SUITE))
    done = call("run", "--suite", "small.yaml", "--json")
    assert done.exit_code == 0, (done.stderr, done.exception)
    document = json.loads(done.stdout)
    assert document["schema"] == "vtok-eval/run/1"
    assert (document["complete"], document["jobs_done"], document["failed_samples"]) == (True, 2, 0)
    assert Path(document["report"]).is_file()
    tokens = next(entry for entry in document["differences"] if entry["unit"] == "tokens")
    assert (tokens["system"], tokens["baseline"]) == ("noisy", "blind")
    report = json.loads(call("report", document["folder"], "--json").stdout)
    assert (report["schema"], report["differences"]) == ("vtok-eval/report/1", document["differences"])
