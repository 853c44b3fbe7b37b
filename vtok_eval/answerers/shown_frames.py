"""Which frames of a clip an answerer sees, and at how many pixels: declared, and recorded per answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vtok_eval.errors import SpecError

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import Clip


@dataclass(frozen=True, kw_only=True)
class FrameRule:
    """What is shown of a clip.

    count: frames, at most. sampling: a rule of `video.sampling`; "fps" needs `fps`, the frames per second.
    max_pixels: of one frame; larger frames are scaled down, their proportions kept. None keeps every size.
    """

    count: int = 8
    sampling: Literal["linspace", "interior", "fps"] = "linspace"
    fps: float | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise SpecError(f"frames must be at least 1, not {self.count}")
        if (self.sampling == "fps") != (self.fps is not None):
            raise SpecError("sampling=fps and fps=FRAMES_PER_SECOND go together")
        if self.max_pixels is not None and self.max_pixels < 1:
            raise SpecError(f"max_pixels must be at least 1, not {self.max_pixels}")

    def to_json(self) -> dict[str, object]:
        """What provenance keeps."""
        return {
            "frames": self.count,
            "sampling_rule": self.sampling,
            "fps": self.fps,
            "max_pixels": self.max_pixels,
        }


@dataclass(frozen=True)
class ShownFrames:
    """The frames that are shown: uint8 `(K, 3, h, w)`, and their indices in the clip.

    indices: ascending. clip_fps, clip_frames: rate and number of frames of the whole clip.
    """

    frames: Tensor
    indices: tuple[int, ...]
    clip_fps: float
    clip_frames: int

    @property
    def fps(self) -> float:
        """Frames per second among the shown ones: as many as there are in the clip's time."""
        return self.clip_fps * len(self.indices) / self.clip_frames

    def cost(self) -> Mapping[str, float]:
        """Frames and pixels of the clip that were shown, to be added up."""
        height, width = self.frames.shape[-2:]
        return {"frames": float(len(self.indices)), "pixels": float(len(self.indices) * height * width)}


def show(clip: Clip, rule: FrameRule) -> ShownFrames:
    """The clip's frames by the rule, on the clip's device.

    Raises:
        SpecError: the clip has no frames, or no positive rate where the rule needs one.
    """
    from vtok_eval.video.sampling import frame_indices

    n_frames = int(clip.frames.shape[0])
    indices = frame_indices(n_frames, rule.count, rule=rule.sampling, fps=clip.fps, target_fps=rule.fps)
    frames = _within(clip.frames[list(indices)], rule.max_pixels)
    return ShownFrames(frames, indices, clip.fps, n_frames)


def _within(frames: Tensor, max_pixels: int | None) -> Tensor:
    """Frames scaled down, with antialiasing, to at most `max_pixels` each."""
    from torch.nn import functional

    height, width = frames.shape[-2:]
    if max_pixels is None or height * width <= max_pixels:
        return frames
    scale = (max_pixels / (height * width)) ** 0.5
    size = (max(1, int(height * scale)), max(1, int(width * scale)))
    small = functional.interpolate(frames.float(), size, mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).to(frames.dtype)
