"""Checks what a user's `decode` or `generate` returns; errors name it and say what it must return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vtok_eval.data import Clips
from vtok_eval.errors import GenerationError
from vtok_eval.results.shape_change import ShapeChange

if TYPE_CHECKING:
    from torch import Tensor


def checked_clips(clips: object, *, n_clips: int, made_by: str) -> Clips:
    """The clips that `made_by` ("decode" or "generate") gave, where they are what the protocol asks for.

    That is uint8 `(n_clips, T, 3, H, W)` with at least one frame and pixel, and a frame rate for each clip:
    floating point `(n_clips,)`, positive and finite.

    Raises:
        GenerationError: they are not; says what was given and what to give.

    Example:
        >>> import torch
        >>> frames = torch.zeros(1, 2, 3, 4, 4, dtype=torch.uint8)
        >>> checked_clips(Clips(frames, 8.0), n_clips=1, made_by="decode")
        Traceback (most recent call last):
        vtok_eval.errors.GenerationError: decode must give Clips whose fps is a floating-point tensor \
(1,), not the float 8.0; write torch.full((1,), 8.0)
    """
    if not isinstance(clips, Clips):
        number = "one clip" if n_clips == 1 else f"{n_clips} clips"
        raise GenerationError(f"{made_by} must give Clips with {number} here, not {_described(clips)}")
    _check_frames(clips.frames, n_clips=n_clips, made_by=made_by)
    _check_fps(clips.fps, n_clips=n_clips, made_by=made_by)
    return clips


def shape_change(given: Clips, returned: Clips) -> ShapeChange:
    """What differs between clips as they were encoded and as they were decoded."""
    return ShapeChange((given.n_frames, *given.size), (returned.n_frames, *returned.size))


def _check_frames(frames: object, *, n_clips: int, made_by: str) -> None:
    import torch

    wanted = f"{made_by} must give Clips of uint8 ({n_clips}, T, 3, H, W)"
    if not isinstance(frames, torch.Tensor):
        raise GenerationError(f"{wanted}, not {_described(frames)}")
    shape = tuple(frames.shape)
    if len(shape) == 5 and shape[0] != n_clips and shape[2] == 3:
        raise GenerationError(f"{wanted}, not {shape[0]} clips")
    if len(shape) == 5 and shape[0] == n_clips and shape[2] != 3 and 3 in (shape[1], shape[4]):
        order = "(B, 3, T, H, W)" if shape[1] == 3 else "(B, T, H, W, 3)"
        raise GenerationError(f"{wanted}, not {shape}: its axes seem to be in the order {order}")
    if len(shape) != 5 or shape[0] != n_clips or shape[2] != 3 or 0 in shape:
        raise GenerationError(f"{wanted}, not {frames.dtype} {shape}")
    if frames.dtype is not torch.uint8:
        raise GenerationError(f"{wanted}, not {frames.dtype} {shape}{_range(frames)}")


def _range(frames: Tensor) -> str:
    import torch

    if frames.is_complex():
        return ""
    frames = frames.float() if frames.dtype is torch.bool else frames
    if frames.is_floating_point() and not bool(frames.isfinite().all()):
        return " with NaN or infinite values"
    low, high = float(frames.min()), float(frames.max())
    said = f" from {low:.3g} to {high:.3g}"
    if not frames.is_floating_point():
        return said
    if low >= 0.0 and high <= 1.0:
        return f"{said}; write (255 * frames).round().to(torch.uint8)"
    if low >= -1.0 and high <= 1.0:
        return f"{said}; write (127.5 * (frames + 1)).round().to(torch.uint8)"
    return f"{said}; write frames.clamp(0, 255).round().to(torch.uint8)"


def _check_fps(fps: object, *, n_clips: int, made_by: str) -> None:
    import torch

    wanted = f"{made_by} must give Clips whose fps is a floating-point tensor ({n_clips},)"
    if not isinstance(fps, torch.Tensor):
        rate = f"; write torch.full(({n_clips},), {float(fps)})" if isinstance(fps, int | float) else ""
        raise GenerationError(f"{wanted}, not {_described(fps)}{rate}")
    if tuple(fps.shape) != (n_clips,) or not fps.is_floating_point():
        raise GenerationError(f"{wanted}, not {fps.dtype} {tuple(fps.shape)}")
    if not bool((fps.isfinite() & (fps > 0)).all()):
        raise GenerationError(f"{wanted}, positive and finite, not {fps.tolist()[0]}")


def _described(value: object) -> str:
    if isinstance(value, bool | int | float):
        return f"the {type(value).__name__} {value}"
    shape = getattr(value, "shape", None)
    name = f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")
    return name if shape is None else f"{name} {tuple(shape)}"
