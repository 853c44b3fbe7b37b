"""Clips through a tokenizer and back: by its own `decode`, or by the small decoders trained for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vtok_eval.data import Clips, check_tokens
from vtok_eval.errors import GenerationError, MissingDependencyError
from vtok_eval.systems import DecodingTokenizer, System
from vtok_eval.video.returned_clips import checked_clips

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor


class Decoding(Protocol):
    """Shows what a tokenizer's tokens hold."""

    @property
    def training_seeds(self) -> int:
        """How many seeds trained what decodes; 0 for a tokenizer's own `decode`."""
        ...

    def reconstruct(self, clips: Clips) -> tuple[list[Tensor], Tensor]:
        """What the clips' tokens show, and each clip's number of tokens, int64 `(B,)`.

        For each decoder that was trained for the tokenizer, or once for its own `decode`, clips uint8
        `(B, T, 3, H, W)` of any T, H and W.

        Raises:
            VtokEvalError: a clip could not be encoded or decoded; one line says why.
        """
        ...


def decoding_of(
    system: System, *, device: torch.device, folder: Path | None = None, seeds: int | None = None
) -> Decoding:
    """How a tokenizer's tokens are shown: by its own `decode`, else by its decoders in the folder or shipped.

    seeds: how many training seeds to use; None uses every decoder.

    Raises:
        MissingDependencyError: it has neither its own `decode` nor trained decoders; says how to train them.
    """
    if isinstance(system.subject, DecodingTokenizer):
        return OwnDecoding(system.subject)
    from vtok_eval.decoders import decoders_of

    try:
        return decoders_of(system, device=device, folder=folder, seeds=seeds)
    except MissingDependencyError as error:
        raise MissingDependencyError(f"{error}; --set decoders=FOLDER then takes it") from error


class OwnDecoding:
    """A tokenizer with its own `decode`."""

    training_seeds = 0

    def __init__(self, tokenizer: DecodingTokenizer) -> None:
        self._tokenizer = tokenizer

    def reconstruct(self, clips: Clips) -> tuple[list[Tensor], Tensor]:
        """As `Decoding`, one tensor.

        Raises:
            GenerationError: the tokenizer raised, or did not decode to the same number of uint8 clips.
            TokenizerError: its tokens break the protocol.
        """
        import torch

        try:
            with torch.inference_mode():
                tokens = self._tokenizer.encode(clips)
                check_tokens(tokens, n_clips=len(clips))
                decoded = self._tokenizer.decode(tokens)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise GenerationError(f"could not be reconstructed: {type(error).__name__}: {reason}") from error
        checked = checked_clips(decoded, n_clips=len(clips), made_by="decode")
        return [checked.frames.cpu()], tokens.count().cpu()
