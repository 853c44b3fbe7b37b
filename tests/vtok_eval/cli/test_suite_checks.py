"""`vtok-eval doctor SUITE` and a dry run: what a suite needs, found or named exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vtok_eval.cli.finding import State
from vtok_eval.cli.main import app
from vtok_eval.cli.suite_checks import doctor_of, missing_lines, suite_checks
from vtok_eval.errors import SpecError, SuiteError, VtokEvalError
from vtok_eval.run.suite import load_suite, parse_suite, shipped_suites

NEEDY = """
name: needy
label: a label
setting: custom
systems:
  - {{name: vtok, spec: "vtok-llava:{readers}/vtok"}}
  - {{name: frames-2, spec: "vtok-llava:{readers}/frames-2"}}
benchmarks: [tempcompass]
needs:
  weights: [{{spec: "hf:nobody/nothing", licence: MIT}}]
  data:
    - {{name: Talks, url: "https://example.org", licence: CC-BY, size: 3 GB, fetch: get it, folder: talks,
       files: ["*.json"]}}
  disk_gb: 0.001
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VTOK_EVAL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def checks(folder: Path):
    found = suite_checks(parse_suite(NEEDY.format(readers=folder / "readers"), origin="needy.yaml"))
    return {check.name: check for check in found}


def test_everything_that_is_missing_is_named_with_its_licence_and_remedy(folder):
    found = checks(folder)
    weights = found["weights hf:nobody/nothing"]
    assert weights.status is State.MISSING
    assert "licence: MIT" in weights.detail
    assert weights.remedy == "vtok-eval fetch hf:nobody/nothing"
    data = found["training data Talks"]
    assert data.status is State.MISSING
    assert str(folder / "data/talks") in data.detail
    assert "CC-BY" in data.detail
    assert "VTOK_EVAL_DATA" in data.remedy
    assert found["benchmark tempcompass"].status is State.MISSING
    assert found["reader vtok"].status is State.MISSING
    assert found["disk"].status is State.OK
    lines = missing_lines(list(found.values()))
    assert len(lines) == 5
    assert all("\n" not in line and line.startswith("missing: ") for line in lines)


def test_what_is_there_is_found(folder):
    (folder / "data/talks").mkdir(parents=True)
    (folder / "data/talks/a.json").write_text("[]")
    for seed in (0, 1):
        reader = folder / f"readers/vtok/seed-{seed}"
        reader.mkdir(parents=True)
        (reader / "reader.json").write_text("{}")
    found = checks(folder)
    assert found["training data Talks"].status is State.OK
    assert found["reader vtok"].status is State.OK
    assert "2 trained" in found["reader vtok"].detail
    assert found["reader frames-2"].status is State.MISSING


def test_an_extra_that_the_installation_does_not_know_is_missing(folder, monkeypatch):
    text = NEEDY.format(readers="r").replace("needs:\n", "needs:\n  extras: [quantum]\n")
    found = {check.name: check for check in suite_checks(parse_suite(text, origin="needy.yaml"))}
    assert found["extra [quantum]"].status is State.MISSING
    assert found["extra [quantum]"].remedy == 'pip install --upgrade "vtok-eval[quantum]"'


def test_a_suite_without_needs_has_no_checks(folder):
    assert suite_checks(load_suite("mini")) == []
    with pytest.raises(VtokEvalError, match="needs nothing that pip does not bring"):
        doctor_of(load_suite("mini"), fetch=False)


@pytest.mark.parametrize("name", [name for name in shipped_suites() if load_suite(name).needs])
def test_a_dry_run_without_a_network_lists_what_is_missing(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, ["run", "--suite", name, "--dry-run"])
    suite = load_suite(name)
    assert done.exit_code != 0
    assert suite.needs is not None
    for weights in suite.needs.weights:
        assert f"missing: weights {weights.spec}" in done.output
    for data in suite.needs.data:
        assert f"missing: training data {data.name}" in done.output
    for entry in suite.benchmarks:
        assert f"missing: benchmark {entry.id}" in done.output
    for system in suite.systems:
        assert f"missing: reader {system.name}" in done.output
    assert "things are missing" in done.output


def test_doctor_takes_a_suite(folder, monkeypatch):
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, ["doctor", "paper-small"])
    assert done.exit_code != 0
    assert "reader vtok" in done.output
    assert "not ready" in done.output
    refused = CliRunner().invoke(app, ["doctor", "paper-small", "--hash"])
    assert isinstance(refused.exception, SpecError)


def test_a_wrong_need_is_one_line():
    text = NEEDY.format(readers="r").replace("disk_gb: 0.001", "disk_gb: -1")
    with pytest.raises(SuiteError, match=r"needy\.yaml:\d+: needs\.disk_gb") as raised:
        parse_suite(text, origin="needy.yaml")
    assert "\n" not in str(raised.value)
