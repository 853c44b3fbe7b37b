"""Limits on what a decoded clip may take, and the memory its frames are decoded into, which keeps to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.errors import VideoError

if TYPE_CHECKING:
    from av import VideoFrame
    from torch import Tensor

    from vtok_eval.video.decoding.orientation import Orientation


@dataclass(frozen=True)
class DecodeLimits:
    """What a clip may take at most; a small file can unpack to any size.

    max_pixels_per_frame: width x height; by default one frame of 8K film.
    max_frames: frames kept in one clip.
    max_total_bytes: of the clip's frames, 3 bytes a pixel.
    """

    max_pixels_per_frame: int = 8192 * 4320
    max_frames: int = 100_000
    max_total_bytes: int = 4 * 2**30


DEFAULT_LIMITS = DecodeLimits()


def check_frame_size(path: Path, width: int, height: int, limits: DecodeLimits) -> None:
    """Refuse a frame beyond the limit.

    Raises:
        VideoError: too many pixels.
    """
    if width * height > limits.max_pixels_per_frame:
        raise VideoError(
            f"{path}: frames of {width}x{height} are beyond the limit of {limits.max_pixels_per_frame} pixels"
        )


class FrameStore:
    """Grows a uint8 `(T, 3, H, W)` tensor frame by frame, never past the limits."""

    def __init__(self, path: Path, limits: DecodeLimits, *, expected: int) -> None:
        """Take note of what to expect; memory is taken with the first frame.

        expected: how many frames will come; 0 if unknown.
        """
        from av.video.reformatter import VideoReformatter

        self._path, self._limits, self._expected = path, limits, expected
        self._check_count(expected)
        self._frames: Tensor | None = None
        self._count = 0
        # One converter for all frames: FFmpeg builds its tables and threads once.
        self._converter = VideoReformatter()

    def append(self, frame: VideoFrame, orientation: Orientation) -> None:
        """Convert PyAV's `frame` to RGB, turn it upright and keep it.

        Raises:
            VideoError: the clip would go beyond a limit.
        """
        import torch

        height, width = (frame.width, frame.height) if orientation.transposed else (frame.height, frame.width)
        if self._frames is None:
            self._check_bytes(max(self._expected, 1), height, width)
            self._frames = torch.empty(
                (self._expected or 16, 3, height, width), dtype=torch.uint8, device="cpu"
            )
        self._check_count(self._count + 1)
        self._check_bytes(self._count + 1, height, width)
        if self._frames.shape[2:] != (height, width):
            raise VideoError(f"{self._path}: the frames' rotation changes at frame {self._count}")
        if self._count == len(self._frames):
            self._frames = torch.cat([self._frames, torch.empty_like(self._frames)])
        picture = orientation.apply(self._converter.reformat(frame, format="rgb24").to_ndarray())
        # Strides of a mirrored view are negative, which torch does not take.
        upright = picture if min(picture.strides) > 0 else picture.copy()
        self._frames[self._count].copy_(torch.from_numpy(upright).permute(2, 0, 1))
        self._count += 1

    def frames(self) -> Tensor:
        """The frames kept so far, uint8 `(T, 3, H, W)`, in memory of their own size."""
        assert self._frames is not None, "no frame was appended"
        return self._frames if self._count == len(self._frames) else self._frames[: self._count].clone()

    def _check_count(self, count: int) -> None:
        if count > self._limits.max_frames:
            raise VideoError(f"{self._path}: more frames than the limit of {self._limits.max_frames}")

    def _check_bytes(self, count: int, height: int, width: int) -> None:
        if count * 3 * height * width > self._limits.max_total_bytes:
            raise VideoError(
                f"{self._path}: {count} frames of {width}x{height} take more than the limit of "
                f"{self._limits.max_total_bytes} bytes"
            )
