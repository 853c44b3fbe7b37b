"""Conversations with their clips' tokens as a data set and as batches, in an order that a seed fixes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.answerers.training.encoding import NOT_LEARNT, ConversationEncoder, EncodedConversation
from vtok_eval.answerers.training.tokens.source import TokenSource
from vtok_eval.data import Tokens
from vtok_eval.errors import DataError

# Any: a batch as transformers' Trainer hands it on: tensors, and lists and dictionaries of them.

_PARTS = ("values", "mask", "kind", "frame")


@dataclass(frozen=True)
class ReaderExample:
    """One conversation as a sequence: its text as ids, and the clip's tokens.

    Example:
        >>> ids = np.arange(3, dtype=np.int32)
        >>> text = EncodedConversation(ids, labels=ids, visual_at=1)
        >>> ReaderExample(text, (Tokens.of(torch.zeros(1, 31, 8)),)).groups[0].count().tolist()
        [31]
    """

    text: EncodedConversation
    groups: tuple[Tokens, ...]


@dataclass(frozen=True)
class ChosenExamples:
    """The conversations that fit into a reader's input.

    texts: conversation and its encoding, in the order given. left_out: conversation's id -> reason.

    Example:
        >>> ChosenExamples([], {"a": "clip a.mp4: there are no tokens of it"}).shows_clips
        False
    """

    texts: Sequence[tuple[Conversation, EncodedConversation]]
    left_out: Mapping[str, str]

    @property
    def shows_clips(self) -> bool:
        """Whether any of them has a place for a clip's tokens."""
        return any(text.visual_at is not None for _, text in self.texts)


def choose_examples(
    conversations: Sequence[Conversation],
    encoder: ConversationEncoder,
    tokens: TokenSource,
    *,
    max_length: int,
) -> ChosenExamples:
    """Encode the conversations; those whose clip has no tokens at hand or that are too long are left out.

    A clip that a tokenizer gives no token for is not shown: its conversation is text alone.
    """
    texts, left_out = [], {}
    for conversation in conversations:
        try:
            n_visual = tokens.count(conversation.clip)
            text = encoder.encode(conversation, shown=n_visual > 0)
        except KeyError:
            left_out[conversation.id] = f"clip {conversation.clip}: there are no tokens of it"
            continue
        except DataError as error:
            left_out[conversation.id] = str(error)
            continue
        length = len(text.ids) + n_visual
        if length > max_length:
            left_out[conversation.id] = (
                f"{len(text.ids)} positions of text and {n_visual} of the clip are more than {max_length}"
            )
            continue
        texts.append((conversation, text))
    return ChosenExamples(texts, left_out)


class ReaderExamples(Dataset[ReaderExample]):
    """Examples in a fixed order, with repetitions: as many as all steps of a training need.

    The order depends on the seed and on the number of examples alone: every pass over them is a permutation.

    order: positions in `chosen`.

    Example:
        >>> from vtok_eval.answerers.training.tokens.source import TokensInMemory
        >>> len(ReaderExamples(ChosenExamples([], {}), TokensInMemory({}), order=[0, 1, 0]))
        3
    """

    def __init__(self, chosen: ChosenExamples, tokens: TokenSource, order: Sequence[int]) -> None:
        self._texts, self._tokens, self._order = chosen.texts, tokens, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> ReaderExample:
        conversation, text = self._texts[self._order[index]]
        groups = () if text.visual_at is None else self._tokens.of(conversation.clip)
        return ReaderExample(text, groups)


def training_order(n_examples: int, *, count: int, seed: int, first: int = 0) -> list[int]:
    """`count` positions of endless permutations of `n_examples`, from the position `first` on.

    Example:
        >>> whole = training_order(3, count=7, seed=0)
        >>> sorted(whole[:3]), whole[2:] == training_order(3, count=5, seed=0, first=2)
        ([0, 1, 2], True)
    """
    order: list[int] = []
    passes = _permutations(n_examples, seed)
    while len(order) < first + count:
        order += next(passes)
    return order[first : first + count]


def _permutations(n_examples: int, seed: int) -> Iterator[list[int]]:
    generator = np.random.default_rng([seed, n_examples])
    while True:
        yield generator.permutation(n_examples).tolist()


@dataclass(frozen=True)
class ReaderCollator:
    """Makes a batch: sequences padded at their end, clips' groups padded beside them.

    pad_id: stands at padded places and where the clip's tokens go; no position learns or attends to padding.

    Example:
        >>> ids = np.arange(1, 4, dtype=np.int32)
        >>> labels = np.array([-100, -100, 3], dtype=np.int32)
        >>> text = EncodedConversation(ids, labels, visual_at=1)
        >>> batch = ReaderCollator(pad_id=0)([ReaderExample(text, (Tokens.of(torch.zeros(1, 2, 8)),))])
        >>> batch["input_ids"].tolist(), batch["visual"].tolist(), batch["learnt"].tolist()
        ([[1, 0, 0, 2, 3]], [[False, True, True, False, False]], [3])
    """

    pad_id: int

    def __call__(self, examples: Sequence[ReaderExample]) -> dict[str, Any]:
        """The batch.

        input_ids, attention_mask, labels: int64 `(B, L)`. visual: bool `(B, L)`, the positions of the clip's
        tokens. learnt: int64 `(K,)`, the positions from which any sequence of the batch learns the next id.
        groups: of the clips, a dictionary of `(B, L_g, ...)` tensors each; empty where none is shown.
        """
        rows = [self._row(example) for example in examples]
        length = max(len(ids) for ids, _, _ in rows)
        shape = (len(rows), length)
        input_ids = np.full(shape, self.pad_id, dtype=np.int64)
        labels = np.full(shape, NOT_LEARNT, dtype=np.int64)
        attention, visual = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
        for number, (ids, learnt, shown) in enumerate(rows):
            place = slice(0, len(ids))
            input_ids[number, place], labels[number, place] = ids, learnt
            attention[number, place], visual[number, place] = 1, shown
        columns = np.flatnonzero((labels[:, 1:] != NOT_LEARNT).any(axis=0))
        return {
            "input_ids": torch.from_numpy(input_ids),
            "attention_mask": torch.from_numpy(attention),
            "labels": torch.from_numpy(labels),
            "visual": torch.from_numpy(visual),
            "learnt": torch.from_numpy(columns.astype(np.int64)),
            "groups": _batched([example.groups for example in examples]),
        }

    def _row(self, example: ReaderExample) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
        text = example.text
        n_visual = sum(group.values.shape[1] for group in example.groups)
        at = 0 if text.visual_at is None else text.visual_at
        ids = np.insert(text.ids, [at] * n_visual, self.pad_id)
        labels = np.insert(text.labels, [at] * n_visual, NOT_LEARNT)
        shown = np.zeros(len(ids), dtype=bool)
        shown[at : at + n_visual] = True
        return ids, labels, shown


def _batched(clips: Sequence[tuple[Tokens, ...]]) -> list[dict[str, Tensor]]:
    """Each group of all clips, padded to the longest; a clip that is not shown has no token in any."""
    shown = next((groups for groups in clips if groups), ())
    batched = []
    for number, like in enumerate(shown):
        own = [groups[number] if groups else None for groups in clips]
        length = max(group.values.shape[1] for group in own if group is not None)
        parts = {
            name: torch.zeros(
                (len(clips), length, *getattr(like, name).shape[2:]),
                dtype=getattr(like, name).dtype,
                device="cpu",
            )
            for name in _PARTS
        }
        for row, group in enumerate(own):
            if group is not None:
                for name in _PARTS:
                    parts[name][row, : group.values.shape[1]] = getattr(group, name)[0]
        batched.append(parts)
    return batched
