"""Metrics against independent implementations, values worked out by hand, and in any pieces."""

from __future__ import annotations

import math

import numpy as np
import piq
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio as skimage_psnr
from skimage.metrics import structural_similarity as skimage_ssim

from benchmarks.reconstruction.metrics.changes import Changes
from benchmarks.reconstruction.metrics.chunks import frames_per_chunk
from benchmarks.reconstruction.metrics.psnr import Psnr, PsnrConvention
from benchmarks.reconstruction.metrics.ssim import MultiScaleSsim, Ssim, SsimConvention
from benchmarks.reconstruction.metrics.vmaf import Vmaf
from tests.benchmarks.reconstruction.clips import blurred, form_of, measured, noisy, pattern

CLIP = pattern()
NOISY = noisy(CLIP)


def _levels(*, errors: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames of 4 x 4 pixels, frame i off by errors[i] levels in every value."""
    original = torch.full((len(errors), 3, 4, 4), 100, dtype=torch.uint8)
    return original, original + torch.tensor(errors, dtype=torch.uint8).view(-1, 1, 1, 1)


def test_psnr_of_frames_equals_skimage() -> None:
    expected = [skimage_psnr(a.numpy(), b.numpy(), data_range=255) for a, b in zip(CLIP, NOISY, strict=True)]
    assert measured(Psnr(), CLIP, NOISY).values["psnr"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_psnr_with_epsilon_equals_piq() -> None:
    found = measured(Psnr(PsnrConvention.FRAMES_PLUS_EPSILON), CLIP, NOISY).values["psnr"]
    expected = piq.psnr(NOISY / 255, CLIP / 255, data_range=1.0, reduction="mean")
    assert found == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        # Errors of 1 and 7 levels: mean squared errors 1 and 49, of the clip 25.
        (PsnrConvention.FRAMES, (48.1308036 + 31.2288428) / 2),
        (PsnrConvention.CLIP, 34.1514035),
        # 20 log10(255 / (5 + 1.19e-7))
        (PsnrConvention.CLIP_PLUS_EPSILON, 34.1514033),
        # -10 log10(1 / 65025 + 1e-8) and -10 log10(49 / 65025 + 1e-8)
        (PsnrConvention.FRAMES_PLUS_EPSILON, (48.1279805 + 31.2287852) / 2),
    ],
)
def test_psnr_conventions_against_values_by_hand(convention: PsnrConvention, expected: float) -> None:
    assert measured(Psnr(convention), *_levels(errors=[1, 7])).values["psnr"] == pytest.approx(
        expected, abs=1e-5
    )


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        (PsnrConvention.FRAMES, math.inf),
        (PsnrConvention.CLIP, math.inf),
        (PsnrConvention.FRAMES_PLUS_EPSILON, 80.0),
        (PsnrConvention.CLIP_PLUS_EPSILON, 20 * math.log10(255 * 2**23)),
    ],
)
def test_psnr_of_an_unchanged_clip(convention: PsnrConvention, expected: float) -> None:
    assert measured(Psnr(convention), CLIP, CLIP).values["psnr"] == pytest.approx(expected)


def test_unchanged_frames_are_left_out_of_the_mean_and_counted() -> None:
    found = measured(Psnr(), *_levels(errors=[0, 7, 0]))
    assert found.values["psnr"] == pytest.approx(31.2288428, abs=1e-5)
    assert found.outputs == {"unchanged_frames": 2}


def test_gaussian_ssim_equals_skimage_and_piq() -> None:
    found = measured(Ssim(), CLIP, NOISY).values["ssim"]
    own = [
        skimage_ssim(
            a.numpy(), b.numpy(), channel_axis=0, data_range=255, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(CLIP, NOISY, strict=True)
    ]  # fmt: skip
    assert found == pytest.approx(np.mean(own), abs=2e-5)
    assert found == pytest.approx(float(piq.ssim(NOISY / 255, CLIP / 255, downsample=False)), abs=2e-5)


def test_pooled_ssim_equals_piq_which_pools_alike() -> None:
    large = pattern(n_frames=2, height=400, width=420)
    changed = noisy(large, level=30)
    found = measured(Ssim(SsimConvention.GAUSSIAN_POOLED), large, changed).values["ssim"]
    assert found == pytest.approx(float(piq.ssim(changed / 255, large / 255, downsample=True)), abs=2e-5)
    assert found != pytest.approx(measured(Ssim(), large, changed).values["ssim"], abs=0.01)


def test_uniform_ssim_is_skimages_default() -> None:
    expected = np.mean(
        [
            skimage_ssim(a.numpy(), b.numpy(), channel_axis=0, data_range=255)
            for a, b in zip(CLIP, NOISY, strict=True)
        ]
    )
    assert measured(Ssim(SsimConvention.UNIFORM), CLIP, NOISY).values["ssim"] == pytest.approx(
        expected, abs=2e-5
    )


def test_multi_scale_ssim_equals_piq() -> None:
    large = pattern(n_frames=2, height=176, width=190)
    changed = noisy(large, level=20)
    found = measured(MultiScaleSsim(), large, changed).values["ms_ssim"]
    # piq drops half a pixel at odd sides where torchmetrics does not: 190 is halved to 95.
    assert found == pytest.approx(float(piq.multi_scale_ssim(changed / 255, large / 255)), abs=2e-3)


@pytest.mark.parametrize(
    ("measure", "side", "reason"),
    [
        (MultiScaleSsim(), 63, "needs frames of at least 176 px, these have 63"),
        (Ssim(), 10, "needs frames of at least 11 px, these have 10"),
        (Ssim(SsimConvention.UNIFORM), 6, "needs frames of at least 7 px, these have 6"),
        (Vmaf(), 31, "needs frames of at least 32 px, these have 31"),
        (Vmaf(), 33, "needs even sides, these are 33 x 64 px"),
    ],
)
def test_frames_too_small_for_a_metric(measure: Ssim, side: int, reason: str) -> None:
    assert measure.why_not(form_of(torch.zeros(2, 3, side, 64))) == reason


def test_changes_show_what_psnr_does_not() -> None:
    frozen = CLIP[:1].expand_as(CLIP)
    flicker = (CLIP.float() + torch.tensor([16.0, -16.0] * 3).view(6, 1, 1, 1)).clamp(0, 255).round().byte()
    soft = measured(Changes(), CLIP, blurred(CLIP)).values
    still = measured(Changes(), CLIP, frozen).values
    restless = measured(Changes(), CLIP, flicker).values
    assert soft["detail_kept"] < 0.8 < 1.0 < measured(Changes(), CLIP, NOISY).values["detail_kept"]
    assert still["motion_kept"] == 0.0
    assert still["difference_error"] == still["flicker_error"] > 0
    assert restless["motion_kept"] > 1.01
    assert restless["difference_error"] > 10


def test_changes_against_values_by_hand() -> None:
    original, decoded = _levels(errors=[0, 2, 5])
    found = measured(Changes(), original, decoded).values
    # The original never changes, the decoded clip by 2 and 3 levels; there is no detail in either.
    assert found == {"difference_error": 2.5, "flicker_error": 2.5}


def test_a_single_frame_has_no_change_in_time() -> None:
    assert set(measured(Changes(), CLIP[:1], NOISY[:1]).values) == {"detail_kept"}


@pytest.mark.parametrize(
    "measure", [Psnr(), Psnr(PsnrConvention.CLIP), Ssim(), Ssim(SsimConvention.UNIFORM), Changes()]
)
def test_pieces_change_no_bit(measure: Psnr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.reconstruction.metrics.chunks.PIXELS_AT_ONCE", 4 * 48 * 64)
    assert frames_per_chunk(48, 64) == 4
    whole = measured(measure, CLIP, NOISY)
    assert [measured(measure, CLIP, NOISY, pieces=pieces) for pieces in (1, 3, 5)] == [whole] * 3
