"""What can be under test: the protocols it satisfies, its kind, and a system as the harness hands it on.

Importing this module does not import torch: modules appear in annotations only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from vtok_eval.data import Clip, Clips, Tokens
from vtok_eval.results.description import Description

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Tokenizer(Protocol):
    """Turns clips into tokens. This is the only method that a tokenizer must have.

    Example:
        >>> class Mine:
        ...     def encode(self, clips: Clips) -> Tokens: ...
        >>> isinstance(Mine(), Tokenizer), isinstance(object(), Tokenizer)
        (True, False)
    """

    def encode(self, clips: Clips) -> Tokens:
        """Tokens of each clip; a clip's tokens must not depend on the other clips of the batch."""
        ...


@runtime_checkable
class TrainableTokenizer(Tokenizer, Protocol):
    """A tokenizer whose last step is a small projection, trained together with the reader of its tokens.

    `encode(clips)` equals `new_projection(seed=0)(features(clips))`. Where `trainable` is false (a checkpoint
    was given) the projection is frozen and readers use `encode`.

    Example:
        >>> class Projected:
        ...     trainable = True
        ...     def encode(self, clips: Clips) -> Tokens: ...
        ...     def features(self, clips: Clips) -> tuple[Tokens, ...]: ...
        ...     def new_projection(self, *, seed: int) -> torch.nn.Module: ...
        >>> isinstance(Projected(), TrainableTokenizer)
        True
    """

    trainable: bool

    def features(self, clips: Clips) -> tuple[Tokens, ...]:
        """The frozen part: groups of tokens, each of its own width D; the tokens are the groups in order."""
        ...

    def new_projection(self, *, seed: int) -> torch.nn.Module:
        """A fresh projection, drawn from `seed`: called with the groups, it gives `Tokens` of one width.

        One that also takes `widths`, a number of channels for each group, can be given groups that a reader
        has reduced; without that parameter the groups are as `features` gives them.
        """
        ...


@runtime_checkable
class CountingTokenizer(Tokenizer, Protocol):
    """A tokenizer that can tell how many tokens a clip will cost before it encodes one.

    Example:
        >>> class FourPerFrame:
        ...     def encode(self, clips: Clips) -> Tokens: ...
        ...     def token_count(self, n_frames: int) -> int:
        ...         return 4 * n_frames
        >>> isinstance(FourPerFrame(), CountingTokenizer), FourPerFrame().token_count(16)
        (True, 64)
    """

    def token_count(self, n_frames: int) -> int:
        """Tokens for a clip of `n_frames` frames."""
        ...


@runtime_checkable
class DecodingTokenizer(Tokenizer, Protocol):
    """A tokenizer that can turn its tokens back into clips.

    Example:
        >>> class Autoencoder:
        ...     def encode(self, clips: Clips) -> Tokens: ...
        ...     def decode(self, tokens: Tokens) -> Clips: ...
        >>> isinstance(Autoencoder(), DecodingTokenizer)
        True
    """

    def decode(self, tokens: Tokens) -> Clips:
        """Clips of the tokens' frames."""
        ...


@runtime_checkable
class Generator(Protocol):
    """Makes clips from text.

    Example:
        >>> import torch
        >>> class Noise:
        ...     def generate(self, prompts, seeds):
        ...         drawn = [torch.Generator().manual_seed(seed) for seed in seeds]
        ...         frames = [torch.randint(256, (8, 3, 32, 32), generator=each) for each in drawn]
        ...         fps = torch.full((len(seeds),), 4.0, dtype=torch.float64)
        ...         return Clips(torch.stack(frames).to(torch.uint8), fps)
        >>> isinstance(Noise(), Generator), Noise().generate(["a red ball"], [0]).n_frames
        (True, 8)
    """

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> Clips:
        """One clip for each prompt and seed; the same pair always gives the same clip."""
        ...


@runtime_checkable
class Answerer(Protocol):
    """Answers questions about a clip.

    Example:
        >>> class AlwaysFirst:
        ...     def answer(self, clip, question, options):
        ...         return options[0]
        >>> isinstance(AlwaysFirst(), Answerer), AlwaysFirst().answer(None, "Which way?", ["left", "right"])
        (True, 'left')
    """

    def answer(self, clip: Clip | None, question: str, options: Sequence[str]) -> str | Sequence[float]:
        """The answer's text, or one score per option. clip: None in a blind run, which shows none."""
        ...


class SystemKind(StrEnum):
    """What a system is to a benchmark, which says in `accepts` which kinds it can evaluate.

    Example:
        >>> SystemKind("videos") is SystemKind.VIDEOS
        True
    """

    TOKENIZER = "tokenizer"
    CODEC = "codec"
    """A video codec: encodes and decodes as a tokenizer does, but costs bits only, since it has no tokens."""
    GENERATOR = "generator"
    ANSWERER = "answerer"
    VIDEOS = "videos"
    """A folder of videos, or what a tokenizer decodes from its tokens of such a folder."""
    ORIGINALS = "originals"
    """A benchmark's own clips as they are: the ceiling of what is decoded from tokens of them."""


@dataclass(frozen=True)
class System:
    """A system under test as the harness hands it to a benchmark.

    Args:
        name: its name in tables.
        spec: the spec string that it was built from.
        kind: a `SystemKind`, or its value.
        subject: the object that satisfies the kind's protocol (`Tokenizer`, `VideoFolder`, ...); None for
            `SystemKind.ORIGINALS`.
        description: what provenance keeps of it: options, weights and their hashes.

    Raises:
        ValueError: the kind is none of `SystemKind`.

    Example:
        >>> System("mine", "my_file.py:Mine", SystemKind.TOKENIZER, subject=None).kind
        <SystemKind.TOKENIZER: 'tokenizer'>
    """

    name: str
    spec: str
    kind: SystemKind
    subject: Any  # Any: which protocol it satisfies depends on its kind
    description: Description = field(default_factory=Description)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", SystemKind(self.kind))
