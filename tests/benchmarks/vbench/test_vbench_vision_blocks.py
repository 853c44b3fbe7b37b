"""Packed transformer blocks against the packages' own, and against a block written out in float64."""

from __future__ import annotations

import pytest

from benchmarks.vbench.package import installed_version

pytestmark = [
    pytest.mark.vbench,
    pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed"),
]

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    if not _blocks().can_pack(torch.device("cpu")):
        pytest.skip("this torch has no packed linear layers")


def _blocks():
    from benchmarks.vbench.networks import vision_blocks

    return vision_blocks


def test_clips_image_tower_gives_the_same_features() -> None:
    from clip.model import CLIP

    model = CLIP(32, 64, 3, 128, 16, 8, 100, 64, 1, 1).eval()
    pictures = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        before = model.encode_image(pictures)
    _blocks().pack_clip(model)
    with torch.inference_mode():
        torch.testing.assert_close(model.encode_image(pictures), before, atol=1e-5, rtol=1e-5)


def test_a_vits_class_token_is_the_same() -> None:
    import timm

    model = timm.models.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=64, depth=2, num_heads=4, num_classes=0
    ).eval()
    pictures = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        before = model(pictures)
    _blocks().pack_vit(model)
    with torch.inference_mode():
        torch.testing.assert_close(model(pictures), before, atol=1e-5, rtol=1e-5)


def test_musiq_gives_the_same_scores_of_whole_patches() -> None:
    from pyiqa.archs.musiq_arch import MUSIQ

    model = MUSIQ(pretrained=False, hidden_size=48, mlp_dim=96, num_heads=4, num_layers=3)
    model.eval().training = True  # takes patches for images, as ImagingQuality gives them
    patches = torch.randn(2, 5, 3 * 32 * 32 + 3)
    patches[..., -3], patches[..., -2], patches[..., -1] = 4, 1, 1  # a place, a scale, a real patch
    with torch.inference_mode():
        before = model(patches)
    assert float(before.std()) > 0
    _blocks().pack_musiq(model)
    with torch.inference_mode():
        torch.testing.assert_close(model(patches), before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
@pytest.mark.parametrize("first_only", [False, True])
def test_a_block_is_what_it_says(activation: str, first_only: bool) -> None:
    """One block in float64, by its definition: attention head by head, without torch's own."""
    width, heads = 24, 3
    norms = [torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)]
    shapes = {"qkv": (72, 24), "proj": (24, 24), "fc1": (40, 24), "fc2": (24, 40)}
    layers = {name: (torch.randn(shape) / 5, torch.randn(shape[0])) for name, shape in shapes.items()}
    weights = _blocks().BlockWeights(
        norm1=norms[0], norm2=norms[1], heads=heads, scale=0.3, activation=activation, **layers
    )
    x = torch.randn(2, 7, width)
    with torch.inference_mode():
        found = _blocks().PackedBlock(weights, first_only=first_only)(x)
    expected = _by_definition(x.double(), norms, layers, heads, 0.3, activation)
    expected = expected[:, :1] if first_only else expected
    assert found.shape == expected.shape
    torch.testing.assert_close(found.double(), expected, atol=2e-5, rtol=1e-5)


def _by_definition(x, norms, layers, heads, scale, activation):
    def linear(name, y):
        weight, bias = layers[name]
        return y @ weight.double().T + bias.double()

    def norm(y):
        return (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()

    queries, keys, values = linear("qkv", norm(x)).chunk(3, dim=-1)
    size = x.shape[-1] // heads
    seen = []
    for head in range(heads):
        q, k, v = (part[..., head * size : (head + 1) * size] for part in (queries, keys, values))
        seen.append(torch.softmax(scale * q @ k.transpose(1, 2), dim=-1) @ v)
    x = x + linear("proj", torch.cat(seen, dim=-1))
    hidden = linear("fc1", norm(x))
    if activation == "gelu":
        active = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    else:
        active = hidden / (1 + torch.exp(-1.702 * hidden))
    return x + linear("fc2", active)


def test_a_vit_with_other_parts_is_refused() -> None:
    import timm

    model = timm.models.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=64, depth=1, num_heads=4, init_values=0.1
    )
    with pytest.raises(ValueError, match="other parts than expected"):
        _blocks().pack_vit(model)


def test_a_gpu_keeps_the_packages_blocks() -> None:
    assert not _blocks().can_pack(torch.device("cuda"))
