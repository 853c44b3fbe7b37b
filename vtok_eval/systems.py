"""What can be put under test: the few protocols a system satisfies, and the data that passes between them.

Importing this module does not import torch: tensors appear in annotations only, and the functions that
compute with them work through the tensors' own methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vtok_eval.errors import TokenizerError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Clip:
    """One clip: `frames` uint8 `(T, 3, H, W)` in RGB, and its frame rate in frames per second."""

    frames: Tensor
    fps: float


@dataclass(frozen=True)
class Clips:
    """A batch of clips of one length and size: `frames` uint8 `(B, T, 3, H, W)`; `fps` float64 `(B,)`."""

    frames: Tensor
    fps: Tensor

    def __len__(self) -> int:
        return int(self.frames.shape[0])

    @property
    def n_frames(self) -> int:
        """T, the number of frames of every clip in the batch."""
        return int(self.frames.shape[1])

    @classmethod
    def stack(cls, clips: Sequence[Clip]) -> Clips:
        """Make a batch of clips that share T, H and W."""
        import torch

        frames = torch.stack([clip.frames for clip in clips])
        return cls(frames=frames, fps=torch.tensor([clip.fps for clip in clips], dtype=torch.float64))


class TokenKind(IntEnum):
    """What a token stands for."""

    SPATIAL = 0
    """Part of one frame's picture: a key frame's or a sampled frame's grid cell."""
    MOTION = 1
    """A change between frames: VTok's residual token."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a batch of clips.

    values: `(B, L, D)` floating point; what stands under a false mask is ignored.
    mask: `(B, L)` bool, true where there is a token.
    kind: `(B, L)` int64, a `TokenKind` each.
    frame: `(B, L)` int64, the index in the clip of the frame that the token belongs to.
    """

    values: Tensor
    mask: Tensor
    kind: Tensor
    frame: Tensor

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @classmethod
    def of(
        cls, values: Tensor, *, frame: Tensor | None = None, kind: TokenKind = TokenKind.SPATIAL
    ) -> Tokens:
        """Tokens of one kind without padding, from `values` `(B, L, D)`.

        frame: `(L,)` or `(B, L)`; zeros where it is not given.
        """
        import torch

        batch, length = values.shape[:2]
        mask = torch.ones(batch, length, dtype=torch.bool, device=values.device)
        kinds = torch.full((batch, length), int(kind), dtype=torch.int64, device=values.device)
        if frame is None:
            frame = torch.zeros(length, dtype=torch.int64, device=values.device)
        frames = frame.to(values.device, torch.int64).expand(batch, length)
        return cls(values=values, mask=mask, kind=kinds, frame=frames)

    @classmethod
    def concatenate(cls, groups: Sequence[Tokens]) -> Tokens:
        """Join groups of one width D along the token axis."""
        import torch

        return cls(
            values=torch.cat([group.values for group in groups], dim=1),
            mask=torch.cat([group.mask for group in groups], dim=1),
            kind=torch.cat([group.kind for group in groups], dim=1),
            frame=torch.cat([group.frame for group in groups], dim=1),
        )

    def count(self) -> Tensor:
        """Tokens per clip, int64 `(B,)`."""
        return self.mask.sum(dim=1)


@runtime_checkable
class Tokenizer(Protocol):
    """Turns clips into tokens. This one method is all that a tokenizer must have."""

    def encode(self, clips: Clips) -> Tokens:
        """Tokens of each clip; a clip's tokens must not depend on the other clips of the batch."""
        ...


@runtime_checkable
class TrainableTokenizer(Tokenizer, Protocol):
    """A tokenizer whose last step is a small projection that is trained together with what reads its tokens.

    `encode(clips)` equals `new_projection(seed=0)(features(clips))`. Where `trainable` is false (a checkpoint
    was given) the projection is frozen and readers use `encode`.
    """

    trainable: bool

    def features(self, clips: Clips) -> tuple[Tokens, ...]:
        """The frozen part: groups of tokens, each of its own width D; the tokens are the groups in order."""
        ...

    def new_projection(self, *, seed: int) -> torch.nn.Module:
        """A fresh projection, drawn from `seed`: called with the groups, it gives `Tokens` of one width."""
        ...


@runtime_checkable
class CountingTokenizer(Tokenizer, Protocol):
    """A tokenizer that can tell how many tokens a clip will cost before it encodes one."""

    def token_count(self, n_frames: int) -> int:
        """Tokens for a clip of `n_frames` frames."""
        ...


@runtime_checkable
class DecodingTokenizer(Tokenizer, Protocol):
    """A tokenizer that can turn its tokens back into clips."""

    def decode(self, tokens: Tokens) -> Clips:
        """Clips of the tokens' frames."""
        ...


@runtime_checkable
class Generator(Protocol):
    """Makes clips from text."""

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> Clips:
        """One clip for each prompt and seed; the same pair always gives the same clip."""
        ...


@runtime_checkable
class Answerer(Protocol):
    """Answers questions about a clip."""

    def answer(self, clip: Clip | None, question: str, options: Sequence[str]) -> str | Sequence[float]:
        """The answer's text, or one score per option. clip: None in a blind run, which shows none."""
        ...


def check_tokens(tokens: Tokens, *, n_clips: int) -> None:
    """Refuse tokens that break the protocol.

    Raises:
        TokenizerError: naming what is wrong and, for a value that is not finite, in which clips of the batch.
    """
    values, mask = tokens.values, tokens.mask
    if values.ndim != 3 or values.shape[0] != n_clips:
        raise TokenizerError(f"token values must be ({n_clips}, L, D), not {tuple(values.shape)}")
    if not values.is_floating_point():
        raise TokenizerError(f"token values must be floating point, not {values.dtype}")
    for name, field in (("mask", mask), ("kind", tokens.kind), ("frame", tokens.frame)):
        if field.shape != values.shape[:2]:
            raise TokenizerError(
                f"token {name} must be {tuple(values.shape[:2])} like the values, not {tuple(field.shape)}"
            )
    if str(mask.dtype) != "torch.bool":
        raise TokenizerError(f"token mask must be bool, not {mask.dtype}")
    finite = values.isfinite().all(dim=2) | ~mask
    if not bool(finite.all()):
        bad = (~finite.all(dim=1)).nonzero().flatten().tolist()
        raise TokenizerError(f"token values are NaN or infinite in clips {bad} of the batch")
