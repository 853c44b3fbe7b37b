"""RGB frames as codecs store them, and back: BT.601, limited range, which every reader decodes alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from torch import Tensor


def stored_pictures(frames: Tensor, *, pixel_format: str) -> Iterator[VideoFrame]:
    """The frames as PyAV's `VideoFrame`s in the format that a codec stores.

    frames: uint8 `(T, 3, H, W)`, RGB. pixel_format: FFmpeg's name, such as "yuv420p", or "rgb24".
    """
    import av
    from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

    converter = VideoReformatter()
    for picture in frames.permute(0, 2, 3, 1).cpu():
        rgb = av.VideoFrame.from_ndarray(picture.contiguous().numpy(), format="rgb24")
        yield converter.reformat(
            rgb, format=pixel_format, dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
        )


def tag_colours(context: VideoCodecContext, *, rgb: bool = False) -> None:
    """Say in a stream what its numbers mean: sRGB pictures, stored as BT.601 limited range or as plain RGB.

    context: the codec context of PyAV's output stream.
    """
    from av.video.reformatter import ColorRange

    matrix_rgb, matrix_bt601, primaries_bt709, transfer_srgb = 0, 6, 1, 13  # ITU-T H.273 code points
    context.colorspace = matrix_rgb if rgb else matrix_bt601
    context.color_range = ColorRange.JPEG if rgb else ColorRange.MPEG
    context.color_primaries = primaries_bt709
    context.color_trc = transfer_srgb


def shown_frames(pictures: Iterator[VideoFrame]) -> Tensor:
    """Decoded pictures, stored as `stored_pictures` does, as RGB frames.

    Returns: uint8 `(T, 3, H, W)`.
    """
    import torch
    from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

    converter = VideoReformatter()
    frames = [
        converter.reformat(
            picture,
            format="rgb24",
            src_colorspace=Colorspace.ITU601,
            src_color_range=ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
        ).to_ndarray()
        for picture in pictures
    ]
    return torch.stack([torch.from_numpy(frame).permute(2, 0, 1) for frame in frames]).contiguous()
