"""What the built-in tokenizers read of a clip, declared before any clip is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NotRequired, Protocol, TypedDict, runtime_checkable

from vtok_eval.data import TokenKind, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from vtok_eval.data import Clips
    from vtok_eval.tokenizers.backbones.base import Backbone, FrameFeatures

VERSION = 2
"""Raised whenever equal readings could give other tokens."""


@dataclass(frozen=True)
class Reading:
    """One group of features: the cells of some frames' maps, as they are or as a change from another frame.

    kind: of the tokens. frames: indices in the clip, one or more tokens each, in this order. grid: each map
    is averaged over grid x grid cells. minus: the frame whose cells are subtracted; None for none.
    joined: all cells of a frame are one token, next to each other in its width; else one token a cell.
    spans: for each of `frames`, the first frame and the one after the last of those whose cells are averaged
        for it; none where each frame is read by itself.

    Example:
        >>> Reading(TokenKind.SPATIAL, frames=(0, 8), grid=4).n_tokens
        32
        >>> Reading(TokenKind.MOTION, frames=(1, 2), grid=4, minus=0, joined=True).width(152)
        2432
    """

    kind: TokenKind
    frames: tuple[int, ...]
    grid: int
    minus: int | None = None
    joined: bool = False
    spans: tuple[tuple[int, int], ...] = ()

    def span_of(self, place: int) -> tuple[int, int]:
        """The first and the one after the last of the frames that are averaged for `frames[place]`."""
        return self.spans[place] if self.spans else (self.frames[place], self.frames[place] + 1)

    @property
    def tokens_per_frame(self) -> int:
        """1 where cells are joined, else grid^2."""
        return 1 if self.joined else self.grid**2

    @property
    def n_tokens(self) -> int:
        """Tokens of a clip."""
        return len(self.frames) * self.tokens_per_frame

    def width(self, channels: int) -> int:
        """The width of each token, for maps of `channels` channels."""
        return channels * self.grid**2 if self.joined else channels


class TokenFacts(TypedDict):
    """Everything that the tokens of clips of one length depend on, as JSON.

    steps: what is done beyond reading, with its options; absent where tokens are what is read.

    Example:
        >>> facts = TokenFacts(version=VERSION, readings=[], width=128, backbone={}, checkpoint_sha256=None)
        >>> facts["width"]
        128
    """

    version: int
    readings: list[Mapping[str, object]]
    width: int
    backbone: Mapping[str, object]
    checkpoint_sha256: str | None
    steps: NotRequired[Mapping[str, object]]


@runtime_checkable
class ReadingTokenizer(Protocol):
    """A tokenizer that can say what it reads before it sees a clip.

    Example:
        >>> class FirstFrame:
        ...     def readings(self, n_frames):
        ...         return (Reading(TokenKind.SPATIAL, frames=(0,), grid=4),)
        >>> isinstance(FirstFrame(), ReadingTokenizer)
        True
    """

    def readings(self, n_frames: int) -> tuple[Reading, ...]:
        """One for each group of its features, for a clip of `n_frames` frames."""
        ...


@runtime_checkable
class GivesSomeAsRead(Protocol):
    """A tokenizer that computes its tokens, or some of them, from what it reads.

    Example:
        >>> class Sorted:
        ...     def given(self, n_frames):
        ...         return ()
        >>> isinstance(Sorted(), GivesSomeAsRead)
        True
    """

    def given(self, n_frames: int) -> tuple[Reading, ...]:
        """The readings whose tokens it gives as they are read."""
        ...


def read_clips(backbone: Backbone, clips: Clips, readings: Sequence[Reading]) -> tuple[Tokens, ...]:
    """The groups of features that `readings` declare; float32, on the backbone's device.

    Every frame passes through the backbone once, however many readings want it.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Clips
        >>> from vtok_eval.tokenizers.backbones.efficientnet import EfficientNetLite0
        >>> clips = Clips(torch.zeros(1, 16, 3, 64, 64, dtype=torch.uint8), torch.tensor([4.0]))
        >>> backbone = EfficientNetLite0(device=torch.device("cpu"))
        >>> (cells,) = read_clips(backbone, clips, [Reading(TokenKind.SPATIAL, frames=(0, 8), grid=2)])
        >>> cells.values.shape
        torch.Size([1, 8, 152])
    """
    frames, grids = wanted(readings)
    features = backbone.clip_features(clips, frames, grids)
    of_clips = {key: kept.unflatten(0, (len(clips), len(frames))) for key, kept in features.items()}
    row = {frame: index for index, frame in enumerate(frames)}
    return tuple(_tokens(reading, of_clips, row) for reading in readings)


def wanted(readings: Sequence[Reading]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The frames and the grids that are read, without duplicates.

    Example:
        >>> spatial = Reading(TokenKind.SPATIAL, frames=(0,), grid=4)
        >>> motion = Reading(TokenKind.MOTION, frames=(6, 12), grid=1, minus=0, joined=True)
        >>> wanted([spatial, motion])
        ((0, 6, 12), (1, 4))
    """
    frames = [frame for reading in readings for frame in _frames_of(reading)]
    return tuple(dict.fromkeys(frames)), tuple(sorted({reading.grid for reading in readings}))


def _frames_of(reading: Reading) -> tuple[int, ...]:
    """The frames whose maps are needed; the subtracted frame comes first."""
    averaged = [frame for span in reading.spans for frame in range(*span)]
    read = tuple(averaged) if reading.spans else reading.frames
    return read if reading.minus is None else (reading.minus, *read)


def _tokens(reading: Reading, features: FrameFeatures, row: Mapping[int, int]) -> Tokens:
    """Tokens from what was kept of frames, `(B, F, ...)` each, where frame f is at `row[f]` of F."""
    from vtok_eval.devices.constants import integers

    values = _averaged(reading, features, row)
    if reading.minus is not None:
        values = values - _cells(features, (reading.minus,), reading.grid, row)
    values = values.flatten(2) if reading.joined else values.flatten(1, 2)
    frames = tuple(frame for frame in reading.frames for _ in range(reading.tokens_per_frame))
    return Tokens.of(values, frame=integers(frames, values.device), kind=reading.kind)


def _cells(features: FrameFeatures, frames: tuple[int, ...], grid: int, row: Mapping[int, int]) -> Tensor:
    """The cells of these frames, float32 `(B, len(frames), grid^2, C)`."""
    from vtok_eval.devices.constants import integers
    from vtok_eval.tokenizers.backbones.base import cells_of

    rows = tuple(row[frame] for frame in frames)
    return cells_of(
        {key: kept.index_select(1, integers(rows, kept.device)) for key, kept in features.items()}, grid
    )


def _averaged(reading: Reading, features: FrameFeatures, row: Mapping[int, int]) -> Tensor:
    """The cells of each of the reading's frames, `(B, len(frames), grid^2, C)`; means where it has spans."""
    import torch

    if not reading.spans:
        return _cells(features, reading.frames, reading.grid, row)
    means = []
    for span in reading.spans:
        first, *others = _cells(features, tuple(range(*span)), reading.grid, row).unbind(dim=1)
        # Frame after frame: a sum whose order does not depend on how many clips there are.
        total = first
        for other in others:
            total = total + other
        means.append(total / (1 + len(others)))
    return torch.stack(means, dim=1)


def readings_as_json(readings: Sequence[Reading]) -> list[Mapping[str, object]]:
    """Plain data that is equal for equal readings.

    Example:
        >>> readings_as_json([Reading(TokenKind.SPATIAL, frames=(0, 8), grid=2)])
        [{'kind': 0, 'frames': [0, 8], 'grid': 2, 'minus': None, 'joined': False}]
    """
    return [_as_json(reading) for reading in readings]


def _as_json(reading: Reading) -> Mapping[str, object]:
    plain = {**asdict(reading), "kind": int(reading.kind), "frames": list(reading.frames)}
    # Left out where there are none, so that such readings are what they were before there were spans.
    spans = {"spans": [list(span) for span in reading.spans]} if reading.spans else {}
    return {**{key: value for key, value in plain.items() if key != "spans"}, **spans}
