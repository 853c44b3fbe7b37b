"""What happens to features before a reader sees them: channels standardised, wide groups reduced by a PCA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vtok_eval.data import Tokens
from vtok_eval.probes.features import Books, ClipFeatures, FeatureTable, Statistics, require_widths
from vtok_eval.probes.known_codes import KnownCodes

_MOST_TOKENS = 16_384
"""Tokens of the training split that a PCA is fitted to at most, evenly spread over its clips."""
_CHUNK_CLIPS = 256


@dataclass(frozen=True)
class Preprocessing:
    """Frozen maps of groups of features, fitted to the training split and applied to all clips.

    statistics: of each channel. directions: of each group, `(C, D_g)` float32 where its width D_g is reduced
    to C channels, None where it is left as it is. books: the code books of each group. known_codes: of each
    group the codes that a probe learns vectors of; None where it reads values, empty where no group is codes.

    Example:
        >>> values = torch.randn(8, 3, 4, generator=torch.Generator().manual_seed(0))
        >>> table = FeatureTable((Tokens.of(values.half()),), slot=torch.zeros(8, 3).long())
        >>> fitted = Preprocessing.of(table, max_channels=2)
        >>> fitted.input_widths, fitted.widths
        ((4,), (2,))
    """

    statistics: Statistics
    directions: tuple[Tensor | None, ...]
    books: Books = ()
    known_codes: tuple[KnownCodes | None, ...] = ()

    @classmethod
    def of(cls, table: FeatureTable, *, max_channels: int | None = None) -> Preprocessing:
        """Fit to a training table; groups of more than `max_channels` channels are reduced to as many.

        The PCA is of the standardised tokens of all kinds in the group, the sign of each direction such that
        its largest entry is positive. All reduced channels of a group are divided by one number, so that
        their mean variance is 1 and their proportions stay.
        """
        statistics = Statistics.of(table)
        known_codes = tuple(KnownCodes.of(group) for group in table.groups)
        directions: tuple[Tensor | None, ...] = (None,) * len(table.groups)
        if max_channels is not None and any(group.values.shape[2] > max_channels for group in table.groups):
            groups = statistics.standardise(table).groups
            directions = tuple(_directions(group, max_channels) for group in groups)
        return cls(statistics, directions, table.books, known_codes)

    @property
    def input_widths(self) -> tuple[int, ...]:
        """Channels of each group as the tokenizer gives it."""
        return tuple(int(mean.shape[1]) for mean in self.statistics.means)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each group as a reader sees it."""
        pairs = zip(self.input_widths, self.directions, strict=True)
        return tuple(width if matrix is None else int(matrix.shape[0]) for width, matrix in pairs)

    def require_same_form(self, features: Sequence[ClipFeatures], names: Sequence[str]) -> None:
        """Refuse clips whose groups differ in number, width or code books from the training clips'.

        Raises:
            TokenizerError: naming the first such clip.
        """
        require_widths(features, names, expected=self.input_widths, books=self.books, like="in training")

    def apply(self, table: FeatureTable) -> FeatureTable:
        """The table standardised and reduced, in float16; codes to be learned as the probe's rows."""
        table = self.statistics.standardise(table)
        pairs = zip(table.groups, self.directions, strict=True)
        groups = tuple(group if matrix is None else _reduced(group, matrix) for group, matrix in pairs)
        if self.known_codes:
            known_codes = zip(groups, self.known_codes, strict=True)
            groups = tuple(group if known is None else known.apply(group) for group, known in known_codes)
        return replace(table, groups=groups)


def _directions(group: Tokens, max_channels: int) -> Tensor | None:
    """The main directions of a standardised group, each divided by the root of their mean variance."""
    width = group.values.shape[2]
    if width <= max_channels:
        return None
    tokens = _some_tokens(group)
    # Standardised by kind, so centred; a group without tokens has no directions but its first channels.
    covariance = torch.zeros(width, width, dtype=torch.float64, device="cpu")
    for part in tokens.split(4096):
        rows = part.float()
        covariance += (rows.T @ rows).double()
    if not bool(covariance.any()):
        return torch.eye(width, device="cpu")[:max_channels].contiguous()
    variances, vectors = torch.linalg.eigh(covariance / len(tokens))
    main = vectors[:, -max_channels:].flip(1).T
    mean_variance = variances[-max_channels:].clamp_min(0).mean()
    result: Tensor | None = (_with_fixed_sign(main) / mean_variance.sqrt()).float().contiguous()
    return result


def _some_tokens(group: Tokens) -> Tensor:
    """At most `_MOST_TOKENS` of the group's tokens, `(n, D)` float16, evenly spread."""
    places = group.mask.nonzero()
    if len(places) > _MOST_TOKENS:
        places = places[torch.linspace(0, len(places) - 1, _MOST_TOKENS, device="cpu").long()]
    return group.values[places[:, 0], places[:, 1]]


def _with_fixed_sign(rows: Tensor) -> Tensor:
    """Rows whose entry of largest magnitude is positive: an eigenvector's sign is otherwise arbitrary."""
    largest = rows.abs().argmax(dim=1, keepdim=True)
    return rows * rows.gather(1, largest).sign()


def _reduced(group: Tokens, matrix: Tensor) -> Tokens:
    parts: Sequence[Tensor] = [(part.float() @ matrix.T).half() for part in group.values.split(_CHUNK_CLIPS)]
    return replace(group, values=torch.cat(list(parts)))
