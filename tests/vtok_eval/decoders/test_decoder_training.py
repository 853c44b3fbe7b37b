"""Training: it learns, goes on after SIGKILL to the same bytes, and files are found or refused rightly."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.vtok_eval.decoders.tiny_decoders import CPU, Patches, system_of, training_of
from vtok_eval.data import Clips
from vtok_eval.decoders import decoder_of
from vtok_eval.decoders.card import write_card
from vtok_eval.decoders.catalogue import SHIPPED
from vtok_eval.decoders.decoder import Decoder
from vtok_eval.decoders.files import decoder_files, save_decoder
from vtok_eval.decoders.losses import agreement
from vtok_eval.decoders.training import Recipe
from vtok_eval.errors import MissingDependencyError, SpecError, TokenizerError
from vtok_eval.results.description import Description
from vtok_eval.run.suite import load_suite
from vtok_eval.scenes.dataset import SceneSet
from vtok_eval.systems import System

Small = tuple[System, Path]
"""A tokenizer and the file of its decoder, hardly trained."""


@pytest.fixture(scope="module")
def frames_1(small: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Small:
    system = system_of("frames-1")
    return system, trained(tmp_path_factory.mktemp("frames-1"), small, system)


def scenes(n: int, n_frames: int) -> Clips:
    return Clips.stack([clip.load() for clip in SceneSet(5, "validation", n, n_frames=n_frames).clips()])


def trained(folder: Path, recipe: Recipe, system: System) -> Path:
    path = folder / f"{system.name}.safetensors"
    found = training_of(recipe, folder).train(system, shown=lambda step, parts: None)
    save_decoder(path, found, system)
    return path


def test_a_handful_of_clips_is_learnt_by_heart(tmp_path: Path) -> None:
    recipe = Recipe(
        clips=8, validation_clips=1, steps=60, batch_size=8, frames=2, n_frames=2, learning_rate=4e-3
    )
    system = System("patches", "patches", "tokenizer", Patches(), Description(facts={"class": "Patches"}))
    training = training_of(recipe, tmp_path)
    found = training.train(system, shown=lambda step, parts: None)
    losses = found.history["losses"]
    assert losses[-1]["loss"] < 0.1 * losses[0]["loss"]
    decoder = Decoder(Patches(), found.network, found.statistics, found.layout, 0.3, 64, CPU)
    clips = Clips.stack([clip.load() for clip in training.training.scenes])
    frames, n_tokens = decoder.reconstruct(clips)
    assert n_tokens.tolist() == [32] * 8
    assert frames.shape == (8, 2, 3, 64, 64)
    maps = training._maps(found.network, found.statistics.standardise(_table(clips)))
    right = agreement(maps.flatten(0, 1), training.training.truth.flat())
    assert right.form > 0.95
    assert right.colour > 0.95
    assert right.count[0.3] > 0.9


def _table(clips: Clips):
    from vtok_eval.probes.features import build_table, extract_features

    features = extract_features(Patches(), clips)
    return build_table(features, [str(row) for row in range(len(features))])


def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    """SIGKILL before the fifth of six steps, in the command itself; then the same command again."""
    code = (
        "import os, signal, sys\n"
        "from vtok_eval.decoders import training\n"
        "whole = training._Steps._step\n"
        "def step(self, number):\n"
        "    if number == int(os.environ['DIE_AT']):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return whole(self, number)\n"
        "training._Steps._step = step\n"
        "from vtok_eval.cli.main import main\n"
        "main()\n"
    )

    def train(folder: Path, *, die_at: int) -> subprocess.CompletedProcess[str]:
        arguments = ["train", "decoder", "frames-2", "frames-1", "--out", str(folder)]
        sizes = ["--clips", "8", "--validation-clips", "2", "--steps", "6", "--batch-size", "4"]
        return subprocess.run(
            [sys.executable, "-c", code, *arguments, *sizes, "--device", "cpu"],
            env={**os.environ, "DIE_AT": str(die_at), "VTOK_EVAL_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )

    killed = train(tmp_path / "killed", die_at=4)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not list((tmp_path / "killed").glob("*.safetensors"))
    for folder in ("killed", "whole"):
        done = train(tmp_path / folder, die_at=-1)
        assert done.returncode == 0, done.stderr
    for name in ("frames-2.safetensors", "frames-1.safetensors", "CARD.md", "losses.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not list((tmp_path / "killed").glob("*.checkpoint.pt"))
    again = train(tmp_path / "whole", die_at=0)
    assert again.returncode == 0
    assert again.stdout.count("is there") == 2


def test_a_decoder_of_another_recipe_is_not_taken_for_this_one(
    frames_1: Small, small: Recipe, tmp_path: Path
) -> None:
    from vtok_eval.cli.train import _is_there

    system, path = frames_1
    assert _is_there(path, system, small)
    assert not _is_there(tmp_path / "none.safetensors", system, small)
    for other, recipe in ((system, replace(small, steps=7)), (system_of("frames-2"), small)):
        with pytest.raises(SpecError, match="another tokenizer or recipe"):
            _is_there(path, other, recipe)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no folder .*none of decoders"):
        decoder_of(system_of("frames-1"), device=CPU, folder=tmp_path / "none")


def test_company_changes_no_byte(tmp_path: Path, small: Recipe) -> None:
    system = system_of("vtok:stride=1", "vtok")
    trained(tmp_path, small, system)
    decoder = decoder_of(system, device=CPU, folder=tmp_path)
    clips = scenes(4, n_frames=3)
    together, n_tokens = decoder.reconstruct(clips)
    assert n_tokens.tolist() == [18] * 4
    for row in (2, 0):
        alone, _ = decoder.reconstruct(Clips(clips.frames[row : row + 1], clips.fps[row : row + 1]))
        assert torch.equal(alone[0], together[row])


def test_a_decoder_is_only_for_the_tokenizer_that_it_was_trained_for(frames_1: Small) -> None:
    _, path = frames_1
    assert decoder_of(system_of("frames-1"), device=CPU, folder=path.parent)
    for other in ("frames-2", "frames-1:grid=2", "keyframe", "frames-1:width=64"):
        with pytest.raises(MissingDependencyError, match=r"there are: frames-1\).*vtok-eval train decoder"):
            decoder_of(system_of(other), device=CPU, folder=path.parent)


def test_clips_of_another_size_or_length_are_refused(frames_1: Small) -> None:
    system, path = frames_1
    decoder = decoder_of(system, device=CPU, folder=path.parent)
    with pytest.raises(TokenizerError, match="of 3 frames of 64 x 64 pixels, not 4 of 64 x 64"):
        decoder.reconstruct(scenes(1, n_frames=4))


def test_a_damaged_file_is_refused(frames_1: Small, tmp_path: Path) -> None:
    system, path = frames_1
    whole = path.read_bytes()
    (tmp_path / path.name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SpecError, match=r"frames-1\.safetensors is damaged"):
        decoder_of(system, device=CPU, folder=tmp_path)


def test_other_safetensors_files_are_no_decoders(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    assert decoder_files(tmp_path) == []


def test_numbers_that_make_no_training_are_refused() -> None:
    with pytest.raises(SpecError, match="steps must be at least 1, not 0"):
        replace(Recipe(), steps=0)


def test_the_card_says_hashes_and_sizes(frames_1: Small) -> None:
    _, path = frames_1
    card = write_card(path.parent).read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert f"{path.stat().st_size:,}" in card


class TestShipped:
    def test_every_tokenizer_of_mini_has_one(self) -> None:
        suite = load_suite("mini")
        names = {entry.name for entry in suite.systems if entry.spec not in ("originals", "videos:shipped")}
        assert {file.system for file in decoder_files(SHIPPED)} == names

    def test_they_are_small_and_alike(self) -> None:
        files = decoder_files(SHIPPED)
        assert max(file.path.stat().st_size for file in files) <= 3_000_000
        assert len({str(sorted(file.facts["history"]["recipe"].items())) for file in files}) == 1
        assert len({str(sorted(file.facts["shape"].items())) for file in files}) == 1

    def test_the_card_is_theirs(self) -> None:
        card = (SHIPPED / "CARD.md").read_text()
        for file in decoder_files(SHIPPED):
            assert file.sha256() in card, f"{file.path.name}: vtok-eval train decoder writes the card"
