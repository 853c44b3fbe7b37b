from __future__ import annotations

import pytest
import torch

from vtok_eval.errors import TokenizerError
from vtok_eval.tokenizers.backbones.base import grid_cells
from vtok_eval.tokenizers.backbones.efficientnet import EfficientNetLite0, _load_timm_model, _weights_path


@pytest.fixture(scope="module")
def backbone() -> EfficientNetLite0:
    return EfficientNetLite0()


def frames_of(n: int, size: tuple[int, int] = (64, 64)) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def photos() -> torch.Tensor:
    """Crops of real photos, (N, 3, 64, 64)."""
    skimage_data = pytest.importorskip("skimage.data")
    crops = []
    for photo in (
        skimage_data.astronaut(),
        skimage_data.coffee(),
        skimage_data.chelsea(),
        skimage_data.rocket(),
    ):
        pixels = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float()
        small = torch.nn.functional.interpolate(pixels, (192, 256), mode="area").to(torch.uint8)
        crops.append(
            small.unfold(2, 64, 64).unfold(3, 64, 64).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 64, 64)
        )
    return torch.cat(crops)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_frame_does_not_see_its_batch(backbone, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        frames = frames_of(21, (40, 56))
        together = backbone.maps(frames)
        for size in (1, 3, 16):
            assert torch.equal(torch.cat([backbone.maps(part) for part in frames.split(size)]), together)
        order = torch.randperm(21, generator=torch.Generator().manual_seed(1))
        assert torch.equal(backbone.maps(frames[order]), together[order])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (1, 1), (16, 200)])
def test_map_has_a_cell_for_each_16_pixels(backbone, size: tuple[int, int]) -> None:
    maps = backbone.maps(frames_of(2, size))
    assert maps.shape == (2, 152, -(-size[0] // 16), -(-size[1] // 16))
    assert maps.dtype == torch.float16
    assert bool(maps.isfinite().all())
    assert maps.is_contiguous()


def test_folded_network_agrees_with_timm(backbone) -> None:
    """The independent way: timm's own feature extractor, unfolded, in float64, on the same weights."""
    import timm

    reference = timm.create_model("tf_efficientnet_lite0", features_only=True, pretrained=False)
    whole = _load_timm_model(_weights_path()).state_dict()
    reference.load_state_dict(
        {key: whole[key.replace("blocks_", "blocks.")] for key in reference.state_dict()}
    )
    frames = frames_of(3)
    with torch.no_grad():
        features = reference.double().eval()((frames.double() - 127) / 128)
    fine = features[2].unfold(2, 2, 2).unfold(3, 2, 2).mean((-2, -1))
    trunk = backbone._trunk
    expected = (torch.cat([fine, features[3]], dim=1) - trunk.mean) / trunk.deviation
    torch.testing.assert_close(backbone.maps(frames).double(), expected, rtol=2e-3, atol=2e-3)


def test_both_strides_matter_alike_on_real_photos(backbone) -> None:
    maps = backbone.maps(photos()).float()
    deviation = maps.std((0, 2, 3))
    # Standardised by the weights alone: every channel within a factor of three, the two strides within two.
    assert 1 / 3 < deviation.min() < deviation.max() < 3
    assert 0.5 < deviation[:40].mean() / deviation[40:].mean() < 2


def test_fingerprint_tells_backbones_apart_and_is_stable(backbone, pixels) -> None:
    assert backbone.fingerprint == EfficientNetLite0().fingerprint
    assert backbone.fingerprint != pixels.fingerprint


@pytest.mark.parametrize(
    "frames",
    [
        torch.zeros(2, 3, 8, 8),
        torch.zeros(3, 8, 8, dtype=torch.uint8),
        torch.zeros(0, 3, 8, 8, dtype=torch.uint8),
    ],
)
def test_what_is_no_frame_is_refused(backbone, frames: torch.Tensor) -> None:
    with pytest.raises(TokenizerError, match="uint8 frames"):
        backbone.maps(frames)


def test_grid_cells_by_hand() -> None:
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    # Rows 0-3, 4-7, 8-11, 12-15; the top left 2 x 2 is 0, 1, 4, 5 with mean 2.5.
    assert grid_cells(maps, 2).tolist() == [[[2.5], [4.5], [10.5], [12.5]]]
    # A map coarser than the grid repeats its values.
    assert grid_cells(torch.full((2, 3, 5, 1, 1), 7.0), 2).shape == (2, 3, 4, 5)
