"""The sixteen dimensions of VBench as data: model, weights, frames, preprocessing, score range, prompts.

Read from the vbench package 0.1.5 (utils.py, one module per dimension) and from the project's
scripts/constant.py, which the package does not carry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vtok_eval.errors import UnknownNameError


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
    """

    path: str
    url: str | None = None
    sha256: str | None = None
    member: str = ""
    package_file: str = ""
    by_hand: str = ""
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dimension:
    """One dimension of VBench.

    group: which of the two totals it counts to. weight: its weight there.
    low, high: the scores that are normalised to 0 and 1.
    model: the network, as text. weights: its files. modules: what must be importable besides vbench's own
        dependencies.
    decoder: which decoder the reference reads frames with; the two differ on some files.
    frames, preprocessing, score: the rules, as text.
    least_frames: fewer frames than this have no score.
    custom_prompts: whether the reference lets users bring their own prompts.
    information: the key of the structured information that a prompt must carry, or None.
    """

    name: str
    title: str
    group: Literal["quality", "semantic"]
    model: str
    weights: tuple[WeightFile, ...]
    decoder: Literal["decord", "cv2", "decord384"]
    frames: str
    preprocessing: str
    score: str
    low: float = 0.0
    high: float = 1.0
    weight: float = 1.0
    least_frames: int = 1
    custom_prompts: bool = True
    information: str | None = None
    modules: tuple[str, ...] = ()


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

_CLIP_FLOAT = "float32, bicubic to short side 224 without antialiasing, centre crop, CLIP normalisation"
_CLIP_BYTES = "uint8, bicubic to short side 224 without antialiasing, centre crop, CLIP normalisation"
_NEIGHBOURS = "mean over frames of (cosine with the previous + cosine with the first) / 2, negatives as 0"
_GRIT_MODEL = "GRiT-B dense captioning (detectron2)"
_GRIT_SIZE = "native size; a short side above 768 goes to 720"

DIMENSIONS: tuple[Dimension, ...] = (
    Dimension(
        name="subject_consistency",
        title="Subject consistency",
        group="quality",
        model="DINO ViT-B/16",
        weights=(DINO, DINO_REPOSITORY),
        decoder="decord",
        frames="all",
        preprocessing="float32, bilinear to short side 224 without antialiasing, no crop, "
        "ImageNet normalisation",
        score=_NEIGHBOURS,
        low=0.1462,
        least_frames=2,
    ),
    Dimension(
        name="background_consistency",
        title="Background consistency",
        group="quality",
        model="CLIP ViT-B/32",
        weights=(CLIP_B32,),
        decoder="decord",
        frames="all",
        preprocessing=_CLIP_FLOAT,
        score=_NEIGHBOURS,
        low=0.2615,
        least_frames=2,
    ),
    Dimension(
        name="temporal_flickering",
        title="Temporal flickering",
        group="quality",
        model="none",
        weights=(),
        decoder="cv2",
        frames="all",
        preprocessing="none",
        score="(255 - mean absolute difference of neighbouring frames) / 255",
        low=0.6293,
        least_frames=2,
    ),
    Dimension(
        name="motion_smoothness",
        title="Motion smoothness",
        group="quality",
        model="AMT-S frame interpolation",
        weights=(AMT,),
        decoder="cv2",
        frames="all; each odd frame is predicted from the even ones beside it",
        preprocessing="native size, /255, edges repeated to a multiple of 16",
        score="(255 - mean absolute difference of predicted and real frames in uint8) / 255",
        low=0.706,
        high=0.9975,
        least_frames=3,
    ),
    Dimension(
        name="dynamic_degree",
        title="Dynamic degree",
        group="quality",
        model="RAFT optical flow, 20 iterations",
        weights=(RAFT,),
        decoder="cv2",
        frames="every max(1, round(fps / 8))-th",
        preprocessing="native size, edges repeated to a multiple of 8",
        score="1 if at least round(4 n / 16) of n frames' pairs have a mean of the largest 5 % of flow above "
        "6 min(H, W) / 256 pixels, else 0",
        weight=0.5,
    ),
    Dimension(
        name="aesthetic_quality",
        title="Aesthetic quality",
        group="quality",
        model="CLIP ViT-L/14 and LAION's linear aesthetic head",
        weights=(CLIP_L14, AESTHETIC),
        decoder="decord",
        frames="all",
        preprocessing=_CLIP_FLOAT,
        score="mean over frames of the head's output / 10",
    ),
    Dimension(
        name="imaging_quality",
        title="Imaging quality",
        group="quality",
        model="MUSIQ (SPAQ)",
        weights=(MUSIQ,),
        decoder="decord",
        frames="all",
        preprocessing="float32, a longer side above 512 goes bilinearly to 512 without antialiasing, /255",
        score="mean over frames of the predicted opinion score / 100",
    ),
    Dimension(
        name="object_class",
        title="Object class",
        group="semantic",
        model=_GRIT_MODEL,
        weights=(GRIT, BERT_WORDS),
        decoder="decord",
        frames="16, the middles of equal intervals",
        preprocessing=_GRIT_SIZE,
        score="share of frames in which the object is detected",
        custom_prompts=False,
        information="object",
        modules=("detectron2",),
    ),
    Dimension(
        name="multiple_objects",
        title="Multiple objects",
        group="semantic",
        model=_GRIT_MODEL,
        weights=(GRIT, BERT_WORDS),
        decoder="decord",
        frames="16, the middles of equal intervals",
        preprocessing=_GRIT_SIZE,
        score="share of frames in which both objects are detected",
        custom_prompts=False,
        information="object",
        modules=("detectron2",),
    ),
    Dimension(
        name="human_action",
        title="Human action",
        group="semantic",
        model="UMT ViT-L/16, Kinetics-400",
        weights=(UMT,),
        decoder="decord",
        frames="16, the middles of equal intervals",
        preprocessing="uint8, bilinear (OpenCV) to short side 256, centre crop 224, ImageNet normalisation",
        score="1 if the prompt's action is among the top 5 with a probability of at least 0.85, else 0",
    ),
    Dimension(
        name="color",
        title="Colour",
        group="semantic",
        model=_GRIT_MODEL,
        weights=(GRIT, BERT_WORDS),
        decoder="decord",
        frames="16, the middles of equal intervals",
        preprocessing=_GRIT_SIZE,
        score="share of the frames with the object and any colour that show the asked colour; a video "
        "without the object has no score",
        custom_prompts=False,
        information="color",
        modules=("detectron2",),
    ),
    Dimension(
        name="spatial_relationship",
        title="Spatial relationship",
        group="semantic",
        model=_GRIT_MODEL,
        weights=(GRIT, BERT_WORDS),
        decoder="decord",
        frames="16, the middles of equal intervals",
        preprocessing=_GRIT_SIZE,
        score="mean over frames of the best pair of boxes' geometry score",
        custom_prompts=False,
        information="spatial_relationship",
        modules=("detectron2",),
    ),
    Dimension(
        name="scene",
        title="Scene",
        group="semantic",
        model="Tag2Text Swin-B captioning, with bert-base-uncased's words",
        weights=(TAG2TEXT, BERT_WORDS),
        decoder="decord384",
        frames="16, the middles of equal intervals, scaled to 384 x 384 by the decoder",
        preprocessing="384 x 384, ImageNet normalisation",
        score="share of frames whose caption holds all words of the scene",
        high=0.8222,
        custom_prompts=False,
        information="scene",
    ),
    Dimension(
        name="appearance_style",
        title="Appearance style",
        group="semantic",
        model="CLIP ViT-B/32",
        weights=(CLIP_B32,),
        decoder="decord",
        frames="all",
        preprocessing="Pillow's bicubic to short side 224, centre crop, CLIP normalisation",
        score="mean over frames of CLIP's logit with the style's words / 100",
        low=0.0009,
        high=0.2855,
        custom_prompts=False,
        information="appearance_style",
    ),
    Dimension(
        name="temporal_style",
        title="Temporal style",
        group="semantic",
        model="ViCLIP-L/14",
        weights=(VICLIP, VICLIP_WORDS),
        decoder="decord",
        frames="8, the middles of equal intervals",
        preprocessing=_CLIP_BYTES,
        score="cosine of the video's and the prompt's embedding",
        high=0.364,
    ),
    Dimension(
        name="overall_consistency",
        title="Overall consistency",
        group="semantic",
        model="ViCLIP-L/14",
        weights=(VICLIP, VICLIP_WORDS),
        decoder="decord",
        frames="8, the middles of equal intervals",
        preprocessing=_CLIP_BYTES,
        score="cosine of the video's and the prompt's embedding",
        high=0.364,
    ),
)

_BY_NAME = {dimension.name: dimension for dimension in DIMENSIONS}


def dimension(name: str) -> Dimension:
    """The dimension called `name`.

    Raises:
        UnknownNameError: there is none; names the nearest.

    Example:
        >>> dimension("color").group
        'semantic'
    """
    if name not in _BY_NAME:
        raise UnknownNameError(what="VBench dimension", name=name, known=_BY_NAME)
    return _BY_NAME[name]


def select(names: str | Iterable[str]) -> tuple[Dimension, ...]:
    """The dimensions of a list of names, or of a text with commas between them; "all" for all sixteen.

    Each once, in the order of the table.

    Raises:
        UnknownNameError: there is no dimension with this name.
        ValueError: no name is given.

    Example:
        >>> [entry.name for entry in select("color,scene")]
        ['color', 'scene']
    """
    given = names.split(",") if isinstance(names, str) else list(names)
    wanted = {name.strip() for name in given if name.strip()}
    if not wanted:
        raise ValueError("no VBench dimension is named")
    if wanted == {"all"}:
        return DIMENSIONS
    chosen = {dimension(name).name for name in wanted}
    return tuple(entry for entry in DIMENSIONS if entry.name in chosen)
