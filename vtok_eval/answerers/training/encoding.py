"""From a conversation to the ids that a language model sees, and to those of them that it learns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from vtok_eval.answerers.language_models.text_prompt import VISUAL, Template, TextPrompts
from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Any: transformers' tokenizers, which have no types.

NOT_LEARNT = -100
"""The label of a position that the loss leaves out, as torch's cross entropy has it."""


@dataclass(frozen=True)
class EncodedConversation:
    """A conversation's text as ids; the clip's tokens are put in at `visual_at`.

    ids: int32 `(L,)`. labels: int32 `(L,)`, the id where it is learnt, else `NOT_LEARNT`.
    visual_at: a position from 0 to L; None where no clip is shown.

    Example:
        >>> ids = np.arange(4, dtype=np.int32)
        >>> EncodedConversation(ids, np.array([-100, -100, 2, 3], dtype=np.int32), visual_at=1).n_learnt
        2
    """

    ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    visual_at: int | None

    @property
    def n_learnt(self) -> int:
        """Positions that the loss counts."""
        return int((self.labels != NOT_LEARNT).sum())


class ConversationEncoder:
    """Writes conversations in a language model's template, the first question as the answerer asks it.

    Learnt are the assistant's words and the token that ends its turn. What is encoded once is kept.

    text_tokenizer: of transformers. ends: ids with which the language model ends a text.

    Raises:
        SpecError: the template cannot be used; see `TextPrompts`.
    """

    def __init__(self, text_tokenizer: Any, *, template: Template, ends: Collection[int]) -> None:
        self.prompts = TextPrompts(text_tokenizer, template=template)
        self._marks = self.prompts.turn_marks()
        self._ends = frozenset(ends)
        self._special = [token for token in text_tokenizer.all_special_tokens if token.strip()]
        self._kept: dict[tuple[Conversation, bool], EncodedConversation] = {}

    def encode(self, conversation: Conversation, *, shown: bool) -> EncodedConversation:
        """The conversation's ids and labels. shown: whether there is a place for the clip's tokens.

        Raises:
            DataError: a turn holds one of the language model's special tokens.
        """
        found = self._kept.get((conversation, shown))
        if found is None:
            found = self._kept[conversation, shown] = self._encode(conversation, shown=shown)
        return found

    def _encode(self, conversation: Conversation, *, shown: bool) -> EncodedConversation:
        self._check(conversation)
        texts = [turn.text.strip() for turn in conversation.turns]
        prompt = self.prompts.prompt(texts[0], shown=shown)
        ids = [*prompt.before, *prompt.after]
        labels = [NOT_LEARNT] * len(ids)
        context = prompt.rendered.rpartition(VISUAL)[2]
        for place in range(1, len(texts), 2):
            is_last = place == len(texts) - 1
            answer = self._answer(context, texts[place], is_last=is_last)
            ids += answer
            labels += self._learnt(answer)
            if not is_last:
                context = self._asked(texts[place + 1])
                asked = self._ids(context)
                ids += asked
                labels += [NOT_LEARNT] * len(asked)
        visual_at = len(prompt.before) if shown else None
        return EncodedConversation(np.array(ids, np.int32), np.array(labels, np.int32), visual_at)

    def _answer(self, context: str, text: str, *, is_last: bool) -> list[int]:
        """The ids of an answer and its end, as they follow the context."""
        space = "" if not context or context[-1].isspace() else " "
        end = self._marks.end if is_last else self._end_within
        whole = self._ids(context + space + text + end)[len(self._ids(context)) :]
        if is_last and not self._ends.intersection(whole):
            eos = self.prompts.tokenizer.eos_token_id
            whole += [] if eos is None else [eos]
        return whole

    def _learnt(self, answer: list[int]) -> list[int]:
        """The labels of an answer: all of it up to the token that ends the turn."""
        for place, token in enumerate(answer):
            if token in self._ends:
                return [*answer[: place + 1], *[NOT_LEARNT] * (len(answer) - place - 1)]
        return list(answer)

    @property
    def _end_within(self) -> str:
        """What ends an answer that another question follows."""
        pairs = zip(self._marks.end, self._marks.between, strict=False)
        return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def _asked(self, question: str) -> str:
        """The text from the end of an answer to the beginning of the next."""
        return self._marks.between[len(self._end_within) :] + question + self._marks.after_question

    def _ids(self, text: str) -> list[int]:
        return list(self.prompts.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []

    def _check(self, conversation: Conversation) -> None:
        for number, turn in enumerate(conversation.turns):
            for token in self._special:
                if token in turn.text:
                    raise DataError(
                        f"conversation {conversation.id}: turn {number} ({turn.speaker}) holds {token!r}, a "
                        "special token of the language model"
                    )
