"""Videos that are made for a run: a generator's, and what a tokenizer decodes beside its originals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tv_align.scenes.prompts import reference_clips, scene_prompts
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness, RunSettings
from vtok_eval.run.suite import Suite
from vtok_eval.video.encode import encode

CODE = """
import torch
from tv_align.scenes.prompts import reference_clips, scene_prompts
from vtok_eval.data import Clips, Tokens


class Scenes:
    def __init__(self):
        drawn = scene_prompts(per_level=2)
        clips = reference_clips(drawn)
        self.clips = {item.entry.text: clips[item.entry.id] for item in drawn}

    def generate(self, prompts, seeds):
        clip = self.clips[prompts[0]].load()
        if seeds[0] % 2:
            raise RuntimeError("out of luck")
        return Clips.stack([clip])


class Lossless:
    def encode(self, clips):
        return Tokens.of(clips.frames.flatten(2).float())

    def decode(self, tokens):
        frames = tokens.values.reshape(len(tokens), -1, 3, 64, 64).to(torch.uint8)
        return Clips(frames, torch.full((len(tokens),), 4.0, dtype=torch.float64))


class FirstFrame(Lossless):
    def encode(self, clips):
        return Tokens.of(clips.frames[:, :1].flatten(2).float())

    def decode(self, tokens):
        one = super().decode(tokens)
        return Clips(one.frames.expand(-1, 16, -1, -1, -1).contiguous(), one.fps)
"""
CATEGORIES = ("direction", "spatial")


@pytest.fixture
def drawn() -> list:
    return [
        item
        for item in scene_prompts(per_level=2)
        if item.category in CATEGORIES and item.entry.level == "basic"
    ]


@pytest.fixture
def folder(tmp_path: Path, drawn: list) -> Path:
    """Prompt files, the user's code, and the rendered clips as videos."""
    for name in ("prompts", "videos"):
        (tmp_path / name).mkdir()
    for category in CATEGORIES:
        content = {
            "suite": "tv-align-scenes", "version": 1, "source": "a test", "category": category,
            "prompts": [item.entry.model_dump() for item in drawn if item.category == category],
        }  # fmt: skip
        (tmp_path / "prompts" / f"{category}.json").write_text(json.dumps(content))
    clips = reference_clips(drawn)
    for item in drawn:
        encode(clips[item.entry.id].load(), tmp_path / "videos" / f"{item.entry.text}-0.mp4", crf=5)
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path


def run(folder: Path, *specs: tuple[str, str], **options: object):
    suite = Suite.model_validate(
        {
            "name": "t", "label": "test", "setting": "custom", "baseline": specs[0][0],
            "systems": [{"name": name, "spec": spec} for name, spec in specs],
            "benchmarks": [{"name": "tv-align", "options": {"prompts": str(folder / "prompts"), **options}}],
        }
    )  # fmt: skip
    summary = Harness(suite, RunSettings(device="cpu"), folder / "cache").run(folder / "run")
    return summary, RunFolder.open(folder / "run")


def accuracy(run_folder: RunFolder) -> dict[tuple[str, str], float | None]:
    return {(score.system, score.metric.name): score.value for score in run_folder.scores()}


def test_a_generator_is_judged_on_each_prompt_and_index(folder: Path, drawn: list) -> None:
    """With seeds 0, 1 the second video of every prompt cannot be made: failed, with its reason."""
    summary, kept = run(folder, ("mine", f"generator:{folder}/mine.py:Scenes"), videos_per_prompt=2)
    records = kept.raw_records()
    assert {record.sample_id for record in records} == {
        f"{item.entry.id}/{index}" for item in drawn for index in (0, 1)
    }
    assert len(summary.failed) == len(drawn)
    assert all("out of luck" in record.reason for record in summary.failed)
    assert accuracy(kept)["mine", "question_accuracy"] == 0.5
    assert next(score for score in kept.scores()).n_clusters == len(drawn)


def test_one_video_of_each_prompt_is_made_where_nothing_else_is_said(folder: Path, drawn: list) -> None:
    summary, kept = run(folder, ("mine", f"generator:{folder}/mine.py:Scenes"))
    assert (summary.complete, summary.new_samples) == (True, len(drawn))
    assert accuracy(kept)["mine", "prompt_accuracy"] == 1


def test_reconstructions_stand_beside_their_originals_with_their_tokens(folder: Path) -> None:
    """Every pixel kept: the same scores. The first frame alone: space is still right, motion is not."""
    videos = folder / "videos"
    summary, kept = run(
        folder,
        ("originals", f"videos:{videos}"),
        ("all", f"reconstructed:{folder}/mine.py:Lossless@{videos}"),
        ("first", f"reconstructed:{folder}/mine.py:FirstFrame@{videos}"),
    )
    assert summary.complete
    found = accuracy(kept)
    for metric in ("question_accuracy", "prompt_accuracy"):
        assert found["all", metric] == found["originals", metric] == 1
    assert found["first", "prompt_accuracy:spatial"] == 1
    assert found["first", "prompt_accuracy:direction"] == 0
    tokens = {record.system: record.cost.get("tokens") for record in kept.raw_records()}
    assert tokens == {"originals": None, "all": 16.0, "first": 1.0}
    lost = {(each.system, each.metric): each.difference for each in kept.comparisons()}
    assert lost["first", "prompt_accuracy"] == -0.5
    assert lost["all", "prompt_accuracy"] == 0
    assert "originals are the ceiling" in " ".join(kept.run()["benchmarks"][0]["description"]["notes"])


def test_a_missing_original_is_a_missing_reconstruction(folder: Path, drawn: list) -> None:
    videos = folder / "videos"
    (videos / f"{drawn[0].entry.text}-0.mp4").unlink()
    summary, _ = run(folder, ("all", f"reconstructed:{folder}/mine.py:Lossless@{videos}"))
    assert [record.sample_id for record in summary.failed] == [f"{drawn[0].entry.id}/0"]
