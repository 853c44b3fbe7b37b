"""A tokenizer behind its input contract: clips are fitted before `encode`, the fit undone after `decode`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, cast

from vtok_eval.data import Clips, Tokens, check_tokens
from vtok_eval.errors import SpecError, TokenizerError
from vtok_eval.inputs.accepts import Accepts
from vtok_eval.inputs.fit import EncodedAs, Fit
from vtok_eval.inputs.fitting import fit_clips, plan_fit, undo_fit
from vtok_eval.systems import CountingTokenizer, DecodingTokenizer, Tokenizer, TrainableTokenizer
from vtok_eval.video.returned_clips import checked_clips

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def fitted(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer behind its own contract, `tokenizer.accepts`; itself where it declares none.

    What is returned has `decode`, `token_count`, or `features` and `new_projection` where the tokenizer does.

    Raises:
        SpecError: `accepts` is not an `Accepts`.

    Example:
        >>> import torch
        >>> from vtok_eval import Accepts, Tokens
        >>> class EveryFourth:
        ...     accepts = Accepts(frames="1+4k")
        ...     def encode(self, clips):
        ...         return Tokens.of(torch.zeros(len(clips), 1 + clips.n_frames // 4, 2))
        >>> clips = Clips(torch.zeros(1, 16, 3, 8, 8, dtype=torch.uint8), torch.tensor([4.0]))
        >>> fitted(EveryFourth()).encode(clips).values.shape  # of 17 frames, the last one repeated
        torch.Size([1, 5, 2])
    """
    accepts = getattr(tokenizer, "accepts", None)
    if accepts is None:
        return tokenizer
    if not isinstance(accepts, Accepts):
        raise SpecError(f"{type(tokenizer).__name__}.accepts must be vtok_eval.Accepts(...), not {accepts!r}")
    protocols = (DecodingTokenizer, CountingTokenizer, TrainableTokenizer)
    return _class_for(tuple(isinstance(tokenizer, protocol) for protocol in protocols))(tokenizer, accepts)


def unfitted(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer that a user wrote, without the contract around it.

    Example:
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> blind = Blind()
        >>> unfitted(fitted(blind)) is blind
        True
    """
    return tokenizer.inner if isinstance(tokenizer, FittedTokenizer) else tokenizer


class FittedTokenizer:
    """Encodes clips of any length, size and frame rate with a tokenizer that has an input contract.

    Windows of a clip are encoded one by one and their tokens joined; tokens name the frames of the clip as it
    was given. Tokens of repeated frames are kept: they were encoded and are paid for.

    Example:
        >>> import torch
        >>> from vtok_eval.inputs.accepts import Accepts
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> clips = Clips(torch.zeros(1, 16, 3, 8, 8, dtype=torch.uint8), torch.tensor([4.0]))
        >>> FittedTokenizer(Blind(), Accepts(frames="1+4k")).fit_of(clips).window_frames
        17
    """

    def __init__(self, inner: Tokenizer, accepts: Accepts) -> None:
        self.inner, self.accepts = inner, accepts

    def fit_of(self, clips: Clips) -> Fit:
        """What is done to these clips, which share one frame rate.

        Raises:
            TokenizerError: they cannot meet the contract.
        """
        height, width = clips.size
        return plan_fit(
            self.accepts, n_frames=clips.n_frames, height=height, width=width, fps=clips.fps_of(0)
        )

    def encode(self, clips: Clips) -> Tokens:
        """The tokens of each clip."""
        return self._through(lambda part: (self.inner.encode(part),), clips)[0]

    def _through(self, encode: Callable[[Clips], Sequence[Tokens]], clips: Clips) -> tuple[Tokens, ...]:
        """The groups of tokens that `encode` gives for the fitted clips, with the given clips' frames."""
        every = range(len(clips))
        if self.accepts.fps is None or len({clips.fps_of(index) for index in every}) == 1:
            return self._one_rate(encode, clips)
        # Clips at other rates have other numbers of frames after resampling: each goes by itself.
        parts = [self._one_rate(encode, clips.part(index, index + 1)) for index in every]
        return tuple(_stack([part[group] for part in parts]) for group in range(len(parts[0])))

    def _one_rate(self, encode: Callable[[Clips], Sequence[Tokens]], clips: Clips) -> tuple[Tokens, ...]:
        fit = self.fit_of(clips)
        windows = []
        for part in fit_clips(clips, fit):
            groups = tuple(encode(part))
            for group in groups:
                check_tokens(group, n_clips=len(clips))
            windows.append(groups)
        if fit.changes_nothing:
            return windows[0]
        return tuple(_join([groups[index] for groups in windows], fit) for index in range(len(windows[0])))


class _Decoding(FittedTokenizer):
    def decode(self, tokens: Tokens) -> Clips:
        """Clips of the length, size and frame rate that was given to `encode`.

        Raises:
            TokenizerError: the tokens are of clips at several frame rates.
        """
        inner = cast("DecodingTokenizer", self.inner)
        encoded = tokens.encoded_as
        if encoded is None:
            return inner.decode(tokens)
        if encoded.fit is None:
            raise TokenizerError("tokens of clips at several frame rates cannot be decoded as one batch")
        decoded = [
            checked_clips(inner.decode(window), n_clips=len(window), made_by="decode")
            for window in _split(tokens, encoded)
        ]
        return undo_fit(decoded, encoded.fit)


class _Counting(FittedTokenizer):
    def token_count(self, n_frames: int) -> int:
        """Tokens of a clip of `n_frames` frames at the tokenizer's frame rate, repeated frames counted."""
        fit = plan_fit(
            replace(self.accepts, fps=None, size=None), n_frames=n_frames, height=1, width=1, fps=1.0
        )
        return cast("CountingTokenizer", self.inner).token_count(fit.window_frames) * fit.n_windows


class _Trainable(FittedTokenizer):
    @property
    def trainable(self) -> bool:
        """Whether the projection is trained together with what reads the tokens."""
        return cast("TrainableTokenizer", self.inner).trainable

    def features(self, clips: Clips) -> tuple[Tokens, ...]:
        """The frozen part, group by group."""
        return self._through(cast("TrainableTokenizer", self.inner).features, clips)

    def new_projection(self, *, seed: int) -> torch.nn.Module:
        """The tokenizer's own fresh projection."""
        return cast("TrainableTokenizer", self.inner).new_projection(seed=seed)


@cache
def _class_for(capabilities: tuple[bool, ...]) -> type[FittedTokenizer]:
    """A class with only the methods that the tokenizer has, since these show what it can do."""
    bases = [
        base for base, able in zip((_Decoding, _Counting, _Trainable), capabilities, strict=True) if able
    ]
    return type("FittedTokenizer", tuple(bases) or (FittedTokenizer,), {})


def _join(windows: Sequence[Tokens], fit: Fit) -> Tokens:
    """The tokens of all windows, with the given clip's frames in place of the windows'."""
    import torch

    from vtok_eval.devices.constants import integers

    joined = Tokens.concatenate(windows)
    source = integers(fit.source_frames, joined.frame.device)
    shifted = []
    for number, window in enumerate(windows):
        _require_frames(window, fit)
        shifted.append(source[window.frame.clamp(0, fit.window_frames - 1) + number * fit.window_frames])
    shape = windows[0].latent_shape
    return replace(
        joined,
        frame=torch.cat(shifted, dim=1),
        latent_shape=None if shape is None else (shape[0] * len(windows), *shape[1:]),
        encoded_as=EncodedAs(fit, joined.frame, tuple(window.values.shape[1] for window in windows)),
    )


def _require_frames(window: Tokens, fit: Fit) -> None:
    from vtok_eval.devices.checks import check_on_host

    n_frames = fit.window_frames
    outside = (((window.frame < 0) | (window.frame >= n_frames)) & window.mask).any()

    def refuse(found: Sequence[Tensor]) -> None:
        if bool(found[0]):
            raise TokenizerError(f"token frame must be 0 to {n_frames - 1} in a clip of {n_frames} frames")

    check_on_host([outside], refuse)


def _split(tokens: Tokens, encoded: EncodedAs) -> list[Tokens]:
    """The tokens of each window as the tokenizer made them."""
    lengths = list(encoded.window_lengths)
    shape = tokens.latent_shape
    if shape is not None:
        shape = (shape[0] // len(lengths), *shape[1:])

    as_made = replace(tokens, frame=encoded.frame)
    starts = accumulate(lengths, initial=0)
    windows = [as_made.part(start, start + length) for start, length in zip(starts, lengths, strict=False)]
    return [replace(window, latent_shape=shape) for window in windows]


def _stack(clips: Sequence[Tokens]) -> Tokens:
    """Tokens of single clips as one batch, the shorter ones padded under a false mask."""
    from torch.nn.functional import pad

    longest = max(clip.values.shape[1] for clip in clips)

    def padded(tensor: Tensor) -> Tensor:
        filled: Tensor = pad(tensor, (0, 0) * (tensor.ndim - 2) + (0, longest - tensor.shape[1]))
        return filled

    batch = Tokens.batch([clip.map(padded) for clip in clips])
    return replace(batch, encoded_as=EncodedAs(fit=None, frame=batch.frame, window_lengths=()))
