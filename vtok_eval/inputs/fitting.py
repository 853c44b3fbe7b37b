"""Fits clips to an input contract before they are encoded, and undoes the fit after they are decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vtok_eval.data import Clips
from vtok_eval.errors import TokenizerError
from vtok_eval.inputs.accepts import Accepts
from vtok_eval.inputs.fit import Fit

if TYPE_CHECKING:
    from torch import Tensor


def plan_fit(accepts: Accepts, *, n_frames: int, height: int, width: int, fps: float) -> Fit:
    """How clips of this length, size in pixels and frame rate are made to meet `accepts`.

    The frame rate is changed first (each new frame is the given frame that is shown at its time), then the
    length, then the size.

    Raises:
        TokenizerError: they cannot meet it; the message names the nearest clip that could.

    Example:
        >>> fit = plan_fit(Accepts(frames="1+4k"), n_frames=16, height=64, width=64, fps=4.0)
        >>> fit.window_frames, fit.source_frames[-2:]
        (17, (15, 15))
    """
    resampled = _resampled(n_frames, fps=fps, wanted=accepts.fps)
    window, n_windows = _windows(accepts, len(resampled))
    padded = resampled + [resampled[-1]] * (window * n_windows - len(resampled))
    encoded_height, encoded_width = _encoded_size(accepts, height, width)
    return Fit(
        n_frames=n_frames,
        height=height,
        width=width,
        source_frames=tuple(padded),
        window_frames=window,
        encoded_height=encoded_height,
        encoded_width=encoded_width,
        size_policy=accepts.size_policy if (encoded_height, encoded_width) != (height, width) else None,
        fps=fps,
        encoded_fps=fps if accepts.fps is None else float(accepts.fps),
        n_resampled=len(resampled),
    )


def fit_clips(clips: Clips, fit: Fit) -> list[Clips]:
    """The clips as they are encoded, one batch for each window.

    Args:
        clips: uint8 `(B, T, 3, H, W)`, all as `fit` was planned for.

    Returns:
        Batches of uint8 `(B, fit.window_frames, 3, fit.encoded_height, fit.encoded_width)`.

    Example:
        >>> import torch
        >>> clips = Clips(torch.zeros(1, 16, 3, 64, 64, dtype=torch.uint8), torch.tensor([4.0]))
        >>> fit = plan_fit(Accepts(frames="1+4k"), n_frames=16, height=64, width=64, fps=4.0)
        >>> [part.n_frames for part in fit_clips(clips, fit)]
        [17]
    """
    import torch

    if fit.changes_nothing:
        return [clips]
    frames = clips.frames[:, list(fit.source_frames)]
    frames = _change_size(frames, fit)
    fps = torch.full_like(clips.fps, fit.encoded_fps)
    return [Clips(frames=part, fps=fps) for part in frames.split(fit.window_frames, dim=1)]


def undo_fit(decoded: list[Clips], fit: Fit) -> Clips:
    """Decoded windows as one batch of clips of the given length and size.

    Repeated frames and padded borders are cut off, resized frames are resized back, resampled ones repeated.
    What was cropped away does not come back: the clips keep the cropped size. A window that was decoded to
    another number of frames or another size than it had is left as it is, so that it can be reported.

    Args:
        decoded: for each window uint8 `(B, T', 3, H', W')`.

    Example:
        >>> import torch
        >>> clips = Clips(torch.zeros(1, 16, 3, 64, 64, dtype=torch.uint8), torch.tensor([4.0]))
        >>> fit = plan_fit(Accepts(frames="1+4k"), n_frames=16, height=64, width=64, fps=4.0)
        >>> undo_fit(fit_clips(clips, fit), fit).n_frames
        16
    """
    import torch

    if fit.changes_nothing:
        return decoded[0]
    frames = torch.cat([clips.frames for clips in decoded], dim=1)
    expected = (len(fit.source_frames), 3, fit.encoded_height, fit.encoded_width)
    if tuple(frames.shape[1:]) != expected:
        return Clips(frames=frames, fps=decoded[0].fps)
    frames = frames[:, _first_shown(fit)]
    fps = torch.full((len(frames),), fit.fps, dtype=torch.float64, device=frames.device)
    return Clips(frames=_change_size_back(frames, fit), fps=fps)


def _resampled(n_frames: int, *, fps: float, wanted: float | None) -> list[int]:
    """The given frame that is shown at the time of each frame of the new rate."""
    if wanted is None or wanted == fps:
        return list(range(n_frames))
    if not fps > 0:
        raise TokenizerError(
            f"the tokenizer takes clips at {wanted:g} fps, and this clip's rate is not known"
        )
    count = max(1, round(n_frames * wanted / fps))
    # A whole number that floating point puts just below itself must not become the frame before.
    return [min(n_frames - 1, int(index * fps / wanted + 1e-6)) for index in range(count)]


def _windows(accepts: Accepts, n_frames: int) -> tuple[int, int]:
    """Frames of each window, and how many windows there are."""
    if accepts.takes_length(n_frames):
        return n_frames, 1
    window = accepts.window_frames
    if window is not None and n_frames > window:
        return window, -(-n_frames // window)
    length = accepts.frame_rule.at_least(max(n_frames, accepts.least or 1))
    if length is None or (accepts.most is not None and length > accepts.most):
        # Between the largest allowed number and `most`: the largest one is the window.
        raise TokenizerError(_cannot(accepts, f"{n_frames} frames"))
    return length, 1


def _encoded_size(accepts: Accepts, height: int, width: int) -> tuple[int, int]:
    if accepts.takes_size(height, width):
        return height, width
    rules = ((accepts.height_rule, height), (accepts.width_rule, width))
    if accepts.size_policy == "crop":
        sides = [rule.at_most(side) for rule, side in rules]
    elif accepts.size_policy == "pad":
        sides = [rule.at_least(side) for rule, side in rules]
    else:
        sides = [_nearest(rule.at_most(side), rule.at_least(side), side) for rule, side in rules]
    if sides[0] is None or sides[1] is None:
        nearest = [_nearest(rule.at_most(side), rule.at_least(side), side) for rule, side in rules]
        raise TokenizerError(
            _cannot(accepts, f"{height} x {width} px", nearest=f"{nearest[0]} x {nearest[1]} px")
        )
    return sides[0], sides[1]


def _nearest(below: int | None, above: int | None, number: int) -> int | None:
    known = [side for side in (below, above) if side is not None]
    return min(known, key=lambda side: (abs(side - number), -side)) if known else None


def _cannot(accepts: Accepts, what: str, *, nearest: str | None = None) -> str:
    text = f"clips of {what} cannot be fitted to Accepts({accepts.text()})"
    return text if nearest is None else f"{text}; the nearest that could is {nearest}"


def _change_size(frames: Tensor, fit: Fit) -> Tensor:
    height, width = fit.encoded_height, fit.encoded_width
    if fit.size_policy is None:
        return frames
    if fit.size_policy == "resize":
        return _resize(frames, height, width)
    if fit.size_policy == "crop":
        top, left = (fit.height - height) // 2, (fit.width - width) // 2
        return frames[..., top : top + height, left : left + width]
    # Repeating rows and columns by index works for uint8 on every device, where torch's padding does not.
    rows = [min(row, fit.height - 1) for row in range(height)]
    columns = [min(column, fit.width - 1) for column in range(width)]
    return frames[..., rows, :][..., columns]


def _change_size_back(frames: Tensor, fit: Fit) -> Tensor:
    if fit.size_policy == "pad":
        return frames[..., : fit.height, : fit.width]
    if fit.size_policy == "resize":
        return _resize(frames, fit.height, fit.width)
    return frames


def _resize(frames: Tensor, height: int, width: int) -> Tensor:
    """Bilinear with antialiasing, rounded to uint8."""
    import torch
    from torch.nn.functional import interpolate

    flat = frames.flatten(0, 1).float()
    resized = interpolate(flat, size=(height, width), mode="bilinear", antialias=True, align_corners=False)
    result: Tensor = resized.round().clamp(0, 255).to(torch.uint8).unflatten(0, tuple(frames.shape[:2]))
    return result


def _first_shown(fit: Fit) -> list[int]:
    """For every given frame the encoded one that shows it, or the one before it that is nearest."""
    first: dict[int, int] = {}
    for position, source in enumerate(fit.source_frames):
        first.setdefault(source, position)
    known = sorted(first)
    chosen, index = [], 0
    for frame in range(fit.n_frames):
        while index + 1 < len(known) and known[index + 1] <= frame:
            index += 1
        chosen.append(first[known[index]])
    return chosen
