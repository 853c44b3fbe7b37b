"""Random weights in the files and layouts of VBench's checkpoints, to run it without the real ones.

Their outputs are not scores: they show only whether two programs agree and how long they take.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.vbench import weight_files as files
from benchmarks.vbench.networks.metric_models import bert_without_hub, bert_words
from benchmarks.vbench.package import vbench_module

if TYPE_CHECKING:
    from torch import Tensor, nn

_HUBCONF = '''"""A stand-in for DINO's repository: a timm ViT that takes pictures of any size."""

import pathlib

import timm
import torch


class AnySize(timm.models.VisionTransformer):
    def forward(self, pictures):
        height, width = (side // 16 * 16 for side in pictures.shape[-2:])
        return super().forward(pictures[..., :height, :width])


def dino_vitb16(pretrained=True, **ignored):
    model = AnySize(
        patch_size=16, embed_dim={width}, depth={depth}, num_heads={heads}, num_classes=0,
        dynamic_img_size=True,
    )
    if pretrained:
        place = pathlib.Path(torch.hub.get_dir()) / "checkpoints" / "dino_vitbase16_pretrain.pth"
        model.load_state_dict(torch.load(place, map_location="cpu", weights_only=True))
    return model.eval()
'''


@dataclass(frozen=True)
class Sizes:
    """Sizes of the models whose code takes any size: (width, depth) of each tower.

    sharpness: what fresh attention weights are multiplied by. They attend to everything equally and average
    the frames' differences away, so two layers need a large factor; through 24 layers a large factor would
    make rounding grow to the size of the features. bert_words: how many words BERT's tokenizer knows.
    """

    dino: tuple[int, int] = (768, 12)
    clip_b32: tuple[int, int] = (768, 12)
    clip_l14: tuple[int, int] = (1024, 24)
    clip_text: tuple[int, int] = (512, 12)
    sharpness: float = 1.0
    bert_words: int = 30_522


FULL = Sizes()
SMALL = Sizes(
    dino=(64, 2), clip_b32=(64, 2), clip_l14=(64, 2), clip_text=(64, 2), sharpness=6.0, bert_words=600
)


def write_stand_ins(root: Path, torch_home: Path, *, sizes: Sizes, seed: int, prompts: bool = True) -> None:
    """Write a stand-in for every file that a dimension with a runner reads.

    root: what VBENCH_CACHE_DIR is to name. torch_home: what TORCH_HOME is to name.
    prompts: also those of the dimensions that read prompts: ViCLIP, UMT and Tag2Text, 5 GB at full size.
    """
    import torch

    with torch.random.fork_rng(devices=[]), redirect_stdout(io.StringIO()):
        torch.manual_seed(seed)
        _write_dino(root, torch_home, sizes)
        _write_clip(root / files.CLIP_B32.path, sizes.clip_b32, sizes, patch=32, embedding=512)
        _write_clip(root / files.CLIP_L14.path, sizes.clip_l14, sizes, patch=14, embedding=768)
        _write_aesthetic_head(root)
        _write_musiq(root)
        _write_amt(root)
        _write_raft(root)
        if prompts:
            _write_viclip(root)
            _write_umt(root)
            _write_tag2text(root, sizes.bert_words)


def _save(path: Path, content: Mapping[str, object]) -> None:
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(content), path)


def _write_dino(root: Path, torch_home: Path, sizes: Sizes) -> None:
    import torch

    width, depth = sizes.dino
    hubconf = root / files.DINO_REPOSITORY.path
    hubconf.parent.mkdir(parents=True, exist_ok=True)
    hubconf.write_text(_HUBCONF.format(width=width, depth=depth, heads=width // 64))
    model = torch.hub.load(str(hubconf.parent), "dino_vitb16", source="local", pretrained=False)
    _sharpen(model, sizes.sharpness)
    # The reference requires the file in its own folder but reads torch.hub's copy.
    for path in (root / files.DINO.path, torch_home / "hub/checkpoints/dino_vitbase16_pretrain.pth"):
        _save(path, model.state_dict())


def _write_clip(path: Path, vision: tuple[int, int], sizes: Sizes, *, patch: int, embedding: int) -> None:
    """A TorchScript archive, as OpenAI publishes its models."""
    import torch
    from clip.model import CLIP

    text = sizes.clip_text
    model = CLIP(
        embed_dim=embedding,
        image_resolution=224,
        vision_layers=vision[1],
        vision_width=vision[0],
        vision_patch_size=patch,
        context_length=77,
        vocab_size=49408,
        transformer_width=text[0],
        transformer_heads=text[0] // 64,
        transformer_layers=text[1],
    ).eval()
    _sharpen(model.visual, sizes.sharpness)
    example = (torch.zeros(1, 3, 224, 224), torch.zeros(1, 77, dtype=torch.int64))
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        torch.jit.trace(model, example, check_trace=False).save(str(path))


def _write_aesthetic_head(root: Path) -> None:
    import torch

    head = torch.nn.Linear(768, 1)
    head.weight.data.mul_(30.0)
    _save(root / files.AESTHETIC.path, head.state_dict())


def _write_musiq(root: Path) -> None:
    from pyiqa.archs.musiq_arch import MUSIQ

    model = MUSIQ(pretrained=False)
    model.head.weight.data.mul_(20.0)
    model.head.bias.data.fill_(50.0)  # opinion scores are 0 to 100
    _save(root / files.MUSIQ.path, model.state_dict())


def _write_amt(root: Path) -> None:
    model = vbench_module("third_party.amt.networks.AMT-S").Model(corr_radius=3, corr_lvls=4, num_flows=3)
    _save(root / files.AMT.path, {"state_dict": model.state_dict()})


def _write_raft(root: Path) -> None:
    from easydict import EasyDict

    options = EasyDict(small=False, mixed_precision=False, alternate_corr=False)
    model = vbench_module("third_party.RAFT.core.raft").RAFT(options)
    # Random steps add up over 20 iterations; so small, they stay within pictures of some 100 pixels.
    model.update_block.flow_head.conv2.weight.data.mul_(0.1)
    tensors = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    _save(root / files.RAFT.path, tensors)


def _write_viclip(root: Path) -> None:
    words = root / files.VICLIP_WORDS.path
    words.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_clip_words(), words)
    tokenizer = vbench_module("third_party.ViCLIP.simple_tokenizer").SimpleTokenizer(str(words))
    model = vbench_module("third_party.ViCLIP.viclip").ViCLIP(tokenizer=tokenizer, pretrain=None)
    _fill_what_is_left_empty(model)
    _save(root / files.VICLIP.path, {"model": model.state_dict()})


def _write_umt(root: Path) -> None:
    network = vbench_module("third_party.umt.models.modeling_finetune")
    model = network.vit_large_patch16_224(
        num_classes=400, all_frames=16, tubelet_size=1, use_learnable_pos_emb=False, init_scale=1.0
    )
    _save(root / files.UMT.path, model.state_dict())


def write_bert_words(root: Path, n_words: int) -> Path:
    """Words for BERT's tokenizer: numbers, except those that Tag2Text's code writes and reads."""
    words = root / files.BERT_WORDS.path
    words.parent.mkdir(parents=True, exist_ok=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "picture", "of", "|"]
    numbers = (str(number) for number in range(n_words - len(special)))
    words.write_text("\n".join([*special, *numbers]) + "\n")
    return words


def write_grit(root: Path) -> None:
    """GRiT as configured, adjusted so that it finds something; needs detectron2 and words."""
    import torch

    model = vbench_module("third_party.grit_model").DenseCaptioning(torch.device("cpu"))
    with bert_words(root / files.BERT_WORDS.path):
        model.initialize_model_det(model_weight="")
    network = model.demo.predictor.model
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("agn_hm.bias"):
                parameter.fill_(1.0)
            elif name.endswith("agn_hm.weight"):
                parameter.mul_(30.0)
            elif name.endswith("cls_score.bias"):
                parameter[0] = 3.0
            elif "text_decoder" in name and parameter.ndim > 1:
                parameter.mul_(3.0)
    _save(root / files.GRIT.path, {"model": network.state_dict()})


def _write_tag2text(root: Path, n_words: int) -> None:
    words = write_bert_words(root, n_words)
    module = vbench_module("third_party.tag2Text.tag2text")
    with bert_without_hub(module, words):
        model = module.Tag2Text_Caption(image_size=384, vit="swin_b")
    for name, parameter in model.named_parameters():
        if name.endswith("weight") and parameter.ndim > 1:
            parameter.data.mul_(3.0)  # so that different pictures get different captions
    _save(root / files.TAG2TEXT.path, {"model": model.state_dict()})


def _clip_words() -> Path:
    import clip

    return Path(clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"


def _fill_what_is_left_empty(model: nn.Module) -> None:
    """ViCLIP leaves what its checkpoint brings in whatever memory held: draw it as CLIP does."""
    import torch

    names = ("proj", "positional_embedding", "text_projection", "token_embedding.weight")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(names):
                _draw(parameter)


def _sharpen(tower: nn.Module, factor: float) -> None:
    """Make features differ between frames."""
    for name, parameter in tower.named_parameters():
        if name.endswith(("attn.qkv.weight", "attn.in_proj_weight")):
            parameter.data.mul_(factor)
        if name.endswith(("patch_embed.proj.weight", "conv1.weight")):
            parameter.data.mul_(10.0)


def _draw(parameter: Tensor) -> None:
    parameter.normal_(std=0.02)


__all__ = ["FULL", "SMALL", "Sizes", "write_bert_words", "write_grit", "write_stand_ins"]
