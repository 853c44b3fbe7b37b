"""A part of a video as a clip: some of its frames, resized and cropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.understanding.questions.data.frame_folder import PICTURE_SUFFIXES, FrameFolder, in_order
from vtok_eval.errors import VideoError
from vtok_eval.video.decoding.decode import count_frames_to_sample, decode, decode_in_pieces, probe
from vtok_eval.video.sources import content_hash, resize_short_side

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import Clip, ClipForm

_VERSION = "v1"
"""Part of every key; to be raised when the same part would have other pixels."""


@dataclass(frozen=True)
class VideoPart:
    """Frames of a video file, or of a folder of pictures; satisfies `ClipSource`.

    frames: their numbers in the video, in order; a number may be repeated. None: all, up to `most`.
    short_side: the shorter side in pixels after an antialiased bilinear resize, rounded to 8 bits; None: as
    stored. only_smaller: resize only where that makes the frames smaller. square: cut out the centre, as high
    as wide. frame_rate: of folders of pictures, frames per second. problem: why it cannot be a clip, which
    `load` then raises; empty where it can.
    """

    path: Path
    frames: tuple[int, ...] | None = None
    most: int | None = None
    short_side: int | None = None
    only_smaller: bool = False
    square: bool = False
    frame_rate: float = 24.0
    problem: str = ""

    @property
    def key(self) -> str:
        """Names the content: the file's hash, the frames and what is done to them.

        Raises:
            VideoError: the file does not exist or cannot be read.
        """
        content = self._pictures().key if self.path.is_dir() else content_hash(self.path)
        frames = "all" if self.frames is None else "-".join(map(str, self.frames))
        size = f"{self.short_side or 'stored'}{'<' if self.only_smaller else ''}{'sq' if self.square else ''}"
        return f"video-part-{_VERSION}:{content}:{frames}:{self.most or 'every'}:{size}"

    def load(self) -> Clip:
        """The frames, uint8 `(T, 3, H, W)`.

        Raises:
            VideoError: as `decode`, or a picture cannot be read.
        """
        from vtok_eval.data import Clip

        if self.problem:
            raise VideoError(self.problem)
        clip = self._pictures().load() if self.path.is_dir() else self._decoded()
        frames = clip.frames
        if self.path.is_dir():
            frames = frames[list(self._chosen(len(frames)))]
        return Clip(frames=self._fitted(frames), fps=clip.fps)

    def form(self) -> ClipForm:
        """What `load` will give, from the file's header and packets.

        Raises:
            VideoError: as `decode`.
        """
        from vtok_eval.data import ClipForm

        if self.path.is_dir():
            first = replace(self, frames=(0,), most=None).load()
            n_frames, fps = len(self._pictures().pictures), self.frame_rate
            height, width = first.frames.shape[2:]
            return ClipForm(len(self._chosen(n_frames)), int(height), int(width), fps)
        info = probe(self.path)
        if info.fps is None:
            raise VideoError(f"{self.path}: states no frame rate")
        height, width = self._size_after(info.height, info.width)
        n_frames = len(self._chosen(count_frames_to_sample(self.path)))
        return ClipForm(n_frames, height, width, info.fps)

    def pieces(self, frames_per_piece: int) -> Iterator[Tensor]:
        """The same frames as `load`, a few at a time, so that a long video need not be held.

        Raises:
            VideoError: as `decode`.
        """
        if self.frames is not None or self.path.is_dir():
            yield from self.load().frames.split(frames_per_piece)
            return
        for piece in decode_in_pieces(self.path, frames_per_piece=frames_per_piece, most=self.most):
            yield self._fitted(piece)

    def _decoded(self) -> Clip:
        if self.frames is None and self.most is None:
            return decode(self.path)
        return decode(self.path, indices=self._chosen(count_frames_to_sample(self.path)))

    def _chosen(self, n_frames: int) -> tuple[int, ...]:
        if self.frames is not None:
            return self.frames
        return tuple(range(n_frames if self.most is None else min(n_frames, self.most)))

    def _pictures(self) -> FrameFolder:
        names = [path.name for path in self.path.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES]
        pictures = tuple(self.path / name for name in in_order(names))
        return FrameFolder(self.path.name, pictures, self.frame_rate)

    def _size_after(self, height: int, width: int) -> tuple[int, int]:
        """Height and width in pixels after resizing and cropping."""
        side = self.short_side
        if side is not None and self._resizes(min(height, width)):
            scale = side / min(height, width)
            height, width = max(1, round(height * scale)), max(1, round(width * scale))
        return (min(height, width),) * 2 if self.square else (height, width)

    def _resizes(self, short_side: int) -> bool:
        if self.short_side is None or self.short_side == short_side:
            return False
        return not self.only_smaller or self.short_side < short_side

    def _fitted(self, frames: Tensor) -> Tensor:
        if self.short_side is not None and self._resizes(min(frames.shape[2:])):
            frames = resize_short_side(frames, self.short_side)
        if not self.square:
            return frames
        height, width = frames.shape[2:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return frames[..., top : top + side, left : left + side].contiguous()
