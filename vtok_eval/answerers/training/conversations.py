"""What a reader learns from: conversations about clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vtok_eval.errors import DataError

Speaker = Literal["user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """What one side says.

    Example:
        >>> Turn("user", "What is shown?").speaker
        'user'
    """

    speaker: Speaker
    text: str


@dataclass(frozen=True)
class Conversation:
    """Questions about a clip, each with its answer.

    A reader sees the clip's tokens before the first question, and learns the answers: what the user says is
    given, not learnt. A later answer may depend on the earlier turns.

    id: unique within the data. clip: the clip's name. turns: the user's and the assistant's in turn, the
    user's first and the assistant's last, without placeholders for the clip.

    Raises:
        DataError: no turns, turns out of order, or one without text.

    Example:
        >>> pairs = [("Which colour?", "red"), ("And then?", "blue")]
        >>> asked = Conversation.asked("c1", clip="a.mp4", pairs=pairs)
        >>> len(asked.turns), asked.turns[-1]
        (4, Turn(speaker='assistant', text='blue'))
    """

    id: str
    clip: str
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        expected = ("user", "assistant") * (len(self.turns) // 2)
        if not self.turns or tuple(turn.speaker for turn in self.turns) != expected:
            raise DataError(
                f"conversation {self.id}: needs turns of user and assistant in turn, from a user's to an "
                f"assistant's, not {', '.join(turn.speaker for turn in self.turns) or 'none'}"
            )
        for number, turn in enumerate(self.turns):
            if not turn.text.strip():
                raise DataError(f"conversation {self.id}: turn {number} ({turn.speaker}) is empty")

    @classmethod
    def asked(cls, id: str, *, clip: str, pairs: Sequence[tuple[str, str]]) -> Conversation:
        """Questions with their answers about one clip, as one conversation.

        Raises:
            DataError: a text is empty, or there are no pairs.
        """
        turns = [Turn(speaker, text) for pair in pairs for speaker, text in zip(_SIDES, pair, strict=True)]
        return cls(id, clip, tuple(turns))


_SIDES: tuple[Speaker, Speaker] = ("user", "assistant")
