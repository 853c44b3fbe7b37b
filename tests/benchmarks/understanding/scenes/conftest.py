"""Made-up clips whose labels are in their pixels, and tokenizers that do or do not pass them on."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch

from vtok_eval.benchmark import Context, Sample
from vtok_eval.data import Clip, Clips, TokenKind, Tokens
from vtok_eval.probes.options.recipe import Recipe
from vtok_eval.run.runners.runner import Runner
from vtok_eval.scenes.vocabulary import Attribute
from vtok_eval.systems import System

N_FRAMES = 4
TONE = Attribute("tone", "Tone", "static", "single", ("a", "b", "c", "d"))
MARKS = Attribute("marks", "Marks", "static", "multi", ("p", "q", "r", "s"))
LATE = Attribute("late", "Late", "temporal", "single", ("no", "yes"))


@dataclass(frozen=True)
class CodedClip:
    """4 x 4 pixels of noise; the first frame's first row holds (clip number, tone, marks as bits, late)."""

    split: str
    number: int

    @property
    def key(self) -> str:
        return f"{self.split}/{self.number}"

    @property
    def codes(self) -> tuple[int, int, int]:
        generator = torch.Generator().manual_seed(1000 * len(self.split) + self.number)
        tone, marks, late = torch.rand(3, generator=generator).tolist()
        return int(4 * tone), 1 + int(14 * marks), int(2 * late)

    @property
    def target(self) -> dict:
        tone, marks, late = self.codes
        target = {"tone": "abcd"[tone], "marks": [label for i, label in enumerate("pqrs") if marks >> i & 1]}
        return target | ({"late": ("no", "yes")[late]} if self.number % 2 else {})

    def load(self) -> Clip:
        generator = torch.Generator().manual_seed(self.number)
        frames = torch.randint(0, 256, (N_FRAMES, 3, 4, 4), generator=generator, dtype=torch.uint8)
        frames[0, 0, 0] = torch.tensor([self.number % 256, *self.codes])
        return Clip(frames=frames, fps=4.0)


def coded_samples(split: str, count: int) -> list[Sample]:
    clips = [CodedClip(split, number) for number in range(count)]
    return [Sample(id=clip.key, cluster=clip.key, clip=clip, target=clip.target) for clip in clips]


@dataclass
class Planted:
    """Three tokens of width 12 a clip; the last is of kind motion and holds all labels, the others noise."""

    calls: int = 0
    bad_numbers: frozenset[int] = frozenset()
    batch_sizes: list[int] = field(default_factory=list)

    def encode(self, clips: Clips) -> Tokens:
        self.calls += 1
        self.batch_sizes.append(len(clips))
        pixels = clips.frames.float() / 255
        numbers, tone, marks, late = clips.frames[:, 0, 0, 0].long().unbind(1)
        values = pixels[:, :3, 0].flatten(2)[:, :, 4:16].clone()
        bits = torch.stack([marks >> i & 1 for i in range(4)], dim=1)
        late_two = torch.nn.functional.one_hot(late, 2)
        planted = torch.cat([torch.nn.functional.one_hot(tone, 4), bits, late_two], dim=1).float()
        values[:, 2, :10] = planted
        bad = torch.tensor([int(number) in self.bad_numbers for number in numbers])
        values[bad] = float("nan")
        tokens = Tokens.of(values, frame=torch.tensor([0, 0, 2]))
        tokens.kind[:, 2] = TokenKind.MOTION
        return tokens


class Blind:
    """No tokens."""

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(torch.zeros(len(clips), 0, 5))


def small_recipe(**changes) -> Recipe:
    settings = {
        "width": 32,
        "heads": 4,
        "n_frames": N_FRAMES,
        "epochs": 12,
        "batch_size": 32,
        "optimizer": "muon",
        "learning_rates": (0.02,),
        "weight_decay": 0.1,
    }
    return Recipe(**(settings | changes))


@pytest.fixture
def fakes():
    """The made-up world: clips, attributes, tokenizers and a recipe."""
    return SimpleNamespace(
        n_frames=N_FRAMES,
        tone=TONE,
        marks=MARKS,
        late=LATE,
        attributes=(TONE, MARKS, LATE),
        samples=coded_samples,
        Planted=Planted,
        Blind=Blind,
        recipe=small_recipe,
        system=lambda tokenizer, name="it": System(name, "spec", "tokenizer", tokenizer),
    )


@pytest.fixture
def make_context(tmp_path):
    """A context whose artifacts are in a folder of the test."""

    def make(*, batch_size: int = 16, seed: int = 0, folder: str = "artifacts") -> Context:
        artifacts = tmp_path / folder
        artifacts.mkdir(parents=True, exist_ok=True)
        cpu = torch.device("cpu")
        runner = Runner(device=cpu, batch_size=batch_size)
        return Context(runner=runner, device=cpu, seed=seed, artifacts=artifacts, cache=tmp_path / "cache")

    return make


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
