"""The small trainable last step of the built-in tokenizers: one linear map per group of frozen features."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vtok_eval.data import Clips, Tokens
from vtok_eval.errors import SpecError
from vtok_eval.files.hashing import sha256_file
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.reading import VERSION, Reading, TokenFacts, read_clips, readings_as_json


class LinearProjection(nn.Module):
    """Groups of tokens of widths `group_widths` -> `Tokens` of one `width`, by a linear map with bias each.

    Drawn from `seed` alone (weights normal with variance 1 / input width, biases zero), the same on every
    device. In eval mode each clip is projected by itself, so that its tokens do not depend, in any bit, on
    the size of the batch; in training mode the batch is one matrix product.

    Example:
        >>> projection = LinearProjection((152, 2432), 128, seed=0).eval()
        >>> groups = [Tokens.of(torch.zeros(1, 16, 152)), Tokens.of(torch.zeros(1, 2, 2432))]
        >>> projection(groups).values.shape
        torch.Size([1, 18, 128])
    """

    def __init__(self, group_widths: Sequence[int], width: int, *, seed: int) -> None:
        super().__init__()
        generator = torch.Generator(device="cpu").manual_seed(seed)
        self.maps = nn.ModuleList(drawn_linear(size, width, generator) for size in group_widths)

    def forward(self, groups: Sequence[Tokens]) -> Tokens:
        """The groups, projected and joined along the token axis."""
        projected = [
            replace(group, values=self._project(linear, group.values), coded=None)
            for linear, group in zip(self.maps, groups, strict=True)
        ]
        return Tokens.concatenate(projected)

    def _project(self, linear: nn.Module, values: Tensor) -> Tensor:
        if self.training or len(values) <= 1:
            result: Tensor = linear(values)
            return result
        return torch.cat([linear(one) for one in values.split(1)])


class ProjectedTokenizer(ABC):
    """A tokenizer of frozen features and a `LinearProjection`; satisfies `TrainableTokenizer`.

    checkpoint: a safetensors file written by `save_projection`; with one the projection is frozen.

    Example:
        >>> from vtok_eval.tokenizers.backbones.efficientnet import EfficientNetLite0
        >>> from vtok_eval.tokenizers.vtok import VTok
        >>> tokenizer = VTok(backbone=EfficientNetLite0(device=torch.device("cpu")), width=64)
        >>> clips = Clips(torch.zeros(1, 16, 3, 64, 64, dtype=torch.uint8), torch.tensor([4.0]))
        >>> tokenizer.encode(clips).values.shape
        torch.Size([1, 18, 64])
    """

    def __init__(
        self, *, backbone: Backbone, group_widths: Sequence[int], width: int, checkpoint: Path | None
    ) -> None:
        if width < 1:
            raise SpecError(f"width must be at least 1 channel, not {width}")
        self.backbone = backbone
        self.width = width
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.trainable = checkpoint is None
        self._group_widths = tuple(group_widths)
        backbone.will_read(self.grids)
        self._projection = self.new_projection(seed=0).eval()

    @property
    @abstractmethod
    def grids(self) -> tuple[int, ...]:
        """The grids that it reads from any clip, if they do not depend on the clip's length."""

    @abstractmethod
    def readings(self, n_frames: int) -> tuple[Reading, ...]:
        """What is read of a clip of `n_frames` frames: one reading for each group of features."""

    def features(self, clips: Clips) -> tuple[Tokens, ...]:
        """The frozen part: groups of tokens, float32 on the backbone's device, each of its own width."""
        return read_clips(self.backbone, clips, self.readings(clips.n_frames))

    def token_facts(self, n_frames: int) -> TokenFacts:
        """All that the tokens of clips of `n_frames` frames depend on: equal facts, equal tokens."""
        return {
            "version": VERSION,
            "readings": readings_as_json(self.readings(n_frames)),
            "width": self.width,
            "backbone": self.backbone.describe().identity(),
            "checkpoint_sha256": None if self.checkpoint is None else sha256_file(self.checkpoint),
        }

    def new_projection(self, *, seed: int, widths: Sequence[int] | None = None) -> LinearProjection:
        """A fresh projection drawn from `seed`, or the checkpoint's where one was given.

        widths: of the groups that it will be given, where they are not those of `features`: a reader may
            reduce the features first.

        Raises:
            SpecError: the checkpoint is missing or belongs to another tokenizer, or to other widths.
        """
        group_widths = self._group_widths if widths is None else widths
        projection = LinearProjection(group_widths, self.width, seed=seed)
        if self.checkpoint is not None:
            load_projection(projection, self.checkpoint)
            projection.requires_grad_(False)
        return projection.to(self.backbone.device)

    @torch.no_grad()
    def encode(self, clips: Clips) -> Tokens:
        """Tokens `(B, L, width)`, float32: `new_projection(seed=0).eval()` of the features."""
        result: Tokens = self._projection(self.features(clips))
        return result


def save_projection(projection: LinearProjection, path: Path) -> None:
    """Write a projection's weights as safetensors, atomically; the folder must exist.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "projection.safetensors"
        >>> save_projection(LinearProjection((4,), 2, seed=1), path)
        >>> other = LinearProjection((4,), 2, seed=2)
        >>> load_projection(other, path)
        >>> torch.equal(other.maps[0].weight, LinearProjection((4,), 2, seed=1).maps[0].weight)
        True
    """
    from safetensors.torch import save_file

    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in projection.state_dict().items()}
    try:
        save_file(weights, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_projection(projection: LinearProjection, path: Path) -> None:
    """Fill a projection with the weights of a file that `save_projection` wrote.

    Raises:
        SpecError: no such file, not safetensors, or other keys or shapes than the projection's.

    Example:
        >>> load_projection(LinearProjection((4,), 2, seed=0), Path("no-such.safetensors"))
        Traceback (most recent call last):
        vtok_eval.errors.SpecError: checkpoint no-such.safetensors: no such file
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise SpecError(f"checkpoint {path}: no such file")
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise SpecError(f"checkpoint {path} is not a safetensors file: {error}") from error
    expected = {name: tuple(tensor.shape) for name, tensor in projection.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if found != expected:
        raise SpecError(f"checkpoint {path} does not fit: {_first_difference(expected, found)}")
    projection.load_state_dict(weights)


def _first_difference(expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> str:
    for name in sorted(expected | found):
        if expected.get(name) != found.get(name):
            return f"{name} should be {expected.get(name, 'absent')}, is {found.get(name, 'absent')}"
    raise ValueError("no difference")


def drawn_linear(size: int, width: int, generator: torch.Generator) -> nn.Linear:
    """A linear map `size -> width`: weights from N(0, 1/size) of the generator, biases 0.

    Example:
        >>> drawn_linear(4, 2, torch.Generator().manual_seed(0)).bias.tolist()
        [0.0, 0.0]
    """
    # Not `skip_init`, which goes by the device meta and so loads torch's symbolic shapes, for seconds.
    with torch.random.fork_rng(devices=[]):
        linear = nn.Linear(size, width)
    with torch.no_grad():
        linear.weight.copy_(torch.randn(width, size, generator=generator, device="cpu") * size**-0.5)
        linear.bias.zero_()
    return linear
