"""Real open_clip classes with tiny random towers; nothing is downloaded."""

from __future__ import annotations

import json

import pytest
import torch

from vtok_eval.errors import MissingDependencyError, SpecError, UnknownNameError
from vtok_eval.tokenizers.backbones.open_clip import OpenClip, _resized, pretrained_model
from vtok_eval.tokenizers.build import build_tokenizer

open_clip = pytest.importorskip("open_clip")

TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
TOWERS = {
    "tiny-vit": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "tiny-resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8},
    "tiny-timm": {
        "image_size": 64,
        "timm_model_name": "mobilenetv3_small_050",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
    },
}


@pytest.fixture(scope="module", autouse=True)
def tiny_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    for name, vision in TOWERS.items():
        (folder / f"{name}.json").write_text(
            json.dumps({"embed_dim": 16, "vision_cfg": vision, "text_cfg": TEXT})
        )
    open_clip.add_model_config(folder)
    yield
    for name in TOWERS:
        open_clip.factory._MODEL_CONFIGS.pop(name)


def frames_of(n: int, size: tuple[int, int] = (50, 70)) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("name", "shape"), [("tiny-vit", (64, 4, 4)), ("tiny-resnet", (256, 2, 2)), ("tiny-timm", (288, 2, 2))]
)
def test_every_kind_of_tower_gives_a_map(name: str, shape: tuple[int, ...]) -> None:
    backbone = OpenClip(f"{name}:random=0")
    maps = backbone.maps(frames_of(19))
    assert tuple(maps.shape) == (19, *shape)
    assert backbone.channels == shape[0]
    assert torch.equal(maps[[2, 17]], torch.cat([backbone.maps(frames_of(19)[i : i + 1]) for i in (2, 17)]))
    assert "random weights" in backbone.describe()["weights"]


def test_vit_map_is_its_patch_tokens_in_picture_order() -> None:
    """The independent way: open_clip's own transform on a PIL picture, and its `output_tokens`."""
    from PIL import Image

    backbone = OpenClip("tiny-vit:random=0")
    frame = torch.nn.functional.interpolate(frames_of(1, (5, 7)).float(), (40, 56), mode="bicubic")
    frame = frame.clamp(0, 255).to(torch.uint8)
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-vit")
    model.visual.output_tokens = True
    transform = open_clip.image_transform(model.visual.image_size, is_train=False)
    picture = transform(Image.fromarray(frame[0].permute(1, 2, 0).numpy()))
    with torch.no_grad():
        _, tokens = model.visual.eval()(picture[None])
    expected = tokens[0].T.reshape(64, 4, 4)
    # PIL rounds the resized picture to whole levels, tensors do not.
    torch.testing.assert_close(backbone.maps(frame)[0].float(), expected, atol=0.05, rtol=0.05)


def test_random_weights_come_from_their_seed_and_leave_the_global_generator() -> None:
    before = torch.random.get_rng_state()
    prints = [OpenClip(f"tiny-vit:random={seed}").fingerprint for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert prints[0] == prints[1] != prints[2]


def test_weights_from_a_file(tmp_path) -> None:
    torch.manual_seed(5)
    torch.save(open_clip.create_model("tiny-vit").state_dict(), tmp_path / "weights.pt")
    loaded = OpenClip(f"tiny-vit/{tmp_path}/weights.pt")
    assert torch.equal(loaded.maps(frames_of(2)), OpenClip("tiny-vit:random=5").maps(frames_of(2)))
    assert str(tmp_path) in loaded.describe()["weights"]
    with pytest.raises(SpecError, match="weights do not load"):
        OpenClip(f"tiny-resnet/{tmp_path}/weights.pt")


def test_openais_weights_get_quick_gelu_and_the_weights_own_preprocessing(monkeypatch, tmp_path) -> None:
    torch.manual_seed(5)
    path = tmp_path / "weights.pt"
    torch.save(open_clip.create_model("tiny-vit").state_dict(), path)
    published = {"file": str(path), "quick_gelu": True, "mean": [0.5, 0.5, 0.5], "interpolation": "bilinear"}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-vit", {"openai": published})
    backbone = OpenClip("tiny-vit/openai")
    assert any(type(module).__name__ == "QuickGELU" for module in backbone._tower.modules())
    assert backbone.describe()["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    assert backbone.describe()["preprocessing"]["interpolation"] == "bilinear"


def test_a_weights_file_runs_no_code_of_its_own(tmp_path) -> None:
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"state_dict": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(SpecError, match="weights do not load"):
        OpenClip(f"tiny-vit/{tmp_path}/trap.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("model", "error", "complaint"),
    [
        ("tiny-vit", SpecError, "must name either weights.*random=0"),
        ("tiny-vit:random=x", SpecError, "cannot be read"),
        ("tiny-vitt/openai", UnknownNameError, "did you mean 'tiny-vit'"),
        ("ViT-L-14-336/opena", UnknownNameError, "did you mean 'openai'"),
        ("tiny-vit/missing.pt", SpecError, "no such weights file"),
    ],
)
def test_bad_names(model: str, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        OpenClip(model)


def test_missing_weights_are_never_downloaded(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(open_clip, "download_pretrained", pytest.fail)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"about 1\.7 GB.*vtok-eval fetch open_clip:"):
        OpenClip("ViT-L-14-336/openai")


def test_weights_by_their_tag_read_as_open_clip_reads_them(monkeypatch, tmp_path) -> None:
    """We load the file, so as not to ask the hub; the tag's preprocessing must come along."""
    import open_clip.pretrained

    torch.save(open_clip.create_model("tiny-vit", pretrained=None).state_dict(), tmp_path / "w.pt")
    published = {"file": str(tmp_path / "w.pt"), "mean": (0.5, 0.4, 0.3), "interpolation": "bilinear"}
    published |= {"std": (0.2, 0.2, 0.1), "resize_mode": "squash", "quick_gelu": False}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-vit", {"tag": published})
    theirs = open_clip.create_model("tiny-vit", pretrained="tag")
    ours = pretrained_model("tiny-vit", "tag")
    assert open_clip.get_model_preprocess_cfg(ours.visual) == open_clip.get_model_preprocess_cfg(
        theirs.visual
    )
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value)


def test_tower_without_a_map_is_refused(monkeypatch) -> None:
    class Blindfold(torch.nn.Module):
        image_size = 32

    monkeypatch.setattr("vtok_eval.tokenizers.backbones.open_clip._random_tower", lambda *_: Blindfold())
    with pytest.raises(SpecError, match=r"Blindfold.*no feature map"):
        OpenClip("tiny-vit:random=0")


@pytest.mark.parametrize(
    ("mode", "corner", "centre"), [("squash", 1, 1), ("shortest", 1, 1), ("longest", 0, 1)]
)
def test_resize_modes(mode: str, corner: int, centre: int) -> None:
    white = torch.ones(1, 3, 20, 60)
    rule = {"size": (32, 32), "resize_mode": mode, "interpolation": "bicubic", "fill_color": 0}
    resized = _resized(white, rule)
    assert resized.shape == (1, 3, 32, 32)
    # "longest" keeps all 60 columns, 11 rows high, with black above and below.
    assert (resized[0, 0, 0, 0].round().item(), resized[0, 0, 16, 16].round().item()) == (corner, centre)


def test_named_in_a_tokenizer_spec(context, random_clips) -> None:
    tokenizer = build_tokenizer("vtok:stride=1,backbone=open_clip:tiny-vit:random=0", context)
    assert tokenizer.encode(random_clips(2, 3)).count().tolist() == [18, 18]
