"""What tokenizers declare that they read, and when two of them are one."""

from __future__ import annotations

import pytest
import torch

from vtok_eval.data import TokenKind
from vtok_eval.systems import System
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer, describe_tokenizer
from vtok_eval.tokenizers.frames import FrameSampling
from vtok_eval.tokenizers.identity import tokens_key
from vtok_eval.tokenizers.reading import Reading, read_clips
from vtok_eval.tokenizers.vtok import KeyFrame, VTok


def test_readings_by_hand(pixels) -> None:
    spatial = Reading(TokenKind.SPATIAL, frames=(0,), grid=4)
    motion = Reading(TokenKind.MOTION, frames=(6, 12), grid=1, minus=0, joined=True)
    assert VTok(backbone=pixels).readings(16) == (spatial, motion)
    assert VTok(backbone=pixels, pool="grid", key=7, residual=False).readings(16)[1] == Reading(
        TokenKind.MOTION, frames=(1, 13), grid=4, minus=None, joined=True
    )
    assert KeyFrame(backbone=pixels).readings(16) == (spatial,)
    assert FrameSampling(backbone=pixels, count=2, grid=3).readings(16) == (
        Reading(TokenKind.SPATIAL, frames=(0, 15), grid=3),
    )


@pytest.mark.parametrize("n_frames", [1, 5, 16])
@pytest.mark.parametrize("pool", ["mean", "grid"])
def test_readings_say_how_many_tokens_of_which_width(pixels, random_clips, n_frames: int, pool) -> None:
    tokenizer = VTok(backbone=pixels, stride=2, pool=pool)
    readings = tokenizer.readings(n_frames)
    groups = tokenizer.features(random_clips(2, n_frames))
    for reading, group in zip(readings, groups, strict=True):
        assert group.values.shape == (2, reading.n_tokens, reading.width(pixels.channels))
    assert sum(reading.n_tokens for reading in readings) == tokenizer.token_count(n_frames)


def test_a_frame_passes_once_however_many_readings_want_it(pixels, random_clips) -> None:
    clips = random_clips(3, 4)
    readings = [
        Reading(TokenKind.SPATIAL, frames=(2, 0), grid=2),
        Reading(TokenKind.MOTION, frames=(3, 0), grid=1, minus=2, joined=True),
    ]
    spatial, motion = read_clips(pixels, clips, readings)
    assert pixels.frames_seen == 3 * 3
    assert spatial.frame[0].tolist() == [2] * 4 + [0] * 4
    means = clips.frames.float().mean((3, 4))
    # Each mean is rounded to half precision, in steps of 1/8 from 128 on.
    assert torch.allclose(motion.values, means[:, [3, 0]] - means[:, [2]], atol=1 / 8)


def test_two_tokenizers_are_one_where_their_tokens_are(context: BuildContext) -> None:
    def key(spec: str, n_frames: int = 16) -> str:
        tokenizer = build_tokenizer(spec, context)
        return tokens_key(
            System(spec, spec, "tokenizer", tokenizer, describe_tokenizer(tokenizer)), n_frames=n_frames
        )

    alike = [
        ("frames-1", "keyframe"),
        ("frames:budget=16", "keyframe"),
        ("frames:budget=match:keyframe", "frames-1"),
        ("frames-2:grid=2", "frames-2:grid=2,sampling=linspace"),
    ]
    for one, other in alike:
        assert key(one) == key(other), (one, other)
    all_different = [
        "frames-1", "frames-2", "frames-1:grid=2", "frames-1:width=64", "frames-2:sampling=interior", "blind",
        "keyframe:key=middle", "vtok:stride=1", "vtok:stride=1,residual=off", "vtok:stride=1,pool=grid",
    ]  # fmt: skip
    assert len({key(spec) for spec in all_different}) == len(all_different)
    # Of one frame, whatever the rule, there is one choice; of 16 there is not.
    assert key("frames-2:sampling=interior", n_frames=1) == key("keyframe", n_frames=1)
    assert key("vtok", n_frames=1) != key("keyframe", n_frames=1)
