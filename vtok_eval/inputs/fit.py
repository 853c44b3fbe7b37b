"""What was done to clips so that they meet a contract, kept with their tokens so that it can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vtok_eval.inputs.accepts import SizePolicy

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Fit:
    """What was done to clips of one length, size and frame rate so that they meet a contract.

    Attributes:
        n_frames, height, width: of the clips as they were given; the size in pixels.
        source_frames: for every encoded frame, window after window, the given frame that it shows.
        window_frames: encoded frames of each window; all windows are equally long.
        encoded_height, encoded_width: of the encoded frames, in pixels.
        size_policy: how the size was changed; None where it was not.
        fps, encoded_fps: frames per second as given and as encoded.
        n_resampled: frames after the frame rate was changed; `n_frames` where it was not.

    Example:
        >>> from vtok_eval.inputs.fitting import Accepts, plan_fit
        >>> fit = plan_fit(Accepts(frames="1+4k", most=9), n_frames=16, height=64, width=64, fps=8.0)
        >>> fit.window_frames, fit.n_windows
        (9, 2)
    """

    n_frames: int
    height: int
    width: int
    source_frames: tuple[int, ...]
    window_frames: int
    encoded_height: int
    encoded_width: int
    size_policy: SizePolicy | None
    fps: float
    encoded_fps: float
    n_resampled: int

    @property
    def n_windows(self) -> int:
        """How many windows are encoded, each by itself."""
        return len(self.source_frames) // self.window_frames

    @property
    def changes_nothing(self) -> bool:
        """Whether the clips met the contract as they were."""
        return not self.text()

    def text(self) -> str:
        """What was changed, in words; empty where nothing was.

        Example:
            >>> from vtok_eval.inputs.fitting import Accepts, plan_fit
            >>> plan_fit(Accepts(frames="1+4k", size="8k"), n_frames=16, height=60, width=64, fps=8.0).text()
            '16 frames padded to 17; 60 x 64 px padded to 64 x 64'
        """
        parts = []
        if self.encoded_fps != self.fps:
            parts.append(
                f"{self.n_frames} frames at {self.fps:g} fps resampled to {self.n_resampled} at "
                f"{self.encoded_fps:g} fps"
            )
        if self.n_windows > 1:
            parts.append(
                f"{self.n_resampled} frames cut into {self.n_windows} windows of {self.window_frames}"
            )
        elif self.window_frames != self.n_resampled:
            parts.append(f"{self.n_resampled} frames padded to {self.window_frames}")
        if self.size_policy is not None:
            done = {"pad": "padded", "resize": "resized", "crop": "cropped"}[self.size_policy]
            parts.append(
                f"{self.height} x {self.width} px {done} to {self.encoded_height} x {self.encoded_width}"
            )
        return "; ".join(parts)


@dataclass(frozen=True)
class EncodedAs:
    """How fitted clips were encoded, where their tokens name the given frames instead of the encoded ones.

    Attributes:
        fit: what was done to the clips; None where they had several frame rates, and a fit each.
        frame: int64 `(B, L)`, the frame of its window that each token belongs to.
        window_lengths: tokens of each window; they add up to L.

    Example:
        >>> import torch
        >>> EncodedAs(fit=None, frame=torch.zeros(1, 5).long(), window_lengths=(5,)).window_lengths
        (5,)
    """

    fit: Fit | None
    frame: Tensor
    window_lengths: tuple[int, ...]
