"""Dimensions that hold a video against words: ViCLIP, CLIP's styles, UMT's actions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchmarks.vbench import weight_files as files
from benchmarks.vbench.frames.picked_frames import PickedFrames, length_of
from benchmarks.vbench.package import vbench_module
from benchmarks.vbench.prompts import asked_for
from benchmarks.vbench.scorers.scorer import Request, VideoResult, middle_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from benchmarks.vbench.frames.decoded_frames import Piece
    from benchmarks.vbench.frames.decoders import VideoHeader
    from benchmarks.vbench.networks.metric_models import Networks

# Any: networks of the vbench package, which have no types.

LEAST_PROBABILITY = 0.85
TOP = 5


class TextVideoConsistency:
    """Cosine of ViCLIP's embeddings of 8 frames and of the prompt: overall consistency, temporal style."""

    N_FRAMES = 8

    def __init__(self, networks: Networks) -> None:
        self._viclip: Any = networks.viclip()
        self._device = networks.device
        self._transform = vbench_module("utils").clip_transform(224)
        self._texts: dict[str, Tensor] = {}

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """The middles of 8 equal intervals."""
        return middle_frames(n_frames, self.N_FRAMES)

    def begin(self, video: VideoHeader, request: Request) -> TextVideoPass:
        """Start a video."""
        return TextVideoPass(self, middle_frames(length_of(video), self.N_FRAMES), request.prompt)

    def cosine(self, frames: NDArray[np.uint8], prompt: str) -> float:
        """Of uint8 frames `(8, H, W, 3)` and a text; frames are resized as bytes, as the reference does."""
        import torch

        pixels = self._transform(torch.from_numpy(frames).permute(0, 3, 1, 2).to(self._device))
        seen = self._viclip.encode_vision(pixels[None], test=True).float()
        seen = seen / seen.norm(dim=-1, keepdim=True)
        return float((seen @ self._text(prompt).T)[0, 0])

    def _text(self, prompt: str) -> Tensor:
        if prompt not in self._texts:
            text = self._viclip.encode_text(prompt).float()
            self._texts[prompt] = text / text.norm(dim=-1, keepdim=True)
        return self._texts[prompt]


class TextVideoPass:
    """One video."""

    def __init__(self, scorer: TextVideoConsistency, numbers: Sequence[int], prompt: str) -> None:
        self._scorer = scorer
        self._picked = PickedFrames(numbers)
        self._prompt = prompt

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        self._picked.add(piece)

    def finish(self) -> VideoResult:
        """The cosine; every video weighs the same."""
        return VideoResult(self._scorer.cosine(self._picked.array(), self._prompt))


class AppearanceStyle:
    """CLIP B/32's logit of every frame with the words of the style, divided by 100."""

    def __init__(self, networks: Networks) -> None:
        self._clip = networks.clip(files.CLIP_B32)
        self._device = networks.device
        self._batch = networks.batch
        self._transform = vbench_module("utils").clip_transform_Image(224)
        self._texts: dict[str, Tensor] = {}

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """Every frame."""
        return None

    def begin(self, video: VideoHeader, request: Request) -> StylePass:
        """Start a video.

        Raises:
            SpecError: the prompt's information does not name a style.
        """
        style = asked_for(request.information, "appearance_style", "appearance_style", prompt=request.prompt)
        return StylePass(self, str(style))

    def logits(self, piece: Piece, style: str) -> Tensor:
        """Float64 `(n,)`: the logits of a piece's frames, resized by Pillow as the reference does, / 100."""
        import torch
        from PIL import Image

        pixels = torch.stack([self._transform(Image.fromarray(frame)) for frame in piece.array])
        text = self._tokens(style)
        parts = [self._clip(part.to(self._device), text)[0][:, 0] for part in pixels.split(self._batch)]
        return torch.cat(parts).double() / 100

    def _tokens(self, style: str) -> Tensor:
        import clip

        if style not in self._texts:
            self._texts[style] = clip.tokenize([style]).to(self._device)
        return self._texts[style]


class StylePass:
    """One video: the mean of its frames' logits."""

    def __init__(self, scorer: AppearanceStyle, style: str) -> None:
        self._scorer = scorer
        self._style = style
        self._logits: list[Tensor] = []

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        self._logits.append(self._scorer.logits(piece, self._style))

    def finish(self) -> VideoResult:
        """The mean, weighing as many frames as it is over."""
        import torch

        logits = torch.cat(self._logits)
        return VideoResult(float(logits.mean()), weight=len(logits))


class HumanAction:
    """Whether UMT sees the prompt's action: among its top 5, with a probability of at least 0.85."""

    N_FRAMES = 16

    def __init__(self, networks: Networks) -> None:
        self._umt = networks.umt()
        self._device = networks.device

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """The middles of 16 equal intervals."""
        return middle_frames(n_frames, self.N_FRAMES)

    def begin(self, video: VideoHeader, request: Request) -> ActionPass:
        """Start a video."""
        return ActionPass(self, middle_frames(length_of(video), self.N_FRAMES), asked_action(request.prompt))

    def seen(self, frames: NDArray[np.uint8]) -> list[str]:
        """The actions seen in uint8 frames `(16, H, W, 3)`."""
        import torch

        pixels = self._transform(list(frames))[None].to(self._device)
        probabilities, found = torch.sigmoid(self._umt(pixels)).topk(TOP, dim=1)
        return [
            self._names[str(number)]
            for probability, number in zip(probabilities[0].tolist(), found[0].tolist(), strict=True)
            if round(probability, 4) >= LEAST_PROBABILITY
        ]

    @cached_property
    def _transform(self) -> Any:
        frames = vbench_module("third_party.umt.datasets.video_transforms")
        volumes = vbench_module("third_party.umt.datasets.volume_transforms")
        return frames.Compose(
            [
                frames.Resize(256, interpolation="bilinear"),
                frames.CenterCrop(size=(224, 224)),
                volumes.ClipToTensor(),
                frames.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
            ]
        )

    @cached_property
    def _names(self) -> dict[str, str]:
        """Kinetics-400's names by number, from the package's table."""
        names: dict[str, str] = vbench_module("human_action").build_dict()
        return names


class ActionPass:
    """One video."""

    def __init__(self, scorer: HumanAction, numbers: Sequence[int], action: str) -> None:
        self._scorer = scorer
        self._picked = PickedFrames(numbers)
        self._action = action

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        self._picked.add(piece)

    def finish(self) -> VideoResult:
        """1 where the action is seen, else 0; every video weighs the same."""
        return VideoResult(float(self._action in self._scorer.seen(self._picked.array())))


def asked_action(prompt: str) -> str:
    """The action that a prompt asks for: "A person is riding a bike" asks for "riding a bike".

    Cut as the reference cuts it out of `{prompt}-{index}.mp4`, at the first hyphen and underscore too.
    """
    return prompt.lower().split("-")[0].split("person is ")[-1].split("_")[0]


__all__ = ["AppearanceStyle", "HumanAction", "TextVideoConsistency", "asked_action"]
