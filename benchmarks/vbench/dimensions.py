"""The sixteen dimensions of VBench as data: model, weights, frames, preprocessing, score range, prompts.

Read from the vbench package 0.1.5 (utils.py, one module per dimension) and from the project's
scripts/constant.py, which the package does not carry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from benchmarks.vbench import weight_files as files
from vtok_eval.errors import UnknownNameError


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
    weights: tuple[files.WeightFile, ...]
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


_CLIP_FLOAT = "float32, bicubic to short side 224 without antialiasing, centre crop, CLIP normalisation"
_CLIP_BYTES = "uint8, bicubic to short side 224 without antialiasing, centre crop, CLIP normalisation"
_NEIGHBOURS = "mean over frames of (cosine with the previous + cosine with the first) / 2, negatives as 0"
_MIDDLES = "16, the middles of equal intervals"


def _detection(name: str, title: str, *, score: str, information: str) -> Dimension:
    """One of the four dimensions that look for objects with GRiT."""
    return Dimension(
        name=name,
        title=title,
        group="semantic",
        model="GRiT-B dense captioning (detectron2)",
        weights=(files.GRIT, files.BERT_WORDS),
        decoder="decord",
        frames=_MIDDLES,
        preprocessing="native size; a short side above 768 goes to 720",
        score=score,
        custom_prompts=False,
        information=information,
        modules=("detectron2",),
    )


DIMENSIONS: tuple[Dimension, ...] = (
    Dimension(
        name="subject_consistency",
        title="Subject consistency",
        group="quality",
        model="DINO ViT-B/16",
        weights=(files.DINO, files.DINO_REPOSITORY),
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
        weights=(files.CLIP_B32,),
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
        weights=(files.AMT,),
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
        weights=(files.RAFT,),
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
        weights=(files.CLIP_L14, files.AESTHETIC),
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
        weights=(files.MUSIQ,),
        decoder="decord",
        frames="all",
        preprocessing="float32, a longer side above 512 goes bilinearly to 512 without antialiasing, /255",
        score="mean over frames of the predicted opinion score / 100",
    ),
    _detection(
        "object_class",
        "Object class",
        score="share of frames in which the object is detected",
        information="object",
    ),
    _detection(
        "multiple_objects",
        "Multiple objects",
        score="share of frames in which both objects are detected",
        information="object",
    ),
    Dimension(
        name="human_action",
        title="Human action",
        group="semantic",
        model="UMT ViT-L/16, Kinetics-400",
        weights=(files.UMT,),
        decoder="decord",
        frames=_MIDDLES,
        preprocessing="uint8, bilinear (OpenCV) to short side 256, centre crop 224, ImageNet normalisation",
        score="1 if the prompt's action is among the top 5 with a probability of at least 0.85, else 0",
    ),
    _detection(
        "color",
        "Colour",
        score="share of the frames with the object and any colour that show the asked colour; a video "
        "without the object has no score",
        information="color",
    ),
    _detection(
        "spatial_relationship",
        "Spatial relationship",
        score="mean over frames of the best pair of boxes' geometry score",
        information="spatial_relationship",
    ),
    Dimension(
        name="scene",
        title="Scene",
        group="semantic",
        model="Tag2Text Swin-B captioning, with bert-base-uncased's words",
        weights=(files.TAG2TEXT, files.BERT_WORDS),
        decoder="decord384",
        frames=f"{_MIDDLES}, scaled to 384 x 384 by the decoder",
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
        weights=(files.CLIP_B32,),
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
        weights=(files.VICLIP, files.VICLIP_WORDS),
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
        weights=(files.VICLIP, files.VICLIP_WORDS),
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
