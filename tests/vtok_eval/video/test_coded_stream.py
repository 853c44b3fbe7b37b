"""Bare streams of three codecs: whole, minimal, decoded by other means, the same in every call."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
import torch

from vtok_eval.data import Clip
from vtok_eval.errors import UnknownNameError, VideoError
from vtok_eval.video.coded_stream import ENCODERS, RATE_BYTES, decode_stream, encode_stream

every_codec = pytest.mark.parametrize("codec", sorted(ENCODERS))


def moving_blocks(n_frames: int = 6, *, size: int = 64, fps: float = 30000 / 1001) -> Clip:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (3, 8, 8), generator=generator, dtype=torch.uint8)
    picture = coarse.repeat_interleave(size // 8, 1).repeat_interleave(size // 8, 2)
    return Clip(torch.stack([picture.roll(2 * shift, 2) for shift in range(n_frames)]), fps=fps)


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(10 * torch.log10(255**2 / (one.double() - other.double()).square().mean()))


@every_codec
def test_round_trip_keeps_length_size_rate_and_most_of_the_picture(codec) -> None:
    clip = moving_blocks()
    back = decode_stream(encode_stream(clip, codec=codec, crf=20), codec=codec)
    assert back.frames.shape == clip.frames.shape
    assert back.frames.dtype is torch.uint8
    assert back.fps == clip.fps
    # 4:2:0 halves the colours' resolution, which blocks of 8 pixels hardly feel.
    assert psnr(clip.frames, back.frames) > 25


@every_codec
def test_a_higher_crf_spends_fewer_bits_and_keeps_less(codec) -> None:
    clip = moving_blocks()
    coarsest = ENCODERS[codec].crf[1]
    crfs = (15, 3 * coarsest // 4, coarsest - 3)
    streams = [encode_stream(clip, codec=codec, crf=crf) for crf in crfs]
    kept = [psnr(clip.frames, decode_stream(stream, codec=codec).frames) for stream in streams]
    assert len(streams[0]) > len(streams[1]) > len(streams[2])
    assert kept[0] > kept[1] > kept[2]


@every_codec
@pytest.mark.parametrize("size", [64, 96])
def test_the_same_clip_gives_the_same_bytes(codec, size) -> None:
    # On AVX-512 x264 did not, nor x265 where a frame is one coding tree block.
    streams = {encode_stream(moving_blocks(size=size), codec=codec, crf=30) for _ in range(12)}
    assert len(streams) == 1


@every_codec
def test_every_byte_is_needed_and_no_encoder_signs_it(codec) -> None:
    stream = encode_stream(moving_blocks(1), codec=codec, crf=40)
    # x264 and x265 write their name and settings, some 700 bytes, into a stream unless they are stopped.
    assert b"x264" not in stream
    assert b"x265" not in stream
    assert len(stream) < 1500


@pytest.mark.parametrize(("codec", "drops"), [("libx264", {6}), ("libx265", {39, 40})])
def test_no_supplemental_units_are_left(codec, drops) -> None:
    stream = encode_stream(moving_blocks(), codec=codec, crf=30)[RATE_BYTES:]
    starts = [at + 3 for at in range(len(stream) - 3) if stream[at : at + 3] == b"\0\0\1"]
    types = {stream[at] & 31 if codec == "libx264" else stream[at] >> 1 & 63 for at in starts}
    assert types
    assert not types & drops


@every_codec
def test_frames_are_those_of_plain_pyav(codec) -> None:
    # Independent of decode_stream: FFmpeg's own conversion by the colour tags in the stream.
    stream = encode_stream(moving_blocks(), codec=codec, crf=10)
    with av.open(io.BytesIO(stream[RATE_BYTES:]), format=ENCODERS[codec].format) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    expected = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    assert torch.equal(decode_stream(stream, codec=codec).frames, expected)


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (17, 200, 90), (0, 0, 0), (255, 255, 255)])
@every_codec
def test_no_colour_shift(codec, colour) -> None:
    # Mistaking BT.601 for BT.709 moves pure green by 20 levels and more, limited for full range by 16.
    flat = torch.tensor(colour, dtype=torch.uint8)[None, :, None, None].expand(3, 3, 64, 64).contiguous()
    back = decode_stream(encode_stream(Clip(flat, 8.0), codec=codec, crf=10), codec=codec).frames
    assert int((back.int() - flat.int()).abs().max()) <= 5


def test_full_colour_keeps_more_of_coloured_noise() -> None:
    generator = torch.Generator().manual_seed(1)
    noise = Clip(torch.randint(0, 256, (2, 3, 32, 32), generator=generator, dtype=torch.uint8), 8.0)
    kept = {
        pixels: psnr(
            noise.frames,
            decode_stream(
                encode_stream(noise, codec="libx264", crf=1, pixel_format=pixels), codec="libx264"
            ).frames,
        )
        for pixels in ("yuv420p", "yuv444p")
    }
    assert kept["yuv444p"] > kept["yuv420p"] + 10


def test_a_long_clip_comes_back_in_order() -> None:
    # Beyond the default distance of key frames, with frames coded out of order.
    levels = torch.arange(260, dtype=torch.int64).clamp(max=250).to(torch.uint8)
    clip = Clip(levels[:, None, None, None].expand(-1, 3, 16, 16).contiguous(), 25.0)
    back = decode_stream(encode_stream(clip, codec="libx264", crf=20), codec="libx264").frames
    assert len(back) == 260
    error = back.int().flatten(1).float().mean(1) - levels.float()
    assert float(error.abs().max()) < 4


def test_what_cannot_be_coded_is_one_line() -> None:
    clip = moving_blocks()
    with pytest.raises(UnknownNameError, match="did you mean"):
        encode_stream(clip, codec="libx26", crf=20)
    with pytest.raises(VideoError, match="crf must be from 1 to 63, not 0"):
        encode_stream(clip, codec="libsvtav1", crf=0)
    with pytest.raises(VideoError, match="stores yuv420p, not yuv444p"):
        encode_stream(clip, codec="libsvtav1", crf=30, pixel_format="yuv444p")
    with pytest.raises(VideoError, match=r"preset=hasty cannot encode 6 frames of 64 x 64"):
        encode_stream(clip, codec="libx264", crf=20, preset="hasty")
    with pytest.raises(VideoError, match="cannot encode 6 frames of 63 x 64 px"):
        encode_stream(Clip(clip.frames[:, :, 1:], clip.fps), codec="libx264", crf=20)
    with pytest.raises(VideoError, match="libx265 takes frames from 64 px on, not 62 x 64"):
        encode_stream(Clip(clip.frames[:, :, 2:], clip.fps), codec="libx265", crf=20)
    for fps in (0.0, float("nan"), -1.0):
        with pytest.raises(VideoError, match="fps must be positive"):
            encode_stream(Clip(clip.frames, fps), codec="libx264", crf=20)


@every_codec
@pytest.mark.parametrize("stream", [b"", b"\0\0\1\0\1", bytes(range(256)), b"\0" * 40])
def test_bytes_that_are_no_stream_are_one_line(codec, stream) -> None:
    with pytest.raises(VideoError, match=f"are not a stream of {codec}"):
        decode_stream(stream, codec=codec)
