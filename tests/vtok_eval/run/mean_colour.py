"""A benchmark and tokenizers for the harness's tests: small, exact, and able to misbehave on request."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vtok_eval.benchmark import Context, Outcome, Sample
from vtok_eval.data import Clip, Clips, Tokens
from vtok_eval.errors import MissingDependencyError, VideoError
from vtok_eval.results.description import Description
from vtok_eval.results.records import Metric
from vtok_eval.systems import System

KILL_AT = "MEAN_COLOUR_KILL_AT"
"""Environment variable: the id of the sample at which the process kills itself with SIGKILL."""


@dataclass(frozen=True)
class Flat:
    """A clip of one grey level."""

    level: int
    broken: bool = False

    @property
    def key(self) -> str:
        return f"flat/{self.level}"

    def load(self) -> Clip:
        if self.broken:
            raise VideoError(f"flat clip {self.level} is broken")
        return Clip(torch.full((2, 3, 8, 8), self.level, dtype=torch.uint8), fps=4.0)


class MeanColourTokenizer:
    """One token per clip: its mean grey level from 0 to 255."""

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(clips.frames.float().mean(dim=(1, 3, 4))[:, None, :])


class Moody(MeanColourTokenizer):
    """Raises, or gives NaN, a wrong shape or a wrong mask, for clips of the grey levels 10, 20, 30 and 40."""

    def encode(self, clips: Clips) -> Tokens:
        tokens = super().encode(clips)
        levels = clips.frames[:, 0, 0, 0, 0].tolist()
        if 10 in levels:
            raise RuntimeError("I do not like ten")
        tokens.values[[level == 20 for level in levels]] = float("nan")
        if 30 in levels:
            return Tokens(tokens.values[:, 0], tokens.mask, tokens.kind, tokens.frame)
        if 40 in levels:
            return Tokens(tokens.values, tokens.mask[:, :0], tokens.kind, tokens.frame)
        return tokens


class NeverBuilt:
    """A tokenizer whose constructor raises."""

    def __init__(self) -> None:
        raise RuntimeError("no such weights")


class MeanColour:
    """Asks for the grey level of flat clips; `n` of them, one broken where `broken` is its level."""

    name = "mean-colour"
    version = "1"
    accepts = frozenset({"tokenizer"})

    def __init__(self, *, n: int = 12, broken: int = -1, missing: bool = False, refuse: bool = False) -> None:
        self.n, self.broken, self.missing, self.refuse = n, broken, missing, refuse

    def metrics(self) -> Sequence[Metric]:
        return [Metric("level", "grey level", headline=True, chance=0.0)]

    def samples(self, system: System) -> Sequence[Sample]:
        return [
            Sample(
                id=f"flat-{level}",
                cluster=f"flat-{level}",
                clip=Flat(level, broken=level == self.broken),
                target={"level": level},
                meta={"n_frames": 2},
            )
            for level in range(0, 10 * self.n, 10)
        ]

    def prepare(self, system: System, context: Context) -> MeanColourEvaluator:
        if self.missing:
            raise MissingDependencyError("needs the package colour-science, which is not installed")
        if self.refuse:
            raise ValueError("cannot be prepared")
        return MeanColourEvaluator(system)

    def describe(self) -> Description:
        return Description(facts={"n": self.n})


@dataclass(frozen=True)
class MeanColourEvaluator:
    """A hit where the token's mean plus its remainder by 3 is the level, so that there are misses."""

    system: System

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        from vtok_eval.data import check_tokens

        assert clips is not None
        if os.environ.get(KILL_AT) in {sample.id for sample in samples}:
            os.kill(os.getpid(), signal.SIGKILL)
        tokens = self.system.subject.encode(clips)
        check_tokens(tokens, n_clips=len(clips))
        read = tokens.values[:, 0].mean(dim=1).round().int().tolist()
        return [
            Outcome(
                values={"level": (float(level + level % 3 == sample.target["level"]),)},
                outputs={"level": level},
                cost={"tokens": 1.0},
            )
            for sample, level in zip(samples, read, strict=True)
        ]
