"""Video codecs as systems: what they cost, how their options are read, and which benchmarks take them."""

from __future__ import annotations

import pytest
import torch

from benchmarks.efficiency.benchmark import Efficiency
from vtok_eval.data import Clip, Clips, Tokens, check_tokens
from vtok_eval.errors import SpecError, TokenizerError, UnknownNameError, VideoError
from vtok_eval.run.suite import SystemEntry
from vtok_eval.specs.systems import VideoMaking, build_system, kind_of
from vtok_eval.systems import DecodingTokenizer, SystemKind
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer, describe_tokenizer
from vtok_eval.tokenizers.codec import VideoCodec
from vtok_eval.video.coded_stream import ENCODERS, encode_stream

every_codec = pytest.mark.parametrize("codec", sorted(ENCODERS))


@every_codec
def test_a_clip_is_its_own_stream_whatever_its_batch(codec, random_clips) -> None:
    clips = random_clips(3, 4, (64, 64))
    # Of different lengths: the second clip is nearly flat.
    clips.frames[1] //= 64
    tokenizer = VideoCodec(codec=codec, crf=35)
    together = tokenizer.encode(clips)
    check_tokens(together, n_clips=3)
    for row in range(3):
        stream = encode_stream(Clip(clips.frames[row], 4.0), codec=codec, crf=35)
        assert int(together.count()[row]) == len(stream)
        kept = together.indices[row, together.mask[row]]
        assert kept.tolist() == list(stream)
        alone = tokenizer.encode(clips.part(row, row + 1))
        assert torch.equal(tokenizer.decode(alone).frames[0], tokenizer.decode(together).frames[row])
    assert len(set(together.count().tolist())) > 1


def test_odd_sizes_are_padded_and_cut_back(context: BuildContext, random_clips) -> None:
    tokenizer = build_tokenizer("codec:libx264:crf=20", context)
    assert isinstance(tokenizer, DecodingTokenizer)
    for size in ((33, 47), (7, 5)):
        clips = random_clips(2, 3, size)
        decoded = tokenizer.decode(tokenizer.encode(clips))
        assert decoded.frames.shape == clips.frames.shape
        assert decoded.fps.tolist() == [4.0, 4.0]


@every_codec
def test_bits_per_pixel_takes_the_finest_quality_that_keeps_to_it(codec, random_clips) -> None:
    clips = random_clips(1, 4, (64, 64))
    low, high = ENCODERS[codec].crf
    lengths = {
        crf: int(VideoCodec(codec=codec, crf=crf).encode(clips).count()) for crf in range(low, high + 1, 4)
    }
    chosen = sorted(lengths)[len(lengths) // 2]
    pixels = 4 * 64 * 64
    tokenizer = VideoCodec(codec=codec, bits_per_pixel=8 * lengths[chosen] / pixels)
    spent = int(tokenizer.encode(clips).count())
    assert spent <= lengths[chosen]
    # No finer one of those that were tried keeps to the budget, as long as streams shrink with crf.
    assert spent > lengths[chosen + 4]


def test_too_few_bits_are_refused(random_clips) -> None:
    with pytest.raises(VideoError, match=r"at its coarsest, crf=51; 0\.001 is too few$"):
        VideoCodec(codec="libx264", bits_per_pixel=0.001).encode(random_clips(1, 4))


def test_specs_are_read(context: BuildContext) -> None:
    described = describe_tokenizer(build_tokenizer("codec:libx265:crf=30,preset=fast", context))
    options = described.options
    assert options["codec"], options["crf"] == ("libx265", 30)
    assert options["preset"] == "fast"
    assert described["accepts"] == 'size="64+2k"'
    assert "libavcodec" in str(described["encoder"])
    # The default preset is stated too.
    assert describe_tokenizer(build_tokenizer("codec:libsvtav1:crf=30", context)).options["preset"] == "8"
    same = build_tokenizer("codec:codec=libx265,crf=30,preset=fast", context)
    assert describe_tokenizer(same) == described


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("codec", "codec does not say which codec"),
        ("codec:libx264", "either a quality"),
        ("codec:libx264:crf=20,bits_per_pixel=1", "either a quality"),
        ("codec:libx264:crf=52", "crf must be from 0 to 51, not 52"),
        ("codec:libsvtav1:crf=0", "crf must be from 1 to 63, not 0"),
        ("codec:libx264:bits_per_pixel=0", "must be above 0"),
        ("codec:libsvtav1:crf=30,pixels=yuv444p", "stores yuv420p"),
        ("codec:libx264:crf=20:preset=fast", "crf=20:preset=fast is not valid"),
        ("codec:libaom-av1:crf=20", "libsvtav1"),
        ("codec:libx264:quality=20", "quality"),
    ],
)
def test_a_spec_that_cannot_be_read_is_one_line(spec, message, context) -> None:
    with pytest.raises((SpecError, UnknownNameError)) as caught:
        build_tokenizer(spec, context)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_it_costs_the_bits_of_its_stream(random_clips) -> None:
    tokens = VideoCodec(codec="libx264", crf=35).encode(random_clips(2, 4))
    assert tokens.bits().tolist() == [8.0 * length for length in tokens.count().tolist()]


def test_tokens_of_another_tokenizer_are_refused() -> None:
    codec = VideoCodec(codec="libx264", crf=20)
    with pytest.raises(TokenizerError, match="these tokens are values, not codes"):
        codec.decode(Tokens.of(torch.zeros(1, 8, 1)))
    with pytest.raises(VideoError, match="8 bytes are not a stream of libx264"):
        codec.decode(Tokens.codes(torch.zeros(1, 8, dtype=torch.int64), codebook_size=256))


def test_it_is_a_kind_of_its_own(context: BuildContext, tmp_path) -> None:
    spec = "codec:libx264:crf=28"
    system = build_system(SystemEntry(name="h264", spec=spec), context, VideoMaking(tmp_path, seed=0))
    assert kind_of(spec) is system.kind is SystemKind.CODEC
    # What counts tokens does not take it; what counts bits names the kind.
    assert SystemKind.CODEC not in Efficiency().accepts


def test_clips_of_another_rate_decode_at_theirs() -> None:
    frames = torch.zeros(2, 3, 3, 16, 16, dtype=torch.uint8)
    clips = Clips(frames, torch.tensor([8.0, 24000 / 1001], dtype=torch.float64))
    codec = VideoCodec(codec="libx264", crf=40)
    assert codec.decode(codec.encode(clips)).fps.tolist() == pytest.approx([8.0, 24000 / 1001])
