"""`vtok-eval train reader`: what it says before it trains, and readers from beginning to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

pytest.importorskip("transformers", minversion="5.3", reason="training readers needs transformers>=5.3")
pytest.importorskip("peft", reason="training readers needs the extra train")

from tests.vtok_eval.answerers.training import tiny_readers
from vtok_eval.answerers.language_models.vtok_llava import build_vtok_llava
from vtok_eval.cli.train import app

TOKENIZER = "mine=tests.vtok_eval.answerers.training.tiny_readers:TwoGroups"


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs the command on eight scenes, two of which are for validation, with a tiny model."""
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
    model = tiny_readers.language_model_folder(tmp_path / "base")
    (tmp_path / "data.yaml").write_text("datasets: [{scenes: 8, sampling: 'first:40'}]\nvalidation: 0.2\n")

    def run(*options: str):
        given = {"--model": model, "--data": tmp_path / "data.yaml", "--out": tmp_path / "out"}
        fixed = [str(part) for pair in given.items() for part in pair]
        sizes = ["--batch-size", "4", "--steps", "4", "--projection-steps", "2", "--device", "cpu"]
        return CliRunner().invoke(
            app, ["reader", *fixed, *sizes, "--tokenizer", TOKENIZER, *options], catch_exceptions=False
        )

    return run


def test_a_dry_run_predicts_and_makes_nothing(command, tmp_path):
    result = command("--tokenizer", "blind", "--dry-run", "--seeds", "3")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "for validation" in lines[0]
    assert "no benchmark is named with `tested`" in lines[1]
    assert lines[2].startswith("mine: ")
    assert "blind: 0 clips to encode, 0 bytes of tokens" in lines[3]
    assert lines[4].startswith("6 readers: ")
    assert not (tmp_path / "out").exists()


def test_readers_from_beginning_to_end(command, tmp_path):
    result = command("--seeds", "2", "--trains", "all")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "out" / "mine"
    assert sorted(path.name for path in folder.iterdir()) == ["seed-0", "seed-1"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mine", "problems.txt", "tokens"]
    kept = json.loads((folder / "seed-0" / "reader.json").read_text())
    assert kept["tokenizer"]["spec"] == TOKENIZER.partition("=")[2]
    assert [stage["trains"] for stage in kept["recipe"]["stages"]] == ["projection", "all"]
    both = build_vtok_llava(f"{folder},scoring=generate,max_new_tokens=4", device=torch.device("cpu"))
    assert both.n_replicates == 2
    # What is there is left alone; another training under its name is refused.
    again = command("--seeds", "2", "--trains", "all")
    assert f"{folder / 'seed-1'} is there" in again.output
    from vtok_eval.errors import RunFolderError

    with pytest.raises(RunFolderError, match=r"is a reader of another training .*recipe"):
        command("--seeds", "2", "--trains", "lora")


def test_two_tokenizers_of_one_name(command):
    from vtok_eval.errors import SpecError

    with pytest.raises(SpecError, match="two tokenizers are called 'mine'"):
        command("--tokenizer", "mine=blind", "--dry-run")


def test_the_data_file_is_named_in_errors(command, tmp_path):
    from vtok_eval.errors import DataError

    Path(tmp_path / "data.yaml").write_text("datasets: [{scene: 8}]")
    with pytest.raises(DataError, match="unknown key 'scene'; did you mean 'scenes'"):
        command("--dry-run")
