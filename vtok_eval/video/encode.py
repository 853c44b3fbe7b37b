"""Write a clip as an MP4 that every reader decodes to the same colours and the same size."""

from __future__ import annotations

import math
import os
import uuid
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.errors import UnknownNameError, VideoError

if TYPE_CHECKING:
    from vtok_eval.data import Clip

CODECS = ("libx264", "libx264rgb")
"""`libx264`: H.264 in YCbCr, plays everywhere. `libx264rgb`: H.264 in RGB; with crf=0 without any loss."""

X264_PARAMS = "asm=MMX2,SSE2,SSE2Fast,SSSE3,SSE4,SSE42"
"""x264's AVX-512 functions give small frames other bytes in every call; these agree with its plain C code."""


def encode(clip: Clip, path: str | Path, *, crf: int = 18, codec: str = "libx264") -> None:
    """Write `clip` to `path` as MP4, atomically (a temporary file next to it, then a rename).

    Colours are stored as BT.601, limited range, and tagged so: the one choice that PyAV, decord and OpenCV,
    which overlooks the tag, decode alike. Even sizes are stored as yuv420p, odd ones as yuv444p, which needs
    no padding. One thread and fixed settings: the same clip gives the same bytes on any number of cores and
    with any x86 instruction set.

    crf: x264's quality, 0 (no loss after the conversion of colours, stored as yuv444p) to 51.
    The clip's fps is stored as the nearest fraction with a denominator up to 1001 (29.97... -> 30000/1001).

    Raises:
        VideoError: frames that are not uint8 `(T, 3, H, W)` with T >= 1, an fps that is not positive, a crf
            out of range, a name that does not end in .mp4, or a folder that cannot be written.
        UnknownNameError: a codec not in `CODECS`.

    Example:
        >>> import torch
        >>> from pathlib import Path
        >>> from vtok_eval.data import Clip
        >>> from vtok_eval.video.decoding.decode import decode
        >>> encode(Clip(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), fps=4.0), Path("clip.mp4"))
        >>> tuple(decode(Path("clip.mp4")).frames.shape)
        (4, 3, 32, 32)
    """
    import av

    path = Path(path)
    _check(clip, path, crf=crf, codec=codec)
    temporary = path.with_name(f".vtok-eval-{uuid.uuid4().hex}.tmp")
    try:
        _write(clip, temporary, crf=crf, codec=codec)
        os.replace(temporary, path)
    except (OSError, av.FFmpegError) as error:
        raise VideoError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _check(clip: Clip, path: Path, *, crf: int, codec: str) -> None:
    if codec not in CODECS:
        raise UnknownNameError(what="codec", name=codec, known=CODECS)
    if path.suffix.lower() != ".mp4":
        raise VideoError(f"{path}: clips are written as MP4; the name must end in .mp4")
    if not path.parent.is_dir():
        raise VideoError(f"{path}: cannot be written, there is no folder {path.parent}")
    shape = tuple(clip.frames.shape)
    if str(clip.frames.dtype) != "torch.uint8" or len(shape) != 4 or shape[1] != 3 or 0 in shape:
        raise VideoError(f"{path}: frames must be uint8 (T, 3, H, W), not {clip.frames.dtype} {shape}")
    if not (math.isfinite(clip.fps) and clip.fps > 0):
        raise VideoError(f"{path}: fps must be positive, not {clip.fps}")
    if not 0 <= crf <= 51:
        raise VideoError(f"{path}: crf must be from 0 to 51, not {crf}")


def _write(clip: Clip, path: Path, *, crf: int, codec: str) -> None:
    import av
    from av.video.stream import VideoStream

    from vtok_eval.video.colours import stored_pictures, tag_colours

    height, width = clip.frames.shape[2:]
    pixel_format = _pixel_format(height, width, crf=crf, codec=codec)
    # The index goes first, so that a reader can tell a truncated file from a whole one.
    with av.open(f"file:{path}", "w", format="mp4", options={"movflags": "+faststart"}) as container:
        rate = Fraction(clip.fps).limit_denominator(1001)
        settings = {"crf": str(crf), "preset": "medium", "x264-params": X264_PARAMS}
        stream = container.add_stream(codec, rate=rate, options=settings)
        assert isinstance(stream, VideoStream)  # as every codec of this module is one of video
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.thread_count = 1
        tag_colours(stream.codec_context, rgb=codec == "libx264rgb")
        for picture in stored_pictures(clip.frames, pixel_format=pixel_format):
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _pixel_format(height: int, width: int, *, crf: int, codec: str) -> str:
    if codec == "libx264rgb":
        return "rgb24"
    return "yuv420p" if crf > 0 and height % 2 == width % 2 == 0 else "yuv444p"
