"""What `import vtok_eval` gives in a worker: what a user's file needs, for numpy and torch alike."""

from __future__ import annotations

import enum
import math
import sys
import types
from typing import TYPE_CHECKING, Any

from .messages import is_tensor, to_array, to_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .messages import Array

# Any: tensors of torch or arrays of numpy, whichever the environment has.

PER_TOKEN = ("values", "mask", "kind", "frame")


class TokenKind(enum.IntEnum):
    """What a token represents."""

    SPATIAL = 0
    MOTION = 1


class Clip:
    """One clip: `frames` uint8 `(T, 3, H, W)`, and its frames per second."""

    def __init__(self, frames: Any, fps: float) -> None:
        self.frames, self.fps = frames, fps


class Clips:
    """A batch of clips: `frames` uint8 `(B, T, 3, H, W)`; `fps` float64 `(B,)`."""

    def __init__(self, frames: Any, fps: Any) -> None:
        self.frames, self.fps = frames, fps

    def __len__(self) -> int:
        return int(self.fps.shape[0])

    @property
    def n_frames(self) -> int:
        """T, the number of frames of every clip in the batch."""
        return int(self.frames.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """H and W in pixels."""
        return int(self.frames.shape[-2]), int(self.frames.shape[-1])

    def fps_of(self, row: int) -> float:
        """A clip's frames per second."""
        return float(self.fps[row])

    def pictures(self, places: Sequence[tuple[int, int]]) -> list[Any]:
        """Frames `(3, H, W)` by clip and number."""
        return [self.frames[row, number] for row, number in places]

    def part(self, start: int, stop: int) -> Clips:
        """The clips from `start` up to `stop`."""
        return Clips(self.frames[start:stop], self.fps[start:stop])

    def rows(self, rows: Sequence[int]) -> Clips:
        """Some of the clips, by their place in the batch."""
        return Clips(self.frames[list(rows)], self.fps[list(rows)])

    def to(self, device: Any) -> Clips:
        """The clips on a device."""
        return Clips(self.frames.to(device), self.fps.to(device))


class Codes:
    """Which entries of which code books tokens are; the harness checks them and gives them vectors."""

    def __init__(self, indices: Any, sizes: Sequence[int], embedding: Sequence[Any] = ()) -> None:
        self.indices, self.sizes, self.embedding = indices, tuple(sizes), tuple(embedding)

    @property
    def stacked(self) -> Any:
        """The indices as `(B, L, Q)`, also where there is one quantiser."""
        return self.indices if self.indices.ndim == 3 else self.indices[:, :, None]

    @property
    def bits_per_token(self) -> float:
        """The sum of log2(size) over the quantisers."""
        return sum(math.log2(size) for size in self.sizes)

    def map(self, function: Callable[[Any], Any]) -> Codes:
        """The same with a function applied to the indices."""
        return Codes(function(self.indices), self.sizes, self.embedding)


class Tokens:
    """The tokens of a batch of clips, of numpy arrays or of torch tensors.

    values: None of codes that `Tokens.codes` made here: the harness gives them their vectors.
    """

    def __init__(
        self,
        values: Any,
        mask: Any,
        kind: Any,
        frame: Any,
        latent_shape: tuple[int, int, int] | None = None,
        coded: Codes | None = None,
    ) -> None:
        self.values, self.mask, self.kind, self.frame = values, mask, kind, frame
        self.latent_shape, self.coded = latent_shape, coded

    def __len__(self) -> int:
        return int(self.mask.shape[0])

    @classmethod
    def of(
        cls,
        values: Any,
        *,
        frame: Any = None,
        kind: int = TokenKind.SPATIAL,
        latent_shape: tuple[int, int, int] | None = None,
    ) -> Tokens:
        """Tokens of one kind without padding, from `values` `(B, L, D)`."""
        mask, kinds, frames = _places(values, frame=frame, kind=kind)
        return cls(values, mask, kinds, frames, latent_shape)

    @classmethod
    def codes(
        cls,
        codes: Any,
        *,
        codebook_size: Any,
        embedding: Any = None,
        mask: Any = None,
        frame: Any = None,
        kind: int = TokenKind.SPATIAL,
        latent_shape: tuple[int, int, int] | None = None,
    ) -> Tokens:
        """Tokens that are entries of code books, from int64 `(B, L)`, or `(B, L, Q)` of Q quantisers."""
        every, kinds, frames = _places(codes, frame=frame, kind=kind)
        n_quantisers = int(codes.shape[2]) if codes.ndim == 3 else 1
        sizes = list(codebook_size) if hasattr(codebook_size, "__len__") else [codebook_size] * n_quantisers
        coded = Codes(codes, [int(size) for size in sizes], _listed(embedding))
        return cls(None, every if mask is None else mask, kinds, frames, latent_shape, coded)

    @property
    def indices(self) -> Any:
        """The codes as `Tokens.codes` was given them."""
        if self.coded is None:
            raise VtokEvalError("these tokens are values, not codes: read tokens.values")
        return self.coded.indices

    @classmethod
    def concatenate(cls, groups: Sequence[Tokens]) -> Tokens:
        """Join groups of one width D, or codes of the same code books, along the token axis."""
        return _tokens_joined(groups, axis=1)

    @classmethod
    def batch(cls, clips: Sequence[Tokens]) -> Tokens:
        """Join batches of one number L of tokens, and of one width or the same code books."""
        return _tokens_joined(clips, axis=0)

    def part(self, start: int, stop: int) -> Tokens:
        """The tokens of each clip from `start` up to `stop`, without `latent_shape`."""
        return self.map(lambda array: array[:, start:stop])

    def map(self, function: Callable[[Any], Any]) -> Tokens:
        """The tokens with a function applied to each of their arrays `(B, L, ...)`."""
        parts = {name: getattr(self, name) for name in PER_TOKEN}
        made = {name: None if part is None else function(part) for name, part in parts.items()}
        return Tokens(**made, coded=None if self.coded is None else self.coded.map(function))

    def count(self) -> Any:
        """Tokens per clip, int64 `(B,)`."""
        return self.mask.sum(1)

    @property
    def bits_per_token(self) -> float:
        """Bits of a token: of codes, `Codes.bits_per_token`; of values, D numbers as they are stored."""
        if self.coded is not None:
            return self.coded.bits_per_token
        itemsize = self.values.element_size() if is_tensor(self.values) else self.values.itemsize
        return float(8 * itemsize * self.values.shape[2])

    def bits(self) -> Any:
        """Bits per clip `(B,)`: tokens times `bits_per_token`."""
        count = self.count()
        return (count.double() if is_tensor(count) else count) * self.bits_per_token


def _listed(value: Any) -> list[Any]:
    """One thing, several or none, as a list; an array or a tensor is one thing."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _places(each: Any, *, frame: Any, kind: int) -> tuple[Any, Any, Any]:
    """Mask, kinds and frames `(B, L)` for values or codes `(B, L, ...)`, with a token at every place."""
    import numpy as np

    shape = (int(each.shape[0]), int(each.shape[1]))
    frames = np.zeros(shape, "int64")
    if frame is not None:
        frames = np.broadcast_to(to_array("frame", frame)[0].astype("int64"), shape).copy()
    parts = (np.ones(shape, bool), np.full(shape, int(kind), "int64"), frames)
    mask, kinds, frames = (_like(each, part) for part in parts)
    return mask, kinds, frames


def _tokens_joined(groups: Sequence[Tokens], *, axis: int) -> Tokens:
    first = groups[0].coded
    if any((group.coded and group.coded.sizes) != (first and first.sizes) for group in groups):
        raise VtokEvalError("tokens that are codes can be joined with codes of the same code books only")
    parts = {name: [getattr(group, name) for group in groups] for name in PER_TOKEN}
    made = {name: None if part[0] is None else _joined(part, axis=axis) for name, part in parts.items()}
    if first is None:
        return Tokens(**made)
    indices = _joined([group.indices for group in groups], axis=axis)
    return Tokens(**made, coded=Codes(indices, first.sizes, first.embedding))


def _like(values: Any, array: Array) -> Any:
    """The array, as a tensor next to `values` where these are one."""
    return to_tensor(array, "", values.device) if is_tensor(values) else array


def _joined(parts: Sequence[Any], *, axis: int) -> Any:
    if is_tensor(parts[0]):
        import torch

        return torch.cat(list(parts), dim=axis)
    import numpy as np

    return np.concatenate(parts, axis=axis)


class Accepts:
    """An input contract; the harness reads and checks it."""

    def __init__(self, **contract: Any) -> None:
        self.contract = contract


class Caveat(str, enum.Enum):
    """What a reader must know wherever the system's numbers are shown."""

    RANDOM_WEIGHTS = "random weights"
    STAND_IN = "stand-in"
    RE_CREATION = "re-creation"
    SMOKE_TEST = "smoke test"


class Description:
    """What a system says about itself; the harness reads and checks it."""

    def __init__(self, *, facts: Mapping[str, Any] | None = None, **fields: Any) -> None:
        self.content = {**(facts or {}), **fields}


class VtokEvalError(Exception):
    """An error that its message explains; the harness shows it without the type's name."""


_STAND_INS = {
    "vtok_eval": (TokenKind, Clip, Clips, Tokens, Accepts, Caveat, Description, VtokEvalError),
    "vtok_eval.codes": (Codes,),
    "vtok_eval.data": (TokenKind, Clip, Clips, Tokens),
    "vtok_eval.errors": (VtokEvalError,),
    "vtok_eval.inputs": (),
    "vtok_eval.inputs.accepts": (Accepts,),
    "vtok_eval.results": (),
    "vtok_eval.results.description": (Caveat, Description),
}


def provide_stand_ins() -> None:
    """Let the user's file import from `vtok_eval` what it needs, without the package."""
    for name, classes in _STAND_INS.items():
        module = types.ModuleType(name, "Stands in for the module of this name, in a worker of exec:.")
        module.__path__ = []
        vars(module).update({each.__name__: each for each in classes})
        sys.modules[name] = module
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, module)
