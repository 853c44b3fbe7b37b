"""Kernel ridge regression on a clip's tokens: a second reader, which has one solution and no seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from vtok_eval.data import TokenKind
from vtok_eval.probes.features import FeatureTable

PENALTIES: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Penalties to choose from; a kernel is 1 for equal clips."""
_CHUNK_CLIPS = 256
_MOST_SUBSETS_OF = 3
"""Of up to this many sources every selection has a kernel; of more, each alone and all together."""

Source = tuple[int, int]
"""Tokens that are compared with one another: those of one kind in one group, (group, kind)."""


@dataclass(frozen=True)
class ClipVectors:
    """Clips as one vector per source: the values at all places, concatenated; 0 where a clip has no token.

    n_clips: N. places: of each source, codes of the places (frame and slot) that training clips have, sorted.
    rows: of each source, `(N, places * D)` float32.

    Example:
        >>> from vtok_eval.data import Tokens
        >>> table = FeatureTable((Tokens.of(torch.zeros(8, 3, 4).half()),), slot=torch.arange(3).repeat(8, 1))
        >>> vectors = ClipVectors.of(table)
        >>> {source: tuple(rows.shape) for source, rows in vectors.rows.items()}
        {(0, 0): (8, 12)}
    """

    n_clips: int
    places: Mapping[Source, Tensor]
    rows: Mapping[Source, Tensor]

    @classmethod
    def of(cls, table: FeatureTable, places: Mapping[Source, Tensor] | None = None) -> ClipVectors:
        """The vectors of a standardised table's clips.

        places: those of the training clips; left out, this is the training split. Tokens at other places are
        ignored.
        """
        places = _places(table) if places is None else places
        rows = {source: _side_by_side(table, source, codes) for source, codes in places.items()}
        return cls(len(table), places, rows)

    def squared_distances(self, other: ClipVectors) -> dict[Source, Tensor]:
        """For each source, between these clips and others, `(N, M)` float64."""
        return {source: _squared_distances(rows, other.rows[source]) for source, rows in self.rows.items()}


@dataclass(frozen=True)
class Kernel:
    """A Gaussian kernel over some sources. widths: the squared distance in each that counts as one.

    Example:
        >>> kernel = Kernel(sources=((0, 0),), widths=(2.0,))
        >>> kernel.title, round(float(kernel.between({(0, 0): torch.tensor([[2.0]])}, (1, 1))), 3)
        ('spatial', 0.368)
    """

    sources: tuple[Source, ...]
    widths: tuple[float, ...]

    @property
    def title(self) -> str:
        """What it compares, in words."""
        kinds = dict.fromkeys(TokenKind(kind).name.lower() for _, kind in self.sources)
        return " and ".join(kinds) or "no tokens"

    def between(self, distances: Mapping[Source, Tensor], shape: tuple[int, int]) -> Tensor:
        """The kernel, float64 of `shape`, from squared distances of each source; 1 without any source."""
        # Without any source nothing says where the clips are; their tables are on the CPU.
        device = distances[self.sources[0]].device if self.sources else torch.device("cpu")
        total = torch.zeros(shape, dtype=torch.float64, device=device)
        for source, width in zip(self.sources, self.widths, strict=True):
            total += distances[source] / (width * len(self.sources))
        return (-total).exp()


def kernels_for(distances: Mapping[Source, Tensor]) -> list[Kernel]:
    """A kernel for each selection of sources; each is as wide as the mean distance of two training clips.

    Example:
        >>> distances = {(0, 0): torch.ones(2, 2), (1, 1): torch.ones(2, 2)}
        >>> [kernel.title for kernel in kernels_for(distances)]
        ['spatial', 'motion', 'spatial and motion']
    """
    widths = {source: float(each.mean()) or 1.0 for source, each in distances.items()}
    sources = sorted(widths)
    few = len(sources) <= _MOST_SUBSETS_OF
    sizes = range(1, len(sources) + 1) if few else (1, len(sources))
    chosen = [subset for size in sizes for subset in combinations(sources, size)]
    return [Kernel(subset, tuple(widths[source] for source in subset)) for subset in chosen or [()]]


@dataclass(frozen=True)
class RidgePath:
    """Kernel ridge regression with one kernel and any penalty, from one decomposition of the kernel.

    Example:
        >>> path = RidgePath.of(torch.eye(2, dtype=torch.float64), torch.tensor([[1.0], [0.0]]))
        >>> path.coefficients(1.0).flatten().tolist()
        [0.5, 0.0]
    """

    eigenvalues: Tensor
    eigenvectors: Tensor
    rotated: Tensor

    @classmethod
    def of(cls, kernel: Tensor, targets: Tensor) -> RidgePath:
        """Decompose a kernel `(N, N)` float64 for targets `(N, K)`."""
        values, vectors = torch.linalg.eigh(kernel)
        return cls(values.clamp_min(0), vectors, vectors.T @ targets.double())

    def coefficients(self, penalty: float) -> Tensor:
        """Dual coefficients `(N, K)` float64: (kernel + penalty I)^-1 targets."""
        return self.eigenvectors @ (self.rotated / (self.eigenvalues + penalty)[:, None])


def _places(table: FeatureTable) -> dict[Source, Tensor]:
    places: dict[Source, Tensor] = {}
    for number, (group, codes) in enumerate(zip(table.groups, _codes(table), strict=True)):
        for kind in group.kind[group.mask].unique().tolist():
            places[number, kind] = codes[group.mask & (group.kind == kind)].unique()
    return places


def _codes(table: FeatureTable) -> list[Tensor]:
    """One number for each place of each group, `(N, L_g)`: frames apart, slots within them."""
    slots = table.slot.split([group.mask.shape[1] for group in table.groups], dim=1)
    return [group.frame * 2**20 + slot for group, slot in zip(table.groups, slots, strict=True)]


def _side_by_side(table: FeatureTable, source: Source, places: Tensor) -> Tensor:
    """`(N, places * D)` float32."""
    number, kind = source
    group, codes = table.groups[number], _codes(table)[number].contiguous()
    column = torch.searchsorted(places, codes).clamp_max(len(places) - 1)
    chosen = group.mask & (group.kind == kind) & (places[column] == codes)
    rows = torch.zeros(len(table), len(places), group.values.shape[2], device=group.values.device)
    clip, token = chosen.nonzero(as_tuple=True)
    rows[clip, column[clip, token]] = group.values[clip, token].float()
    return rows.flatten(1)


def _squared_distances(rows: Tensor, others: Tensor) -> Tensor:
    """Between the rows of two matrices, `(N, M)` float64."""
    squares = rows.double().square().sum(dim=1)
    other_squares = others.double().square().sum(dim=1)
    products = torch.cat([(part @ others.T).double() for part in rows.split(_CHUNK_CLIPS)])
    return (squares[:, None] + other_squares[None, :] - 2 * products).clamp_min(0)
