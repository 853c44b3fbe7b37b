"""What `import vtok_eval` gives in a worker: what a user's file needs, for numpy and torch alike."""

from __future__ import annotations

import enum
import sys
import types
from typing import TYPE_CHECKING, Any

from .messages import is_tensor, to_array, to_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .messages import Array

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

    def part(self, start: int, stop: int) -> Clips:
        """The clips from `start` up to `stop`."""
        return Clips(self.frames[start:stop], self.fps[start:stop])

    def to(self, device: Any) -> Clips:
        """The clips on a device."""
        return Clips(self.frames.to(device), self.fps.to(device))


class Tokens:
    """The tokens of a batch of clips, of numpy arrays or of torch tensors."""

    def __init__(
        self,
        values: Any,
        mask: Any,
        kind: Any,
        frame: Any,
        latent_shape: tuple[int, int, int] | None = None,
    ) -> None:
        self.values, self.mask, self.kind, self.frame = values, mask, kind, frame
        self.latent_shape = latent_shape

    def __len__(self) -> int:
        return int(self.values.shape[0])

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
        import numpy as np

        shape = (int(values.shape[0]), int(values.shape[1]))
        frames = np.zeros(shape, "int64")
        if frame is not None:
            frames = np.broadcast_to(to_array("frame", frame)[0].astype("int64"), shape).copy()
        return cls(
            values,
            _like(values, np.ones(shape, bool)),
            _like(values, np.full(shape, int(kind), "int64")),
            _like(values, frames),
            latent_shape,
        )

    @classmethod
    def concatenate(cls, groups: Sequence[Tokens]) -> Tokens:
        """Join groups of one width D along the token axis."""
        return cls(*(_joined([getattr(group, name) for group in groups]) for name in PER_TOKEN))

    def count(self) -> Any:
        """Tokens per clip, int64 `(B,)`."""
        return self.mask.sum(1)


def _like(values: Any, array: Array) -> Any:
    """The array, as a tensor next to `values` where these are one."""
    return to_tensor(array, "", values.device) if is_tensor(values) else array


def _joined(parts: Sequence[Any]) -> Any:
    if is_tensor(parts[0]):
        import torch

        return torch.cat(list(parts), dim=1)
    import numpy as np

    return np.concatenate(parts, axis=1)


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
