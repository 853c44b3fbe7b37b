"""Clips through a tokenizer and back, window by window, with what their tokens cost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vtok_eval.data import Clips, check_tokens
from vtok_eval.errors import GenerationError, VtokEvalError
from vtok_eval.inputs.accepts import Accepts
from vtok_eval.inputs.fitted import FittedTokenizer
from vtok_eval.inputs.fitting import fit_clips, plan_fit, undo_fit
from vtok_eval.systems import DecodingTokenizer, System, SystemKind, Tokenizer
from vtok_eval.token_costs import CodeCounts, code_counts
from vtok_eval.video.returned_clips import checked_clips

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vtok_eval.data import ClipForm
    from vtok_eval.decoders.decoder import TokenizerDecoders

FRAMES_PER_PIECE = 16
"""Frames that are read at once where no window says how many."""


@dataclass(frozen=True)
class Returned:
    """Some frames and what came back of them.

    original: uint8 `(T, 3, H, W)`, cropped where the tokenizer's contract crops. decoded: of the same shape,
    one for each training seed of what decodes. tokens, bits: of these frames; a codec has no tokens.
    seconds: of encoding and decoding; None where features came from a cache, so that the time says nothing.
    codes: of these frames' tokens, as `code_counts`; None where they are values.
    """

    original: Tensor
    decoded: tuple[Tensor, ...]
    tokens: int | None
    bits: float
    seconds: float | None
    codes: CodeCounts | None = None


class RoundTrip(Protocol):
    """Encodes and decodes one clip at a time."""

    @property
    def training_seeds(self) -> int:
        """How many seeds trained what decodes; 0 for a tokenizer's own `decode`."""
        ...

    def window(self, form: ClipForm) -> int | None:
        """Frames that are encoded by themselves; None where a clip of this form is encoded whole."""
        ...

    def of(self, clips: Clips) -> Returned:
        """What comes back of one clip, or of one window.

        Raises:
            VtokEvalError: it could not be encoded or decoded, or another number of frames or size came back.
        """
        ...


def round_trip_of(
    system: System, *, device: torch.device, folder: Path | None = None, seeds: int | None = None
) -> RoundTrip:
    """A tokenizer's own `decode`, else the small decoders that were trained for its tokens.

    Raises:
        MissingDependencyError: it has neither; says how to train decoders.
    """
    if isinstance(system.subject, DecodingTokenizer):
        return OwnRoundTrip(system.subject, device, counts_tokens=system.kind is not SystemKind.CODEC)
    from vtok_eval.decoders import decoders_of

    decoders = decoders_of(system, device=device, folder=folder, seeds=seeds)
    return DrawnRoundTrip(system.subject, decoders, device)


def round_trips(trip: RoundTrip, form: ClipForm, pieces: Iterable[Tensor]) -> Iterator[Returned]:
    """What comes back of a clip that is read in pieces, uint8 `(n, 3, H, W)` each.

    A tokenizer whose contract cuts clips into windows gets one window at a time, and no more is held; the
    last window is filled with its last frame and cut back, as the contract does. Any other tokenizer needs
    the whole clip.
    """
    import torch

    window = trip.window(form)
    if window is None:
        yield trip.of(_alone(torch.cat(list(pieces)), form.fps))
        return
    for frames in _regrouped(pieces, window):
        missing = window - len(frames)
        filled = torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)]) if missing else frames
        returned = trip.of(_alone(filled, form.fps))
        yield _cut(returned, len(frames)) if missing else returned


class OwnRoundTrip:
    """A tokenizer with its own `decode`, or a video codec, whose bytes are not tokens for a model."""

    training_seeds = 0

    def __init__(
        self, tokenizer: DecodingTokenizer, device: torch.device, *, counts_tokens: bool = True
    ) -> None:
        self._tokenizer, self._device, self._counts_tokens = tokenizer, device, counts_tokens

    def window(self, form: ClipForm) -> int | None:
        """As `RoundTrip`: of a contract that does not change the frame rate."""
        tokenizer = self._tokenizer
        if not isinstance(tokenizer, FittedTokenizer) or tokenizer.accepts.fps not in (None, form.fps):
            return None
        frames = tokenizer.accepts.window_frames
        return frames if frames is not None and form.n_frames > frames else None

    def of(self, clips: Clips) -> Returned:
        """As `RoundTrip`."""
        import torch

        clips = clips.to(self._device)
        try:
            with torch.inference_mode():
                start = self._clock()
                tokens = self._tokenizer.encode(clips)
                check_tokens(tokens, n_clips=1)
                decoded = self._tokenizer.decode(tokens)
                seconds = self._clock() - start
        except VtokEvalError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())
            raise GenerationError(f"could not be reconstructed: {type(error).__name__}: {reason}") from error
        frames = checked_clips(decoded, n_clips=1, made_by="decode").frames[0]
        original = _cropped(self._tokenizer, clips)
        _check_same_shape(original, frames)
        return Returned(
            original=original,
            decoded=(frames.to(original.device),),
            tokens=int(tokens.count()[0]) if self._counts_tokens else None,
            bits=float(tokens.bits()[0]),
            seconds=seconds,
            codes=code_counts(tokens),
        )

    def _clock(self) -> float:
        """Seconds, when the device has finished what it was given."""
        import torch

        if self._device.type != "cpu":
            torch.accelerator.synchronize(self._device)
        return time.perf_counter()


class DrawnRoundTrip:
    """A tokenizer's tokens as small decoders draw them; clips are fitted to those of their training."""

    def __init__(self, tokenizer: Tokenizer, decoders: TokenizerDecoders, device: torch.device) -> None:
        first = decoders.decoders[0]
        n_frames, side = first.layout.n_frames, first.side
        self._accepts = Accepts(frames=n_frames, most=n_frames, size=side)
        self._tokenizer, self._decoders, self._device = tokenizer, decoders, device
        self._n_frames = n_frames

    @property
    def training_seeds(self) -> int:
        """As `RoundTrip`."""
        return self._decoders.training_seeds

    def window(self, form: ClipForm) -> int | None:
        """As `RoundTrip`."""
        return self._n_frames if form.n_frames > self._n_frames else None

    def of(self, clips: Clips) -> Returned:
        """As `RoundTrip`."""
        clips = clips.to(self._device)
        height, width = clips.size
        fit = plan_fit(
            self._accepts, n_frames=clips.n_frames, height=height, width=width, fps=float(clips.fps[0])
        )
        [window] = fit_clips(clips, fit)
        drawn, counts = self._decoders.reconstruct(window)
        tokens = self._tokenizer.encode(window)
        bits = float(tokens.bits()[0])
        decoded = [undo_fit([Clips(frames.to(self._device), window.fps)], fit).frames[0] for frames in drawn]
        for frames in decoded:
            _check_same_shape(clips.frames[0], frames)
        return Returned(
            clips.frames[0], tuple(decoded), int(counts[0]), bits, seconds=None, codes=code_counts(tokens)
        )


def _cropped(tokenizer: Tokenizer, clips: Clips) -> Tensor:
    """The clip's frames; their centre where the tokenizer's contract crops: the rest never comes back."""
    frames = clips.frames[0]
    if not isinstance(tokenizer, FittedTokenizer):
        return frames
    fit = tokenizer.fit_of(clips)
    if fit.size_policy != "crop":
        return frames
    top, left = (fit.height - fit.encoded_height) // 2, (fit.width - fit.encoded_width) // 2
    return frames[..., top : top + fit.encoded_height, left : left + fit.encoded_width]


def _check_same_shape(original: Tensor, decoded: Tensor) -> None:
    given, came = ((len(frames), *frames.shape[2:]) for frames in (original, decoded))
    if given != came:
        raise GenerationError(
            "decode gave {} frames of {} x {} px for {} of {} x {}, which cannot be compared; return as many "
            "of the same size, or state what encode takes: accepts = vtok_eval.Accepts(...)".format(
                *came, *given
            )
        )


def _alone(frames: Tensor, fps: float) -> Clips:
    import torch

    return Clips(frames[None], torch.tensor([fps], dtype=torch.float64, device="cpu"))


def _cut(returned: Returned, n_frames: int) -> Returned:
    decoded = tuple(frames[:n_frames] for frames in returned.decoded)
    return replace(returned, original=returned.original[:n_frames], decoded=decoded)


def _regrouped(pieces: Iterable[Tensor], length: int) -> Iterator[Tensor]:
    """The same frames in pieces of `length`, the last one shorter."""
    import torch

    held: list[Tensor] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        while count >= length:
            frames = torch.cat(held)
            yield frames[:length]
            held, count = [frames[length:]], count - length
    if count:
        yield torch.cat(held)
