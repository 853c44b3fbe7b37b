"""Clips as streams of H.264, HEVC and AV1 without a container: no byte more than decoding needs."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from vtok_eval.errors import MissingDependencyError, UnknownNameError, VideoError
from vtok_eval.video.encode import X264_PARAMS

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from vtok_eval.data import Clip

RATE_BYTES = 5
"""Before the stream: the frame rate's numerator (3 bytes) and denominator (2). AV1 has no place for it."""


@dataclass(frozen=True)
class Encoder:
    """How one of FFmpeg's encoders is used here.

    Attributes:
        format: FFmpeg's name of the bare stream.
        crf: the finest and the coarsest quality.
        preset: the default trade of time for bits.
        least: the smallest height and width in pixels.
        pixel_formats: what it can store.
        options: fixed settings: one thread, so that a clip gives the same bytes on any number of cores.
        drops: a bitstream filter that takes out what no decoder needs, such as the encoder's name; or "".
    """

    format: str
    crf: tuple[int, int]
    preset: str
    least: int = 16
    pixel_formats: tuple[str, ...] = ("yuv420p", "yuv444p")
    options: Mapping[str, str] = field(default_factory=dict)
    drops: str = ""


ENCODERS: Mapping[str, Encoder] = {
    "libx264": Encoder(
        "h264",
        (0, 51),
        "medium",
        options={"x264-params": X264_PARAMS},
        drops="filter_units=remove_types=6",
    ),
    # A frame of one coding tree block (64 pixels by default) gets other bytes in every call, and below 64
    # pixels libx265 may write beyond its memory.
    "libx265": Encoder(
        "hevc",
        (0, 51),
        "medium",
        least=64,
        options={"x265-params": "log-level=none:pools=none:frame-threads=1:info=0:ctu=32"},
        drops="filter_units=remove_types=39|40",
    ),
    # FFmpeg reads crf=0 as "not given" here.
    "libsvtav1": Encoder("obu", (1, 63), "8", pixel_formats=("yuv420p",), options={"svtav1-params": "lp=1"}),
}
"""H.264, HEVC and AV1 by the encoders that PyAV's wheels bring."""


def encoder_named(codec: str) -> Encoder:
    """The encoder of that name.

    Raises:
        UnknownNameError: none of `ENCODERS`.
        MissingDependencyError: this build of PyAV has no such encoder.
    """
    import av

    if codec not in ENCODERS:
        raise UnknownNameError(what="codec", name=codec, known=ENCODERS)
    try:
        av.codec.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError as error:
        raise MissingDependencyError(f"this build of PyAV has no encoder {codec}") from error
    return ENCODERS[codec]


def encode_stream(
    clip: Clip,
    *,
    codec: str,
    crf: int,
    preset: str | None = None,
    pixel_format: str = "yuv420p",
    settings: Mapping[str, str] | None = None,
) -> bytes:
    """The clip as its frame rate (`RATE_BYTES`) and the codec's bare stream: all that decoding needs.

    clip: uint8 `(T, 3, H, W)`, H and W even for yuv420p. codec: one of `ENCODERS`. preset: the encoder's;
        None for the default of `ENCODERS`. settings: more options of FFmpeg. Colours are converted as
        `vtok_eval.video.encode.encode` does.

    Raises:
        UnknownNameError, MissingDependencyError: as `encoder_named`.
        VideoError: crf out of range, another pixel format, or a clip that the encoder cannot take.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Clip
        >>> clip = Clip(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), fps=8.0)
        >>> stream = encode_stream(clip, codec="libx264", crf=28)
        >>> decode_stream(stream, codec="libx264").frames.shape
        torch.Size([4, 3, 32, 32])
    """
    import av

    encoder = encoder_named(codec)
    low, high = encoder.crf
    if not low <= crf <= high:
        raise VideoError(f"codec {codec}: crf must be from {low} to {high}, not {crf}")
    if pixel_format not in encoder.pixel_formats:
        known = " or ".join(encoder.pixel_formats)
        raise VideoError(f"codec {codec} stores {known}, not {pixel_format}")
    if min(clip.frames.shape[2:]) < encoder.least:
        height, width = clip.frames.shape[2:]
        raise VideoError(f"codec {codec} takes frames from {encoder.least} px on, not {height} x {width}")
    rate = _rate(clip.fps, codec=codec)
    preset = preset or encoder.preset
    options = {"crf": str(crf), "preset": preset, **encoder.options, **(settings or {})}
    try:
        packets = _packets(
            clip, codec, encoder=encoder, rate=rate, options=options, pixel_format=pixel_format
        )
    except av.FFmpegError as error:
        n_frames, _, height, width = clip.frames.shape
        raise VideoError(
            f"codec {codec} with crf={crf}, preset={preset} cannot encode {n_frames} frames of "
            f"{height} x {width} px ({error.strerror or error})"
        ) from error
    head = rate.numerator.to_bytes(3, "big") + rate.denominator.to_bytes(2, "big")
    return head + b"".join(bytes(packet) for packet in packets)


def decode_stream(stream: bytes, *, codec: str) -> Clip:
    """The clip of what `encode_stream` gave.

    Raises:
        UnknownNameError, MissingDependencyError: as `encoder_named`.
        VideoError: the bytes are not such a stream.
    """
    import av

    from vtok_eval.data import Clip
    from vtok_eval.video.colours import shown_frames

    encoder = encoder_named(codec)
    fps = int.from_bytes(stream[:3], "big") / max(1, int.from_bytes(stream[3:RATE_BYTES], "big"))
    try:
        with av.open(io.BytesIO(stream[RATE_BYTES:]), "r", format=encoder.format) as container:
            container.streams.video[0].thread_type = "NONE"
            frames = shown_frames(container.decode(video=0))
    except (av.FFmpegError, IndexError, RuntimeError) as error:
        raise VideoError(f"{len(stream)} bytes are not a stream of {codec} ({error})") from error
    return Clip(frames=frames, fps=fps)


def _rate(fps: float, *, codec: str) -> Fraction:
    if not (math.isfinite(fps) and fps > 0):
        raise VideoError(f"codec {codec}: fps must be positive, not {fps}")
    rate = Fraction(fps).limit_denominator(1001)
    if not 0 < rate.numerator < 2**24:
        raise VideoError(f"codec {codec}: a rate of {fps} frames per second cannot be stored")
    return rate


def _packets(
    clip: Clip,
    codec: str,
    *,
    encoder: Encoder,
    rate: Fraction,
    options: Mapping[str, str],
    pixel_format: str,
) -> list[Packet[VideoStream]]:
    """The coded packets, without what no decoder needs."""
    import av
    from av.bitstream import BitStreamFilterContext
    from av.video.stream import VideoStream

    from vtok_eval.video.colours import stored_pictures, tag_colours

    # SVT-AV1 prints its settings to stderr unless this is set before its first use.
    os.environ.setdefault("SVT_LOG", "1")
    with av.open(io.BytesIO(), "w", format=encoder.format) as container:
        stream = container.add_stream(codec, rate=rate, options=dict(options))
        assert isinstance(stream, VideoStream)  # as every codec of this module is one of video
        height, width = clip.frames.shape[2:]
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.thread_count = 1
        tag_colours(stream.codec_context)
        packets: list[Packet[VideoStream]] = []
        for picture in stored_pictures(clip.frames, pixel_format=pixel_format):
            packets += stream.encode(picture)
        packets += stream.encode(None)
        if not encoder.drops:
            return packets
        drops = BitStreamFilterContext(encoder.drops, in_stream=stream)
        return [kept for packet in (*packets, None) for kept in drops.filter(packet)]
