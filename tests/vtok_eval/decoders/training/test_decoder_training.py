"""Training: it learns, goes on after SIGKILL to the same bytes, and files are found or refused rightly."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from tests.vtok_eval.decoders.tiny_decoders import CPU, Patches, system_of, training_of
from vtok_eval.cli.main import app
from vtok_eval.data import Clips
from vtok_eval.decoders import decoders_of
from vtok_eval.decoders.card import mean_counts, write_card
from vtok_eval.decoders.catalogue import SHIPPED
from vtok_eval.decoders.decoder import Decoder, TokenizerDecoders
from vtok_eval.decoders.files import decoder_files, decoders_for, file_name, save_decoder
from vtok_eval.decoders.objects import DETECTION_THRESHOLD
from vtok_eval.decoders.training.losses import agreement
from vtok_eval.decoders.training.recipe import DecoderRecipe
from vtok_eval.errors import MissingDependencyError, SpecError, TokenizerError
from vtok_eval.results.description import Description
from vtok_eval.run.suite import load_suite
from vtok_eval.scenes.dataset import SceneSet
from vtok_eval.specs.systems import kind_of
from vtok_eval.systems import System, SystemKind

Small = tuple[System, Path]
"""A tokenizer and the file of its decoder, hardly trained."""


@pytest.fixture(scope="module")
def frames_1(small: DecoderRecipe, tmp_path_factory: pytest.TempPathFactory) -> Small:
    system = system_of("frames-1")
    return system, trained(tmp_path_factory.mktemp("frames-1"), small, system)


def scenes(n: int, n_frames: int) -> Clips:
    return Clips.stack([clip.load() for clip in SceneSet(5, "validation", n, n_frames=n_frames).clips()])


def trained(folder: Path, recipe: DecoderRecipe, system: System, *, seed: int = 0) -> Path:
    path = folder / file_name(system.name, seed=seed)
    training = training_of(recipe, folder)
    (tables,) = training.tables([system])
    found, _ = training.train(tables, seed=seed, shown=lambda step, parts: None)
    save_decoder(path, found, system)
    return path


def test_a_handful_of_clips_is_learnt_by_heart(tmp_path: Path) -> None:
    recipe = DecoderRecipe(
        clips=8, validation_clips=1, steps=90, batch_size=8, frames=2, n_frames=2, learning_rate=4e-3
    )
    system = System("patches", "patches", "tokenizer", Patches(), Description(facts={"class": "Patches"}))
    training = training_of(recipe, tmp_path)
    (tables,) = training.tables([system])
    found, _ = training.train(tables, seed=0, shown=lambda step, parts: None)
    losses = found.history["losses"]
    assert losses[-1]["loss"] < 0.1 * losses[0]["loss"]
    decoder = Decoder(found.network, found.statistics, found.layout, side=64, seed=0)
    clips = Clips.stack([clip.load() for clip in training.training.scenes])
    (frames,), n_tokens = TokenizerDecoders(Patches(), (decoder,), CPU).reconstruct(clips)
    assert n_tokens.tolist() == [32] * 8
    assert frames.shape == (8, 2, 3, 64, 64)
    maps = training._maps(found.network, found.statistics.standardise(_table(clips)), torch.arange(2))
    right = agreement(maps.flatten(0, 1), training.training.truth.flat())
    assert right.form > 0.95
    assert right.colour > 0.95
    assert right.count[0.3] > 0.9


ON_CPU = ("--device", "cpu")


def _table(clips: Clips):
    from vtok_eval.probes.features import build_table, extract_features

    features = extract_features(Patches(), clips)
    return build_table(features, [str(row) for row in range(len(features))])


def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL before the fifth of six steps, in the command itself; then the same command again."""
    code = (
        "import os, signal, sys\n"
        "from vtok_eval.decoders.training import steps\n"
        "whole = steps.Steps._step\n"
        "def step(self, number):\n"
        "    if number == int(os.environ['DIE_AT']):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return whole(self, number)\n"
        "steps.Steps._step = step\n"
        "from vtok_eval.cli.main import main\n"
        "main()\n"
    )

    def arguments(folder: Path) -> list[str]:
        sizes = {"clips": 8, "validation-clips": 2, "steps": 6, "batch-size": 4, "seeds": 2}
        given = [part for name, value in sizes.items() for part in (f"--{name}", str(value))]
        return ["train", "decoder", "frames-2", "frames-1", "keyframe", "--out", str(folder), *given, *ON_CPU]

    def train(folder: Path) -> Any:
        """The same command in this process, which spares the imports."""
        return CliRunner().invoke(app, arguments(folder), catch_exceptions=False)

    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
    killed = subprocess.run(
        [sys.executable, "-c", code, *arguments(tmp_path / "killed")],
        env={**os.environ, "DIE_AT": "4"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not list((tmp_path / "killed").glob("*.safetensors"))
    for folder in ("killed", "whole"):
        done = train(tmp_path / folder)
        assert done.exit_code == 0, done.output
    files = [f"frames-{count}.seed-{seed}.safetensors" for count in (1, 2) for seed in (0, 1)]
    assert sorted(path.name for path in (tmp_path / "whole").glob("*.safetensors")) == files
    for name in (*files, "CARD.md", "losses.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not list((tmp_path / "killed").glob("*.checkpoint.pt"))
    again = train(tmp_path / "whole")
    assert again.exit_code == 0
    assert again.output.count("is there") == 4
    assert "keyframe has the tokens of frames-1 and shares its decoders" in again.stdout


def test_a_decoder_of_another_recipe_is_not_taken_for_this_one(
    frames_1: Small, small: DecoderRecipe, tmp_path: Path
) -> None:
    from vtok_eval.cli.train import is_trained

    system, path = frames_1
    assert is_trained(system, small, path.parent)
    assert is_trained(system_of("keyframe"), small, path.parent)
    assert not is_trained(system, small, tmp_path)
    assert not is_trained(system, replace(small, seed=1), path.parent)
    with pytest.raises(SpecError, match="other tokens or of another recipe"):
        is_trained(system, replace(small, steps=7), path.parent)
    with pytest.raises(SpecError, match="other tokens or of another recipe"):
        is_trained(system_of("frames-2", "frames-1"), small, path.parent)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no folder .*none of decoders"):
        decoders_of(system_of("frames-1"), device=CPU, folder=tmp_path / "none")


def test_company_changes_no_byte(tmp_path: Path, small: DecoderRecipe) -> None:
    system = system_of("vtok:stride=1", "vtok")
    trained(tmp_path, small, system)
    decoder = decoders_of(system, device=CPU, folder=tmp_path)
    clips = scenes(4, n_frames=3)
    (together,), n_tokens = decoder.reconstruct(clips)
    assert n_tokens.tolist() == [18] * 4
    for row in (2, 0):
        (alone,), _ = decoder.reconstruct(Clips(clips.frames[row : row + 1], clips.fps[row : row + 1]))
        assert torch.equal(alone[0], together[row])


def test_a_decoder_is_for_its_tokens_whatever_tokenizer_gives_them(frames_1: Small) -> None:
    """`frames-1` and `keyframe` both give the first frame's cells, which are decoded to the same bytes."""
    system, path = frames_1
    clips = scenes(2, n_frames=3)
    decoded = [
        decoders_of(each, device=CPU, folder=path.parent).reconstruct(clips)
        for each in (system, system_of("keyframe"))
    ]
    assert torch.equal(decoded[0][0][0], decoded[1][0][0])
    assert torch.equal(decoded[0][1], decoded[1][1])
    for other in ("frames-2", "frames-1:grid=2", "keyframe:key=1", "frames-1:width=64"):
        with pytest.raises(MissingDependencyError, match=r"there are: frames-1\).*vtok-eval train decoder"):
            decoders_of(system_of(other), device=CPU, folder=path.parent)


def test_a_user_class_is_not_trusted_to_have_the_tokens_of_what_it_inherits(frames_1: Small) -> None:
    """It may overwrite `features` and say nothing of it."""
    _, path = frames_1
    original = system_of("frames-1")
    cls = type(original.subject)
    mine = type("Mine", (cls,), {"__module__": "mine"})
    subject = mine(backbone=original.subject.backbone, count=1)
    system = System("mine", "mine.py:Mine", "tokenizer", subject, {"class": "mine:Mine"})
    assert subject.token_facts(3) == original.subject.token_facts(3)
    assert decoders_for(system, decoder_files(path.parent)) == []


def test_seeds_are_decoders_of_their_own_and_can_be_chosen(small: DecoderRecipe, tmp_path: Path) -> None:
    system = system_of("frames-1")
    training = training_of(small, tmp_path)
    (tables,) = training.tables([system])
    for seed in (1, 0):
        found, _ = training.train(tables, seed=seed, shown=lambda step, parts: None)
        save_decoder(tmp_path / file_name(system.name, seed=seed), found, system)
    clips = scenes(1, n_frames=3)
    both, _ = decoders_of(system, device=CPU, folder=tmp_path).reconstruct(clips)
    first, _ = decoders_of(system, device=CPU, folder=tmp_path, seeds=1).reconstruct(clips)
    assert (len(both), len(first)) == (2, 1)
    assert torch.equal(both[0], first[0])
    assert not torch.equal(both[0], both[1])
    with pytest.raises(MissingDependencyError, match="has decoders of 2 training seeds, and 3 are asked for"):
        decoders_of(system, device=CPU, folder=tmp_path, seeds=3)


def test_features_are_those_of_each_tokenizer_alone(small: DecoderRecipe, tmp_path: Path) -> None:
    """Extracted in one pass for all of them; a clip that one cannot read stops the training and is named."""

    class Failing(Patches):
        def encode(self, clips: Clips):
            raise TokenizerError("too dark")

    one, other = system_of("frames-1"), system_of("vtok:stride=1", "vtok")
    training = training_of(small, tmp_path)
    together = training.tables([one, other])
    for system, found in zip((one, other), together, strict=True):
        (alone,) = training.tables([system])
        for group, same in zip(found.training.groups, alone.training.groups, strict=True):
            assert torch.equal(group.values, same.values)
    with pytest.raises(SpecError, match=r"failing: the training clip varied-v.* failed: too dark"):
        training.tables([System("failing", "f", "tokenizer", Failing(), {})])


def test_clips_of_another_size_or_length_are_refused(frames_1: Small) -> None:
    system, path = frames_1
    decoder = decoders_of(system, device=CPU, folder=path.parent)
    with pytest.raises(TokenizerError, match="of 3 frames of 64 x 64 pixels, not 4 of 64 x 64"):
        decoder.reconstruct(scenes(1, n_frames=4))


def test_a_damaged_file_is_refused(frames_1: Small, tmp_path: Path) -> None:
    system, path = frames_1
    whole = path.read_bytes()
    (tmp_path / path.name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SpecError, match=r"frames-1\.seed-0\.safetensors is damaged"):
        decoders_of(system, device=CPU, folder=tmp_path)


def test_other_safetensors_files_are_no_decoders(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    assert decoder_files(tmp_path) == []


def test_numbers_that_make_no_training_are_refused() -> None:
    with pytest.raises(SpecError, match="steps must be at least 1, not 0"):
        replace(DecoderRecipe(), steps=0)


def test_the_card_says_hashes_and_sizes(frames_1: Small) -> None:
    _, path = frames_1
    card = write_card(path.parent).read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert f"{path.stat().st_size:,}" in card


class TestShipped:
    def test_every_tokenizer_of_mini_has_the_same_seeds(self) -> None:
        suite = load_suite("mini")
        tokenizers = [entry for entry in suite.systems if kind_of(entry.spec) is SystemKind.TOKENIZER]
        names = {entry.name: entry.spec for entry in tokenizers}
        files = decoder_files(SHIPPED)
        used = set()
        for name, spec in names.items():
            found = decoders_for(system_of(spec, name, names=names), files)
            assert [one.seed for one in found] == sorted({one.seed for one in files}), name
            used |= {one.path for one in found}
        assert used == {one.path for one in files}

    def test_they_are_small_and_alike(self) -> None:
        files = decoder_files(SHIPPED)
        assert sum(file.path.stat().st_size for file in files) <= 25_000_000
        recipes = [
            {name: value for name, value in file.facts["history"]["recipe"].items() if name != "seed"}
            for file in files
        ]
        assert all(recipe == recipes[0] for recipe in recipes)
        shapes = [file.facts["shape"] for file in files]
        assert all(shape == shapes[0] for shape in shapes)

    def test_the_threshold_is_the_best_on_their_validation_clips(self) -> None:
        files = decoder_files(SHIPPED)
        counts = mean_counts(files)
        assert max(counts, key=lambda threshold: counts[threshold]) == DETECTION_THRESHOLD
        assert {file.facts["history"]["validation"]["clips"] for file in files} == {2000}

    def test_the_card_is_theirs(self) -> None:
        card = (SHIPPED / "CARD.md").read_text()
        for file in decoder_files(SHIPPED):
            assert file.sha256() in card, f"{file.path.name}: vtok-eval train decoder writes the card"
