"""A clip stored as a folder of pictures, as in MVBench's episodic reasoning."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.errors import VideoError
from vtok_eval.video.decoding.frame_store import DEFAULT_LIMITS, DecodeLimits, check_frame_size
from vtok_eval.video.sampling import frame_indices

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import Clip

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class FrameFolder:
    """Pictures as a clip; satisfies `ClipSource`.

    pictures: in order of time. frame_rate: of the pictures, per second. max_frames: the maximum number,
    chosen by `rule`; None takes all. short_side: the shorter side in pixels after resizing; None: as stored.
    """

    name: str
    pictures: tuple[Path, ...] = field(repr=False)
    frame_rate: float
    max_frames: int | None = None
    rule: str = "linspace"
    short_side: int | None = None
    limits: DecodeLimits = DEFAULT_LIMITS

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is read from."""
        return self.pictures

    @property
    def key(self) -> str:
        """Names the content: the chosen pictures' bytes and what is done to them.

        Raises:
            VideoError: a picture is missing.
        """
        digest = hashlib.sha256()
        for path in self._chosen():
            digest.update(hashlib.sha256(_bytes(path)).digest())
        return f"pictures-v1:{digest.hexdigest()}:{self.frame_rate}:{self.short_side or 'stored'}"

    def load(self) -> Clip:
        """Decode the chosen pictures, uint8 `(T, 3, H, W)`; the rate is that of the chosen ones.

        Raises:
            VideoError: no picture, a broken one, one of another size than the first, or beyond a limit.
        """
        import torch

        from vtok_eval.data import Clip
        from vtok_eval.video.sources import resize_short_side

        chosen = self._chosen()
        frames: list[Tensor] = []
        for path in chosen:
            frame = _picture(path, self.limits)
            if frames and frame.shape != frames[0].shape:
                raise VideoError(f"{path}: its size differs from that of {chosen[0].name}")
            if len(chosen) * frame.numel() > self.limits.max_total_bytes:
                raise VideoError(f"{self.name}: {len(chosen)} pictures are beyond the limit of bytes")
            frames.append(frame)
        stacked = torch.stack(frames)
        if self.short_side is not None and self.short_side != min(stacked.shape[2:]):
            stacked = resize_short_side(stacked, self.short_side)
        return Clip(frames=stacked, fps=self.frame_rate * len(chosen) / len(self.pictures))

    def _chosen(self) -> list[Path]:
        if not self.pictures:
            raise VideoError(f"{self.name}: a folder without pictures ({', '.join(PICTURE_SUFFIXES)})")
        count = self.max_frames or len(self.pictures)
        return [self.pictures[index] for index in frame_indices(len(self.pictures), count, rule=self.rule)]


def in_order(names: Sequence[str]) -> list[str]:
    """File names in the order of the numbers in them: 2.jpg before 10.jpg.

    Example:
        >>> in_order(["10.png", "2.png"])
        ['2.png', '10.png']
    """
    return sorted(names, key=lambda name: [(int(d or -1), t) for d, t in re.findall(r"(\d+)|(\D+)", name)])


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror})") from error


def _picture(path: Path, limits: DecodeLimits) -> Tensor:
    import io

    import numpy as np
    import torch
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(_bytes(path))) as picture:
            check_frame_size(path, picture.width, picture.height, limits)
            pixels = np.array(picture.convert("RGB"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path}: no picture that can be read ({error})") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
