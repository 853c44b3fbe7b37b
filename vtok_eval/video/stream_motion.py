"""What a coded stream says of motion: H.264's motion vectors, and what is left where they are followed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vtok_eval.errors import VideoError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from vtok_eval.data import Clip, Clips

_SETTINGS = {"bf": "0", "refs": "1", "g": "9999", "sc_threshold": "0", "weightp": "none"}
"""Every frame but the first is predicted from the one before it, so that a vector spans one frame."""


@dataclass(frozen=True)
class StreamMotion:
    """Motion in a clip's stream, for every frame but the first.

    Attributes:
        shift: float32 `(T - 1, H, W, 2)`, x and y in pixels: where a pixel is, less where it is taken from in
            the frame before. Zero where nothing is taken from it.
        coded_anew: bool `(T - 1, H, W)`, where nothing is.
        residual: float32 `(T - 1, H, W)`, the decoded brightness, from 0 to 1, less that of the pixel that it
            is taken from (at the nearest whole pixel): in size what the stream codes beyond motion.
    """

    shift: NDArray[np.float32]
    coded_anew: NDArray[np.bool_]
    residual: NDArray[np.float32]


def stream_motion(clip: Clip, *, crf: int) -> StreamMotion:
    """Encode the clip with libx264 and read its motion; sizes that are odd or below 16 px are padded for it.

    clip: uint8 `(T, 3, H, W)`, T of at least 1.

    Raises:
        VideoError: the clip cannot be encoded.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Clip
        >>> still = Clip(torch.full((3, 3, 16, 16), 90, dtype=torch.uint8), fps=8.0)
        >>> float(abs(stream_motion(still, crf=23).shift).max())
        0.0
    """
    from vtok_eval.data import Clips
    from vtok_eval.inputs.accepts import Accepts
    from vtok_eval.inputs.fitting import fit_clips, plan_fit

    n_frames, _, height, width = clip.frames.shape
    fit = plan_fit(Accepts(size="16+2k"), n_frames=n_frames, height=height, width=width, fps=clip.fps)
    padded = fit_clips(Clips.stack([clip]), fit)[0]
    frames = list(_decoded(padded, crf=crf))
    if len(frames) != n_frames:
        raise VideoError(f"{n_frames} frames were encoded for their motion, {len(frames)} came back")
    found = [_motion(before, frame) for before, frame in pairwise(frames)]
    shape = (0, height, width)
    if not found:
        still = np.zeros(shape, np.float32)
        return StreamMotion(np.zeros((*shape, 2), np.float32), np.zeros(shape, bool), still)
    shift, anew, residual = (np.stack(part)[:, :height, :width] for part in zip(*found, strict=True))
    return StreamMotion(shift, anew, residual)


def _decoded(clips: Clips, *, crf: int) -> Iterator[VideoFrame]:
    import av

    from vtok_eval.data import Clip
    from vtok_eval.video.coded_stream import RATE_BYTES, encode_stream

    clip = Clip(clips.frames[0], float(clips.fps[0]))
    stream = encode_stream(clip, codec="libx264", crf=crf, settings=_SETTINGS)
    with av.open(io.BytesIO(stream[RATE_BYTES:]), "r", format="h264") as container:
        container.streams.video[0].codec_context.options = {"flags2": "+export_mvs"}
        yield from container.decode(video=0)


def _motion(
    before: VideoFrame, frame: VideoFrame
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Shift, what is coded anew, and residual of one frame."""
    height, width = frame.height, frame.width
    shift = np.zeros((height, width, 2), np.float32)
    anew = np.ones((height, width), bool)
    for vector in _vectors(frame):
        # A vector's place is the middle of its block.
        top, left = int(vector["dst_y"]) - int(vector["h"]) // 2, int(vector["dst_x"]) - int(vector["w"]) // 2
        rows = slice(max(0, top), top + int(vector["h"]))
        columns = slice(max(0, left), left + int(vector["w"]))
        scale = float(vector["motion_scale"])
        shift[rows, columns] = (-vector["motion_x"] / scale, -vector["motion_y"] / scale)
        anew[rows, columns] = False
    row, column = np.mgrid[:height, :width]
    from_row = np.clip(np.rint(row - shift[..., 1]).astype(int), 0, height - 1)
    from_column = np.clip(np.rint(column - shift[..., 0]).astype(int), 0, width - 1)
    residual = _brightness(frame) - _brightness(before)[from_row, from_column]
    return shift, anew, residual


def _vectors(frame: VideoFrame) -> NDArray[np.void]:
    from av.sidedata.motionvectors import MotionVectors

    found = frame.side_data.get("MOTION_VECTORS")
    if not isinstance(found, MotionVectors):
        return np.empty(0, dtype=np.void)
    vectors: NDArray[np.void] = found.to_ndarray()
    return vectors


def _brightness(frame: VideoFrame) -> NDArray[np.float32]:
    """Of yuv420p in limited range: 16 is black, 235 white."""
    luma = frame.to_ndarray()[: frame.height, : frame.width]
    return (luma.astype(np.float32) - 16) / 219
