"""What a probe reads: a tokenizer's features of many clips, held in half precision and standardised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

import torch
from torch import Tensor

from vtok_eval.codes import Codes, describe_sizes
from vtok_eval.data import Clips, Tokens
from vtok_eval.devices.checks import checks_put_off
from vtok_eval.devices.deferred import Deferred
from vtok_eval.devices.transfer import transfer_to
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.half_precision import N_KINDS, begin_half, checked_half
from vtok_eval.systems import Tokenizer, TrainableTokenizer
from vtok_eval.token_costs import CODES, code_counts

_CHUNK_CLIPS = 256
"""Clips that are brought to single precision at once while a whole table is worked on."""
_MOST_DEVIATIONS = 1000.0
"""Standardised values end here, far beyond any honest one: half precision must not overflow."""

Books = tuple[tuple[int, ...], ...]
"""For each group of tokens the sizes of its code books, () where its tokens are values."""


@dataclass(frozen=True)
class ClipFeatures:
    """One clip's groups of tokens, on the CPU.

    groups: each with a batch of one, values float16, zero under a false mask, no padding at the end. A group
        is `coded` where a probe learns its codes' vectors; codes with an embedding of the tokenizer's own
        are read as values.
    codes: the codes of each group, int64 `(1, L_g, Q)`, however they are read; None for values.
    bits: of the tokens of all groups, at the precision in which the tokenizer gave them.

    Example:
        >>> clip = ClipFeatures(groups=(Tokens.of(torch.zeros(1, 3, 4).half()),), codes=(None,), bits=192.0)
        >>> clip.n_tokens, clip.widths
        (3, (4,))
    """

    groups: tuple[Tokens, ...]
    codes: tuple[Codes | None, ...]
    bits: float

    @property
    def n_tokens(self) -> int:
        """How many tokens the clip costs."""
        return sum(int(group.mask.sum()) for group in self.groups)

    @property
    def widths(self) -> tuple[int, ...]:
        """The width D of each group."""
        return tuple(int(group.values.shape[2]) for group in self.groups)

    def code_outputs(self) -> dict[str, object]:
        """The codes as a record's outputs keep them; nothing unless the tokens are one group of codes."""
        if len(self.codes) != 1 or self.codes[0] is None:
            return {}
        return {CODES: code_counts(self.groups[0], self.codes[0])}

    @property
    def books(self) -> Books:
        """The code books of each group."""
        return tuple(() if codes is None else codes.sizes for codes in self.codes)


@dataclass(frozen=True)
class FeatureTable:
    """The features of many clips of one tokenizer.

    groups: as the tokenizer gives them, each `(N, L_g, D_g)` float16, clips with fewer tokens padded; `coded`
        as in `ClipFeatures`.
    books: the code books of each group.
    slot: `(N, L)` int64 over the groups joined: a token's place among those of its frame and kind.

    Example:
        >>> table = FeatureTable((Tokens.of(torch.zeros(8, 3, 4).half()),), slot=torch.zeros(8, 3).long())
        >>> len(table), len(table.first(2))
        (8, 2)
    """

    groups: tuple[Tokens, ...]
    slot: Tensor
    books: Books = ()

    def __len__(self) -> int:
        return int(self.slot.shape[0])

    def first(self, n: int) -> FeatureTable:
        """The first `n` clips."""
        groups = tuple(group.map(lambda tensor: tensor[:n]) for group in self.groups)
        return replace(self, groups=groups, slot=self.slot[:n])

    def select(self, index: Tensor, *, device: torch.device) -> tuple[tuple[Tokens, ...], Tensor]:
        """The groups of the clips `index` `(B,)` in float32, and their slots, on `device`."""
        send = transfer_to(device).send
        chosen = (group.map(lambda tensor: send(tensor[index])) for group in self.groups)
        groups = tuple(replace(group, values=group.values.float()) for group in chosen)
        return groups, send(self.slot[index])


def extract_features(tokenizer: Tokenizer, clips: Clips) -> list[ClipFeatures]:
    """Run the frozen part of a tokenizer over a batch of clips.

    A `TrainableTokenizer` whose projection is to be trained gives its features, any other its tokens.

    Raises:
        TokenizerError: the tokens break the protocol, name a frame or kind that does not exist, or hold
            values that half precision cannot.

    Example:
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> clips = Clips(torch.zeros(2, 4, 3, 8, 8, dtype=torch.uint8), torch.tensor([4.0, 4.0]))
        >>> [clip.n_tokens for clip in extract_features(Blind(), clips)]
        [0, 0]
    """
    return begin_features(tokenizer, clips).get()


def begin_features(tokenizer: Tokenizer, clips: Clips) -> Deferred[list[ClipFeatures]]:
    """As `extract_features`, but what a GPU computes is waited for, and checked, only by `get`.

    Raises:
        TokenizerError: as `extract_features`; of what the tokens' values tell, `get` raises it.

    Example:
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> clips = Clips(torch.zeros(2, 4, 3, 8, 8, dtype=torch.uint8), torch.tensor([4.0, 4.0]))
        >>> len(begin_features(Blind(), clips).get())
        2
    """
    n_clips, n_frames = len(clips), clips.n_frames
    with checks_put_off() as checks:
        groups = tokenizer.features(clips) if is_trained_with_probe(tokenizer) else (tokenizer.encode(clips),)
        under_way = [begin_half(group, n_clips=n_clips) for group in groups]

    def finish() -> list[ClipFeatures]:
        for check in checks:
            check.get()
        halves = [checked_half(parts.get(), group, n_frames=n_frames) for parts, group in under_way]
        bits = torch.zeros(n_clips, dtype=torch.float64, device="cpu")
        for (half, _), (_, group) in zip(halves, under_way, strict=True):
            bits = bits + half.count().double() * group.bits_per_token
        return [_one_clip(halves, bits, index) for index in range(n_clips)]

    return Deferred(
        finish, ready=lambda: all(each.ready for each in (*checks, *(parts for parts, _ in under_way)))
    )


def is_trained_with_probe(tokenizer: object) -> TypeGuard[TrainableTokenizer]:
    """Whether the tokenizer has a projection that is trained together with the reader of its tokens.

    Example:
        >>> is_trained_with_probe(object())
        False
    """
    return isinstance(tokenizer, TrainableTokenizer) and tokenizer.trainable


def build_table(features: Sequence[ClipFeatures], names: Sequence[str]) -> FeatureTable:
    """Stack the features of many clips.

    names: what to call each clip in an error.

    Raises:
        TokenizerError: the clips' groups differ in number, width or code books.

    Example:
        >>> clip = ClipFeatures((Tokens.of(torch.zeros(1, 3, 4).half()),), (None,), bits=192.0)
        >>> build_table([clip, clip], ["a", "b"]).slot.tolist()
        [[0, 1, 2], [0, 1, 2]]
    """
    first = features[0]
    require_widths(features, names, expected=first.widths, books=first.books, like=f"in {names[0]}")
    groups = tuple(_stack([clip.groups[index] for clip in features]) for index in range(len(first.groups)))
    return FeatureTable(groups=groups, slot=slots_of(groups), books=first.books)


def require_widths(
    features: Sequence[ClipFeatures],
    names: Sequence[str],
    *,
    expected: tuple[int, ...],
    like: str,
    books: Books | None = None,
) -> None:
    """Refuse clips whose groups differ in number or width from `expected`, or in code books from `books`.

    books: left out, code books are not compared.

    Raises:
        TokenizerError: naming the first such clip; `like` says where the expected ones were seen.

    Example:
        >>> clip = ClipFeatures((Tokens.of(torch.zeros(1, 3, 4).half()),), (None,), bits=192.0)
        >>> require_widths([clip], ["clip 1"], expected=(8,), like="in others")
        Traceback (most recent call last):
        vtok_eval.errors.TokenizerError: token width must be the same for every clip: 4 in clip 1, 8 in others
    """
    for clip, name in zip(features, names, strict=True):
        if books is not None and clip.books != books:
            raise TokenizerError(
                f"code books must be the same for every clip: {_describe_books(clip.books)} in {name}, "
                f"{_describe_books(books)} {like}"
            )
        if clip.widths != expected:
            raise TokenizerError(
                f"token width must be the same for every clip: {_describe_widths(clip.widths)} in {name}, "
                f"{_describe_widths(expected)} {like}"
            )


def slots_of(groups: Sequence[Tokens]) -> Tensor:
    """Each token's place, from 0, among the tokens of its clip that share its frame and kind.

    Returns int64 `(N, L)` over the groups joined. What is under a false mask is not counted.

    Example:
        >>> slots_of([Tokens.of(torch.zeros(1, 3, 4), frame=torch.tensor([0, 0, 1]))]).tolist()
        [[0, 1, 0]]
    """
    mask = torch.cat([group.mask for group in groups], dim=1)
    kind = torch.cat([group.kind for group in groups], dim=1)
    place = torch.cat([group.frame for group in groups], dim=1) * N_KINDS + kind
    n_tokens = place.shape[1]
    earlier = torch.ones(n_tokens, n_tokens, dtype=torch.bool, device="cpu").tril(diagonal=-1)
    slots = torch.zeros_like(place)
    for start in range(0, len(place), _CHUNK_CLIPS):
        part = slice(start, start + _CHUNK_CLIPS)
        same = place[part, :, None] == place[part, None, :]
        slots[part] = (same & earlier & mask[part, None, :]).sum(dim=2)
    return slots


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel of each group, apart by kind: `(N_KINDS, D_g)` float32.

    Example:
        >>> group = Tokens.of(torch.tensor([[[1.0], [3.0]]]).half())
        >>> table = FeatureTable((group,), slot=torch.zeros(1, 2).long())
        >>> Statistics.of(table).standardise(table).groups[0].values.flatten().tolist()
        [-1.0, 1.0]
    """

    means: tuple[Tensor, ...]
    deviations: tuple[Tensor, ...]

    @classmethod
    def of(cls, table: FeatureTable) -> Statistics:
        """The statistics over all tokens of the table; 0 and 1 where a kind does not occur."""
        pairs = [_moments(group) for group in table.groups]
        return cls(means=tuple(mean for mean, _ in pairs), deviations=tuple(std for _, std in pairs))

    def standardise(self, table: FeatureTable) -> FeatureTable:
        """The table with every channel of mean 0 and deviation 1 by these statistics, still float16."""
        groups = zip(table.groups, self.means, self.deviations, strict=True)
        return replace(table, groups=tuple(_standardise(*group) for group in groups))


def _one_clip(groups: Sequence[tuple[Tokens, Codes | None]], bits: Tensor, index: int) -> ClipFeatures:
    """A clip's own tokens, without the padding that other clips in the batch caused."""
    own: list[Tokens] = []
    codes: list[Codes | None] = []
    for group, coded in groups:
        present = group.mask[index].nonzero()
        length = int(present[-1]) + 1 if len(present) else 0

        def cut(tensor: Tensor, length: int = length) -> Tensor:
            return tensor[index : index + 1, :length].clone()

        clip = group.map(cut)
        own.append(replace(clip, kind=clip.kind * clip.mask, frame=clip.frame * clip.mask))
        codes.append(None if coded is None else coded.map(cut))
    return ClipFeatures(tuple(own), tuple(codes), bits=float(bits[index]))


def _stack(clips: Sequence[Tokens]) -> Tokens:
    lengths = [clip.mask.shape[1] for clip in clips]

    def stacked(parts: Sequence[Tensor]) -> Tensor:
        table = parts[0].new_zeros(len(parts), max(lengths), *parts[0].shape[2:])
        for row, (part, length) in enumerate(zip(parts, lengths, strict=True)):
            table[row, :length] = part[0]
        return table

    first = clips[0].coded
    return Tokens(
        values=stacked([clip.values for clip in clips]),
        mask=stacked([clip.mask for clip in clips]),
        kind=stacked([clip.kind for clip in clips]),
        frame=stacked([clip.frame for clip in clips]),
        coded=None if first is None else Codes(stacked([clip.indices for clip in clips]), first.sizes),
    )


def _moments(group: Tokens) -> tuple[Tensor, Tensor]:
    width = group.values.shape[2]
    mean, deviation = torch.zeros(N_KINDS, width, device="cpu"), torch.ones(N_KINDS, width, device="cpu")
    for kind in range(N_KINDS):
        chosen = group.mask & (group.kind == kind)
        count = int(chosen.sum())
        if count == 0:
            continue
        total = torch.zeros(2, width, dtype=torch.float64, device="cpu")
        for start in range(0, len(chosen), _CHUNK_CLIPS):
            part = slice(start, start + _CHUNK_CLIPS)
            values = group.values[part][chosen[part]].double()
            total += torch.stack([values.sum(dim=0), values.square().sum(dim=0)])
        center = total[0] / count
        spread = (total[1] / count - center.square()).clamp_min(0).sqrt()
        mean[kind], deviation[kind] = center.float(), _usable(spread).float()
    return mean, deviation


def _usable(spread: Tensor) -> Tensor:
    """Deviations to divide by; a channel that varies far less than the others is not amplified to noise."""
    floor = 1e-2 * spread.mean() if spread.numel() else spread
    spread = spread.clamp_min(floor)
    return torch.where(spread > 0, spread, torch.ones_like(spread))


def _standardise(group: Tokens, mean: Tensor, deviation: Tensor) -> Tokens:
    values = torch.empty_like(group.values)
    for start in range(0, len(values), _CHUNK_CLIPS):
        part = slice(start, start + _CHUNK_CLIPS)
        kind = group.kind[part]
        scaled = (group.values[part].float() - mean[kind]) / deviation[kind]
        values[part] = (scaled * group.mask[part, :, None]).clamp(-_MOST_DEVIATIONS, _MOST_DEVIATIONS).half()
    return replace(group, values=values)


def _describe_books(books: Books) -> str:
    return "; ".join(describe_sizes(sizes) if sizes else "none" for sizes in books) or "no groups"


def _describe_widths(widths: tuple[int, ...]) -> str:
    return " + ".join(str(width) for width in widths) or "no groups"
