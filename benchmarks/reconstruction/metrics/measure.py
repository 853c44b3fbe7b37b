"""What a metric is here: it takes a clip and its reconstruction chunk by chunk, then gives its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import ClipForm


@dataclass(frozen=True)
class Measurement:
    """What one metric found in one clip.

    values: by metric name; PSNR is infinite for a clip that came back unchanged. features: by name of the
    network, features of the clip and of its reconstruction, float32 `(D,)` each.
    outputs: what else is kept, as JSON can hold it.

    Example:
        >>> Measurement(values={"psnr": 34.2}, outputs={"unchanged_frames": 2}).values
        {'psnr': 34.2}
    """

    values: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    outputs: Mapping[str, object] = field(default_factory=dict)


class MeasurePass(Protocol):
    """One metric's way through one clip.

    Example:
        >>> from benchmarks.reconstruction.metrics.psnr import PsnrConvention, PsnrPass
        >>> one_clip: MeasurePass = PsnrPass(PsnrConvention.CLIP)
    """

    def add(self, original: Tensor, decoded: Tensor) -> None:
        """Take the next frames, uint8 `(n, 3, H, W)` each."""
        ...

    def finish(self) -> Measurement:
        """What was found, after the last frames."""
        ...

    def close(self) -> None:
        """Release what it holds; called in any case, also where the clip failed before its end."""
        ...


class Measure(Protocol):
    """A metric with its models loaded.

    Example:
        >>> from benchmarks.reconstruction.metrics.ssim import MultiScaleSsim
        >>> from vtok_eval.data import ClipForm
        >>> measure: Measure = MultiScaleSsim()
        >>> measure.why_not(ClipForm(n_frames=16, height=128, width=128, fps=4.0))
        'needs frames of at least 176 px, these have 128'
    """

    def why_not(self, form: ClipForm) -> str | None:
        """Why clips of this form cannot be measured, such as "needs 176 px"; None where they can."""
        ...

    def begin(self, form: ClipForm) -> MeasurePass:
        """Begin a clip."""
        ...
