"""One record of a data file: a conversation, or the reason why it cannot be learnt from."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vtok_eval.answerers.training.conversations import Speaker, Turn

# Any: cells of a table of any format.

PLACEHOLDERS = ("<image>", "<video>")
"""What stands for the clip in LLaVA's layout; data of videos have either."""

SPEAKERS: Mapping[str, Speaker] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")

LETTER = "Answer with the option's letter from the given choices directly."
SHORT = "Answer the question using a single word or phrase."
"""What LLaVA-1.5 asks for, so that a reader knows it from its training (arXiv 2310.03744, table 7)."""


@dataclass(frozen=True)
class Problem:
    """Something that cannot be learnt from. where: the file and the place in it. reason: one line.

    Example:
        >>> print(Problem("train.json, row 3 (line 4)", "has no video"))
        train.json, row 3 (line 4): has no video
    """

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class RecordError(Exception):
    """Why a record cannot be learnt from; becomes a `Problem`."""


def llava_record(row: Mapping[str, Any]) -> tuple[str, tuple[Turn, ...]]:
    """The video's name and the turns of a record `{"video": ..., "conversations": [{"from", "value"}, ...]}`.

    The layout of LLaVA-Video-178K and of LLaVA-NeXT's data: one placeholder, in the first thing that the
    user says; wherever it is there, the clip is shown before the words.

    Raises:
        RecordError: the record is not that.

    Example:
        >>> said = [{"from": "human", "value": "<image>\\nWho?"}, {"from": "gpt", "value": "A dog."}]
        >>> llava_record({"video": "a.mp4", "conversations": said})[1][0]
        Turn(speaker='user', text='Who?')
    """
    video = _video(row)
    said = row.get("conversations")
    if not isinstance(said, Sequence) or isinstance(said, str) or not said:
        raise RecordError("has no conversations, a list of {from, value}")
    turns = [_turn(number, each) for number, each in enumerate(said)]
    expected = ("user", "assistant") * ((len(turns) + 1) // 2)
    if tuple(turn.speaker for turn in turns) != expected[: len(turns)]:
        raise RecordError(f"speaks out of turn: {', '.join(turn.speaker for turn in turns)}")
    if len(turns) % 2:
        raise RecordError("ends with a question that has no answer")
    return video, _without_placeholder(turns)


def _video(row: Mapping[str, Any]) -> str:
    video, image = row.get("video"), row.get("image")
    if isinstance(video, list) and len(video) == 1:
        (video,) = video
    for shown in (video, image):
        if isinstance(shown, list):
            raise RecordError(f"shows {len(shown)} files; a reader sees one video")
    if video is None and image is not None:
        raise RecordError(f"shows an image, {image!r}; a reader sees videos")
    if not isinstance(video, str) or not video.strip():
        raise RecordError("names no video")
    if video.lower().endswith(_PICTURES):
        raise RecordError(f"shows an image, {video!r}; a reader sees videos")
    return video.strip()


def _turn(number: int, said: object) -> Turn:
    if not isinstance(said, Mapping):
        raise RecordError(f"turn {number} is not an object {{from, value}}")
    role, text = said.get("from", said.get("role")), said.get("value", said.get("content"))
    if role not in SPEAKERS:
        raise RecordError(f"turn {number} is of an unknown role, {role!r}; there are {', '.join(SPEAKERS)}")
    if not isinstance(text, str):
        raise RecordError(f"turn {number} ({role}) has no text")
    if not _plain(text):
        raise RecordError(f"turn {number} ({role}) is empty")
    return Turn(SPEAKERS[role], text)


def _without_placeholder(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    counts = [sum(turn.text.count(each) for each in PLACEHOLDERS) for turn in turns]
    if sum(counts) == 0:
        raise RecordError(f"has no placeholder {' or '.join(PLACEHOLDERS)} for its video")
    if sum(counts) > 1:
        raise RecordError(f"has {sum(counts)} placeholders; a reader sees one video")
    if counts[0] != 1:
        raise RecordError(f"has its placeholder in turn {counts.index(1)}, not in the first")
    return (Turn("user", _plain(turns[0].text)), *turns[1:])


def _plain(text: str) -> str:
    for placeholder in PLACEHOLDERS:
        text = text.replace(placeholder, "")
    return re.sub(r"\n{2,}", "\n", text).strip()


def table_record(row: Mapping[str, Any]) -> tuple[str, tuple[Turn, ...]]:
    """The video's name and the turns of a row of one's own table: video, question, answer and any options.

    Raises:
        RecordError: a column is missing or empty, or the answer is none of the options.

    Example:
        >>> video, turns = table_record({"video": "a.mp4", "question": "Who?", "answer": "a dog",
        ...                              "options": ["a cat", "a dog"]})
        >>> print(turns[0].text, turns[1].text, sep="\\n")
        Who?
        A. a cat
        B. a dog
        Answer with the option's letter from the given choices directly.
        B
    """
    for name in ("video", "question", "answer"):
        if row.get(name) is None or not str(row[name]).strip():
            raise RecordError(f"has no {name}; a row has video, question, answer and any options")
    question, answer = str(row["question"]).strip(), str(row["answer"]).strip()
    options = _options(row)
    if not options:
        return str(row["video"]).strip(), (Turn("user", f"{question}\n{SHORT}"), Turn("assistant", answer))
    if answer not in options:
        raise RecordError(f"has the answer {answer!r}, which is none of its options {options}")
    letters = string.ascii_uppercase[: len(options)]
    listed = "\n".join(f"{letter}. {text}" for letter, text in zip(letters, options, strict=True))
    asked = Turn("user", f"{question}\n{listed}\n{LETTER}")
    return str(row["video"]).strip(), (asked, Turn("assistant", letters[options.index(answer)]))


OPTION_COLUMNS = tuple(f"option{number}" for number in range(len(string.ascii_uppercase)))


def _options(row: Mapping[str, Any]) -> list[str]:
    given = row.get("options")
    if given is None:
        given = [row.get(name) for name in OPTION_COLUMNS]
    elif not isinstance(given, list | tuple):
        raise RecordError(f"has options {given!r}; they are a list of texts, in CSV option0, option1")
    options = [str(option).strip() for option in given if option is not None and str(option).strip()]
    if len(options) == 1 or len(options) > len(OPTION_COLUMNS):
        raise RecordError(f"has {len(options)} options; 2 to {len(OPTION_COLUMNS)}, or none")
    return options
