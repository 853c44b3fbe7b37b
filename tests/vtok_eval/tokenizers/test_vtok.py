from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vtok_eval.data import Clips, TokenKind
from vtok_eval.errors import SpecError
from vtok_eval.systems import CountingTokenizer, TrainableTokenizer
from vtok_eval.tokenizers.frames import FrameSampling
from vtok_eval.tokenizers.projection import LinearProjection, save_projection
from vtok_eval.tokenizers.vtok import KeyFrame, VTok


def three_frames() -> Clips:
    """One clip of three 2 x 2 frames; red, green, blue channels differ by a constant."""
    red = torch.tensor([[[10, 20], [30, 40]], [[10, 20], [30, 80]], [[0, 0], [0, 0]]])
    frames = torch.stack([red, red + 1, red + 2], dim=1).to(torch.uint8)
    return Clips(frames[None], torch.tensor([4.0], dtype=torch.float64))


def test_spatial_tokens_and_mean_residuals_by_hand(pixels) -> None:
    spatial, motion = VTok(backbone=pixels, grid=2, stride=1).features(three_frames())
    # Cells row by row; each token is (red, green, blue) of the key frame's cell.
    assert spatial.values.tolist() == [[[10, 11, 12], [20, 21, 22], [30, 31, 32], [40, 41, 42]]]
    # Frame 1 differs by +40 in one of four pixels: mean 10. Frame 2 has red 0 everywhere, green 1, blue 2:
    # the mean of -10, -20, -30, -40 is -25 in each channel.
    assert motion.values.tolist() == [[[10, 10, 10], [-25, -25, -25]]]
    assert spatial.kind.unique().tolist() == [TokenKind.SPATIAL]
    assert motion.kind.unique().tolist() == [TokenKind.MOTION]
    assert (spatial.frame.tolist(), motion.frame.tolist()) == ([[0, 0, 0, 0]], [[1, 2]])


def test_grid_pooling_keeps_where_the_change_is(pixels) -> None:
    _, motion = VTok(backbone=pixels, grid=2, stride=1, pool="grid").features(three_frames())
    # Cell after cell, three channels each: only the last pixel of frame 1 changed, by +40.
    assert motion.values[0, 0].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 40, 40]
    assert motion.values[0, 1].tolist() == [-10] * 3 + [-20] * 3 + [-30] * 3 + [-40] * 3


def test_residual_off_gives_absolute_features_with_the_same_parameters(pixels) -> None:
    absolute = VTok(backbone=pixels, grid=2, stride=1, residual=False)
    _, motion = absolute.features(three_frames())
    # Frame 1: red mean (10+20+30+80)/4 = 35; frame 2: red 0, green 1, blue 2.
    assert motion.values.tolist() == [[[35, 36, 37], [0, 1, 2]]]
    shapes = [
        [tuple(weight.shape) for weight in tokenizer.new_projection(seed=0).parameters()]
        for tokenizer in (absolute, VTok(backbone=pixels, grid=2, stride=1))
    ]
    assert shapes[0] == shapes[1]


def test_key_in_the_middle_has_residuals_before_and_after(pixels) -> None:
    spatial, motion = VTok(backbone=pixels, grid=1, stride=1, key="middle").features(three_frames())
    # Key frame 3 // 2 = 1, red mean 35; frame 0 has 25, frame 2 has 0 / 1 / 2 against 35 / 36 / 37.
    assert spatial.values.tolist() == [[[35, 36, 37]]]
    assert motion.values.tolist() == [[[-10, -10, -10], [-35, -35, -35]]]
    assert (spatial.frame.tolist(), motion.frame.tolist()) == ([[1]], [[0, 2]])


@pytest.mark.parametrize(
    ("stride", "key", "n_frames", "motion_frames"),
    [
        (6, "first", 16, [6, 12]),
        (1, "first", 16, list(range(1, 16))),
        (6, 7, 16, [1, 13]),
        (6, "first", 1, []),
    ],
)
def test_token_count_is_s_plus_t_minus_one(
    pixels, random_clips, stride: int, key: int | str, n_frames: int, motion_frames: list[int]
) -> None:
    tokenizer = VTok(backbone=pixels, stride=stride, key=key)
    assert isinstance(tokenizer, TrainableTokenizer)
    assert isinstance(tokenizer, CountingTokenizer)
    tokens = tokenizer.encode(random_clips(2, n_frames))
    assert tokens.count().tolist() == [16 + len(motion_frames)] * 2 == [tokenizer.token_count(n_frames)] * 2
    assert tokens.frame[0, 16:].tolist() == motion_frames


def test_only_sampled_frames_pass_the_backbone(pixels, random_clips) -> None:
    VTok(backbone=pixels, stride=6).encode(random_clips(2, 16))
    assert pixels.frames_seen == 2 * 3
    KeyFrame(backbone=pixels).encode(random_clips(2, 16))
    assert pixels.frames_seen == 2 * 3 + 2


def test_keyframe_is_vtok_without_motion_tokens(pixels, random_clips) -> None:
    clips = random_clips(2, 5)
    (spatial,) = KeyFrame(backbone=pixels, key="middle").features(clips)
    vtok_spatial, _ = VTok(backbone=pixels, key="middle", stride=1).features(clips)
    assert torch.equal(spatial.values, vtok_spatial.values)
    assert torch.equal(spatial.frame, vtok_spatial.frame)


def test_encode_is_the_projection_of_the_features(pixels, random_clips) -> None:
    tokenizer = VTok(backbone=pixels, stride=2, pool="grid", width=8)
    clips = random_clips(3, 6)
    groups = tokenizer.features(clips)
    tokens = tokenizer.encode(clips)
    assert torch.equal(tokens.values, tokenizer.new_projection(seed=0).eval()(groups).values)
    # Independently, in numpy and float64: y = x W^T + b, group by group.
    expected = []
    for group, linear in zip(groups, tokenizer.new_projection(seed=0).maps, strict=True):
        weight, bias = (p.detach().numpy().astype(np.float64) for p in (linear.weight, linear.bias))
        expected.append(group.values.numpy().astype(np.float64) @ weight.T + bias)
    np.testing.assert_allclose(tokens.values.numpy(), np.concatenate(expected, axis=1), rtol=1e-3, atol=1e-3)


def test_projection_comes_from_its_seed_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = LinearProjection([4, 6], 8, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    again, other = LinearProjection([4, 6], 8, seed=3), LinearProjection([4, 6], 8, seed=4)
    assert torch.equal(first.maps[1].weight, again.maps[1].weight)
    assert not torch.equal(first.maps[1].weight, other.maps[1].weight)


def test_what_is_projected_can_be_trained(pixels, random_clips) -> None:
    tokenizer = VTok(backbone=pixels, stride=2)
    projection = tokenizer.new_projection(seed=1)
    projection(tokenizer.features(random_clips(2, 4))).values.square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in projection.parameters())


def test_checkpoint_holds_the_projection_and_freezes_it(pixels, random_clips, tmp_path: Path) -> None:
    clips = random_clips(2, 8)
    trained = VTok(backbone=pixels).new_projection(seed=7)
    save_projection(trained, tmp_path / "p.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["p.safetensors"]
    loaded = VTok(backbone=pixels, checkpoint=tmp_path / "p.safetensors")
    assert loaded.trainable is False
    assert VTok(backbone=pixels).trainable is True
    assert torch.equal(loaded.encode(clips).values, trained.eval()(loaded.features(clips)).values)
    assert not any(p.requires_grad for p in loaded.new_projection(seed=0).parameters())


def test_checkpoints_that_do_not_fit_are_refused(pixels, tmp_path: Path) -> None:
    save_projection(VTok(backbone=pixels).new_projection(seed=0), tmp_path / "mean.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"not a checkpoint")
    # pool=grid has 16 cells x 3 channels = 48 inputs where pool=mean has 3.
    with pytest.raises(SpecError, match=r"maps\.1\.weight should be \(128, 48\), is \(128, 3\)"):
        VTok(backbone=pixels, pool="grid", checkpoint=tmp_path / "mean.safetensors")
    with pytest.raises(SpecError, match="should be absent"):
        FrameSampling(backbone=pixels, count=2, checkpoint=tmp_path / "mean.safetensors")
    with pytest.raises(SpecError, match="not a safetensors file"):
        VTok(backbone=pixels, checkpoint=tmp_path / "junk.safetensors")
    with pytest.raises(SpecError, match="no such file"):
        VTok(backbone=pixels, checkpoint=tmp_path / "missing.safetensors")


def test_key_beyond_the_clip_is_refused(pixels, random_clips) -> None:
    with pytest.raises(SpecError, match="key frame 9"):
        VTok(backbone=pixels, key=9).encode(random_clips(1, 4))


@pytest.mark.parametrize("options", [{"grid": 0}, {"stride": 0}, {"width": 0}])
def test_impossible_options_are_refused(pixels, options: dict[str, int]) -> None:
    with pytest.raises(SpecError, match="at least 1"):
        VTok(backbone=pixels, **options)
