"""How a stored picture must be turned and mirrored to be seen upright, from a container's display matrix."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Orientation:
    """The picture is first transposed (rows become columns), then its rows and columns are reversed."""

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    @classmethod
    def from_display_matrix(cls, matrix: bytes) -> Orientation:
        """From FFmpeg's display matrix: nine native int32 `(a, b, u, c, d, v, x, y, w)` (ISO 14496-12).

        A stored point (p, q), p to the right and q down, is shown at (a p + c q + x, b p + d q + y), so the
        signs of a, b, c, d say all there is to a turn by a multiple of 90 degrees.

        Raises:
            ValueError: the matrix turns by another angle, skews, or is degenerate.
        """
        a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
        if b == c == 0 and a and d:
            return cls(rows_reversed=d < 0, columns_reversed=a < 0)
        if a == d == 0 and b and c:
            return cls(transposed=True, rows_reversed=b < 0, columns_reversed=c < 0)
        raise ValueError(f"its display matrix {(a, b, c, d)} is not a rotation by a multiple of 90 degrees")

    @property
    def mirrored(self) -> bool:
        """Whether the shown picture is a mirror image of the stored one."""
        return (self.transposed + self.rows_reversed + self.columns_reversed) % 2 == 1

    @property
    def degrees(self) -> int:
        """Clockwise turn, 0, 90, 180 or 270, after mirroring left to right where `mirrored`."""
        if self.transposed:
            return 90 if self.columns_reversed else 270
        return 180 if self.rows_reversed else 0

    def apply(self, picture: NDArray[Value]) -> NDArray[Value]:
        """The upright view, without a copy, of a stored `picture` `(H, W, ...)`."""
        if self.transposed:
            picture = picture.swapaxes(0, 1)
        return picture[:: -1 if self.rows_reversed else 1, :: -1 if self.columns_reversed else 1]
