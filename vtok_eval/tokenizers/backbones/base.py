"""What a backbone is: a frozen network that gives each frame a feature map, independent of its batch."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vtok_eval.devices.precision import AUTO, Precision, computing_in, precision_on
from vtok_eval.devices.transfer import passes, transfer_to
from vtok_eval.errors import TokenizerError
from vtok_eval.results.description import Description

if TYPE_CHECKING:
    from vtok_eval.data import Clips

_CHUNK_FRAMES = {"cpu": 16, "cuda": 64}
_CHUNK_PIXELS = {"cpu": 2**20, "cuda": 2**24}


WHOLE = 0
"""Key of whole maps in `FrameFeatures`."""
SMALL_MAP_CELLS = 64
"""Maps of at most this many cells are kept whole: their grids would take as much."""

FrameFeatures = dict[int, Tensor]
"""What is kept of N frames, float16 on the device: whole maps `(N, C, gh, gw)` under `WHOLE` where they are
small, else under each grid g its cells `(N, g^2, C)`, averaged over the map before they are rounded."""


class Backbone(ABC):
    """A frozen network over single frames.

    A frame's map never depends on which frames share its batch, to the last bit: matrix products round
    differently for different batch sizes, so every pass is over one fixed number of frames (it depends on the
    frame size and the kind of device only), the last one filled up. Maps are rounded to float16, so that they
    are the same whether they come from the network or from the feature cache.

    Nothing here waits for a GPU: frames are copied there while it computes on those before them, and what is
    returned may still be being computed.

    Example:
        >>> class Pixels(Backbone):
        ...     channels = 3
        ...     device = torch.device("cpu")
        ...     def describe(self):
        ...         return Description(facts={"name": "pixels"})
        ...     def _forward(self, frames):
        ...         return frames / 255
        >>> Pixels().maps(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).shape
        torch.Size([2, 3, 8, 8])
    """

    device: torch.device
    fills_passes: bool = True
    """False lets a pass be as short as what is asked for: to measure cost, where maps may differ in bits."""
    precision: str = AUTO
    """One of `vtok_eval.devices.precision.PRECISIONS`; set before it is used."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """C, the channels of its maps."""

    @abstractmethod
    def describe(self) -> Description:
        """What provenance keeps: `name`, `weights` in words, `weights_sha256`, `preprocessing`; caveats."""

    @abstractmethod
    def _forward(self, frames: Tensor) -> Tensor:
        """Maps `(N, C, gh, gw)` of uint8 frames `(N, 3, H, W)` that are on the device.

        The frames must not be changed or kept: their memory is used again for the next pass.
        """

    @property
    def computes_in(self) -> Precision:
        """The precision of its matrix products on its device."""
        return precision_on(self.precision, self.device)

    @property
    def fingerprint(self) -> str:
        """Equal for two backbones only if they give equal maps.

        Of weights, preprocessing, code, kind of device and precision.
        """
        facts = [
            type(self).__qualname__,
            Description.of(self.describe()).identity(),
            torch.__version__,
            self.device.type,
            self.computes_in,
        ]
        return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()

    def maps(self, frames: Tensor) -> Tensor:
        """Feature maps of single frames: float16 `(N, C, gh, gw)` on the backbone's device.

        frames: uint8 `(N, 3, H, W)`, RGB, at least one.

        Raises:
            TokenizerError: another shape or dtype.
        """
        # Rounded outside inference mode: what a projection is trained on must be an ordinary tensor. One
        # memory layout always: later sums round by the order of values in memory.
        return torch.cat([maps.to(torch.float16).contiguous() for maps in self._computed(frames)])

    def features(self, frames: Tensor | Sequence[Tensor], grids: Collection[int]) -> FrameFeatures:
        """What is kept of single frames so that each of `grids` can be read from it; see `FrameFeatures`.

        frames: as for `maps`, or a sequence of uint8 `(3, H, W)` of one size. The maps are pooled on the
        device, pass by pass.

        Raises:
            TokenizerError: another shape or dtype.
        """
        kept = [_kept(maps, grids) for maps in self._computed(frames)]
        return {grid: torch.cat([part[grid] for part in kept]) for grid in kept[0]}

    def clip_features(self, clips: Clips, frames: Sequence[int], grids: Collection[int]) -> FrameFeatures:
        """`features` of the chosen frames of every clip, clip after clip."""
        return self.features(
            clips.pictures([(row, frame) for row in range(len(clips)) for frame in frames]), grids
        )

    def will_read(self, grids: Collection[int]) -> None:
        """Announce which grids a tokenizer will read; a cache then keeps them all at once."""
        del grids

    def _computed(self, frames: Tensor | Sequence[Tensor]) -> Iterator[Tensor]:
        """Maps pass by pass, as `_forward` gives them; each may be used until the next one is asked for."""
        _check_frames(frames)
        pictures = list(frames)
        size, begun = self._chunk_size(pictures[0]), 0
        for batch in passes(pictures, size, transfer_to(self.device), fill=self.fills_passes):
            n_frames = min(len(batch), len(pictures) - begun)
            begun += n_frames
            yield self._pass(batch)[:n_frames]

    def _pass(self, batch: Tensor) -> Tensor:
        """Maps of a batch that is on the device, as `_forward` gives them."""
        with torch.inference_mode(), computing_in(self.computes_in, self.device):
            return self._forward(batch)

    def _chunk_size(self, picture: Tensor) -> int:
        kind = self.device.type if self.device.type in _CHUNK_FRAMES else "cpu"
        height, width = picture.shape[-2:]
        return max(1, min(_CHUNK_FRAMES[kind], _CHUNK_PIXELS[kind] // (height * width)))


def cells_of(features: FrameFeatures, grid: int) -> Tensor:
    """The cells `(..., grid^2, C)` of frames, float32, from what was kept of them.

    Example:
        >>> cells_of({WHOLE: torch.zeros(2, 152, 8, 8)}, grid=4).shape
        torch.Size([2, 16, 152])
    """
    if WHOLE in features:
        return grid_cells(features[WHOLE].float(), grid)
    return features[grid].float()


def _kept(maps: Tensor, grids: Collection[int]) -> FrameFeatures:
    if maps.shape[-2] * maps.shape[-1] <= SMALL_MAP_CELLS:
        return {WHOLE: maps.to(torch.float16).contiguous()}
    # Channels next to each other, as a ViT's tokens are: pooling then takes a tenth of the time on a CPU.
    maps = maps.float().contiguous(memory_format=torch.channels_last)
    # A frame at a time there, so that its map is in the processor's cache for the second grid.
    parts = maps.split(1) if maps.device.type == "cpu" else (maps,)
    pooled = [[_pooled(part, grid).to(torch.float16) for grid in sorted(set(grids))] for part in parts]
    return {
        grid: torch.cat(cells)
        for grid, cells in zip(sorted(set(grids)), zip(*pooled, strict=True), strict=True)
    }


def _pooled(maps: Tensor, grid: int) -> Tensor:
    """As `grid_cells`, of maps `(N, C, gh, gw)`."""
    height, width = maps.shape[-2:]
    if height % grid == 0 and width % grid == 0:
        cells = torch.nn.functional.avg_pool2d(maps, (height // grid, width // grid))
    else:
        cells = torch.nn.functional.adaptive_avg_pool2d(maps, grid)
    return cells.flatten(2).transpose(1, 2).contiguous()


def clip_maps(backbone: Backbone, clips: Clips, frames: Sequence[int]) -> Tensor:
    """Maps of the chosen frames of every clip: float32 `(B, len(frames), C, gh, gw)`.

    Example:
        >>> from vtok_eval.data import Clips
        >>> from vtok_eval.tokenizers.backbones.efficientnet import EfficientNetLite0
        >>> clips = Clips(torch.zeros(1, 4, 3, 64, 64, dtype=torch.uint8), torch.tensor([4.0]))
        >>> clip_maps(EfficientNetLite0(device=torch.device("cpu")), clips, frames=[0, 2]).shape[:3]
        torch.Size([1, 2, 152])
    """
    chosen = clips.frames[:, list(frames)]
    maps = backbone.maps(chosen.flatten(0, 1))
    result: Tensor = maps.unflatten(0, (len(clips), len(frames))).float()
    return result


def grid_cells(maps: Tensor, grid: int) -> Tensor:
    """Mean of the map over each cell of a grid x grid division: `(..., C, gh, gw)` -> `(..., grid^2, C)`.

    Cells go row by row from the top left. A map coarser than the grid gives neighbouring cells equal values.

    Example:
        >>> grid_cells(torch.arange(16.0).view(1, 1, 4, 4), grid=2).flatten().tolist()
        [2.5, 4.5, 10.5, 12.5]
    """
    pooled = torch.nn.functional.adaptive_avg_pool2d(maps.flatten(0, -4), grid)
    result: Tensor = pooled.flatten(2).transpose(1, 2).unflatten(0, maps.shape[:-3]).contiguous()
    return result


def state_sha256(named_tensors: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of weights.

    Example:
        >>> len(state_sha256(torch.nn.Linear(2, 2).state_dict().items()))
        64
    """
    digest = hashlib.sha256()
    for name, tensor in named_tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_frames(frames: Tensor | Sequence[Tensor]) -> None:
    if isinstance(frames, Tensor):
        kinds = {(frames.dtype, tuple(frames.shape))}
    else:
        kinds = {(each.dtype, (len(frames), *each.shape)) for each in frames}
    dtype, shape = min(kinds, key=str, default=(None, ()))
    if len(kinds) != 1 or dtype != torch.uint8 or len(shape) != 4 or shape[1] != 3 or 0 in shape:
        found = " and ".join(sorted(f"{each} {of}" for each, of in kinds)) or "none"
        raise TokenizerError(f"a backbone takes uint8 frames (N, 3, H, W), not {found}")
