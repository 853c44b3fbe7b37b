"""The files that VBench's dimensions read: where they are in the cache folder, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WeightFile:
    """A file that a dimension reads.

    path: below the cache folder, in the reference's own layout.
    url: where the package itself fetches it, or None where that is not a plain file.
    sha256: of the published file, where its publisher states it.
    member: its name inside the zip archive that `url` is, where it is one.
    package_file: "package:name" of the installed package that ships it, where one does.
    by_hand: how to get it, as text, if it cannot be fetched.
    elsewhere: where the reference's online mode keeps it; "{torch_hub}", "{hf_hub}" and "{home}" are filled
        in; a star matches any one folder.

    Example:
        >>> AMT.path, RAFT.member
        ('amt_model/amt-s.pth', 'models/raft-things.pth')
    """

    path: str
    url: str | None = None
    sha256: str | None = None
    member: str = ""
    package_file: str = ""
    by_hand: str = ""
    elsewhere: tuple[str, ...] = ()


_CLIP = "https://openaipublic.azureedge.net/clip/models"
_CLIP_B32_SHA = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
_CLIP_L14_SHA = "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"
_HUB = "https://huggingface.co/OpenGVLab/VBench_Used_Models/resolve/main"

CLIP_B32 = WeightFile(
    "clip_model/ViT-B-32.pt",
    f"{_CLIP}/{_CLIP_B32_SHA}/ViT-B-32.pt",
    sha256=_CLIP_B32_SHA,
    elsewhere=("{home}/.cache/clip/ViT-B-32.pt",),
)
CLIP_L14 = WeightFile(
    "clip_model/ViT-L-14.pt",
    f"{_CLIP}/{_CLIP_L14_SHA}/ViT-L-14.pt",
    sha256=_CLIP_L14_SHA,
    elsewhere=("{home}/.cache/clip/ViT-L-14.pt",),
)
DINO = WeightFile(
    "dino_model/dino_vitbase16_pretrain.pth",
    "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
    elsewhere=("{torch_hub}/checkpoints/dino_vitbase16_pretrain.pth",),
)
DINO_REPOSITORY = WeightFile(
    "dino_model/facebookresearch_dino_main/hubconf.py",
    by_hand="git clone https://github.com/facebookresearch/dino into its folder",
    elsewhere=("{torch_hub}/facebookresearch_dino_main/hubconf.py",),
)
AESTHETIC = WeightFile(
    "aesthetic_model/emb_reader/sa_0_4_vit_l_14_linear.pth",
    "https://github.com/LAION-AI/aesthetic-predictor/blob/main/sa_0_4_vit_l_14_linear.pth?raw=true",
)
MUSIQ = WeightFile(
    "pyiqa_model/musiq_spaq_ckpt-358bb6af.pth",
    "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/musiq_spaq_ckpt-358bb6af.pth",
)
AMT = WeightFile("amt_model/amt-s.pth", "https://huggingface.co/lalala125/AMT/resolve/main/amt-s.pth")
RAFT = WeightFile(
    "raft_model/models/raft-things.pth",
    "https://dl.dropboxusercontent.com/s/4j4z58wuv8o0mfz/models.zip",
    member="models/raft-things.pth",
)
VICLIP = WeightFile("ViCLIP/ViClip-InternVid-10M-FLT.pth", f"{_HUB}/ViClip-InternVid-10M-FLT.pth")
VICLIP_WORDS = WeightFile(
    "ViCLIP/bpe_simple_vocab_16e6.txt.gz", package_file="clip:bpe_simple_vocab_16e6.txt.gz"
)
UMT = WeightFile(
    "umt_model/l16_ptk710_ftk710_ftk400_f16_res224.pth", f"{_HUB}/l16_ptk710_ftk710_ftk400_f16_res224.pth"
)
TAG2TEXT = WeightFile(
    "caption_model/tag2text_swin_14m.pth",
    "https://huggingface.co/spaces/xinyu1205/recognize-anything/resolve/main/tag2text_swin_14m.pth",
)
BERT_WORDS = WeightFile(
    "caption_model/bert-base-uncased/vocab.txt",
    "https://huggingface.co/bert-base-uncased/resolve/main/vocab.txt",
    elsewhere=("{hf_hub}/models--bert-base-uncased/snapshots/*/vocab.txt",),
)
GRIT = WeightFile(
    "grit_model/grit_b_densecap_objectdet.pth",
    "https://datarelease.blob.core.windows.net/grit/models/grit_b_densecap_objectdet.pth",
)
