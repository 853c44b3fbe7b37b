"""The attributes of rendered clips as questions and answers in words, and how an answer's words are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.understanding.questions.answering.extraction import read_option
from vtok_eval.answerers.reading.option_texts import named_text, squeezed
from vtok_eval.scenes.vocabulary import ATTRIBUTES, Attribute

QUESTIONS: Mapping[str, str] = {
    "shapes_present": "which shapes",
    "colours_present": "which colours",
    "count": "how many",
    "position": "where is the largest",
    "direction": "which direction",
    "speed": "how fast",
    "path": "which path",
    "appears": "does one appear",
    "disappears": "does one disappear",
    "colour_change": "does a colour change",
    "event_time": "when does it happen",
    "camera_motion": "how does the camera move",
}
"""What is asked about each attribute; the answer is one of its labels, or several of them.

Few words, since a training step costs as much as it has words, and each question ends with a word of its own:
the first word of an answer is predicted there, so a layer that sees that word knows what is asked for."""


def answer_words(label: str | Sequence[str]) -> str:
    """The right answer as a reader is trained to give it.

    Example:
        >>> answer_words("top left"), answer_words(["circle", "star"])
        ('top left', 'circle and star')
    """
    return label if isinstance(label, str) else " and ".join(label)


def vocabulary() -> tuple[str, ...]:
    """Every word of the questions and of the answers, in order of appearance.

    Example:
        >>> vocabulary()[:4]
        ('which', 'shapes', 'colours', 'how')
    """
    texts = [*QUESTIONS.values(), "and", *(label for item in ATTRIBUTES for label in item.labels)]
    words = [word for text in texts for word in text.split()]
    return tuple(dict.fromkeys(words))


def read_answer(attribute: Attribute, text: str) -> str | tuple[str, ...] | None:
    """The label that an answer names, or the set of labels; None where it names none.

    A single label is read as any model's answer to a question with these options is; of a set, every word
    that is one of the labels counts.

    Example:
        >>> from vtok_eval.scenes.vocabulary import attribute
        >>> read_answer(attribute("camera_motion"), "Pan left.")
        'pan left'
        >>> read_answer(attribute("shapes_present"), "a star and circles")
        ('circle', 'star')
        >>> read_answer(attribute("count"), "many") is None
        True
    """
    labels = attribute.labels
    if attribute.kind == "single":
        position = read_option(text, ("option-text",), labels=labels, options=labels)
        return None if position is None else labels[position]
    named = {named_text(word, labels) for word in squeezed(text).split()}
    found = tuple(label for place, label in enumerate(labels) if place in named)
    return found or None


def answer_score(
    attribute: Attribute, answer: str | tuple[str, ...] | None, truth: str | Sequence[str]
) -> float:
    """How right an answer is, as a probe's is scored; one that names no label of a single choice is wrong.

    Example:
        >>> from vtok_eval.scenes.vocabulary import attribute
        >>> answer_score(attribute("speed"), "fast", "fast"), answer_score(attribute("speed"), None, "fast")
        (1.0, 0.0)
        >>> answer_score(attribute("shapes_present"), None, ["star"])  # no label: half of a set's score
        0.5
    """
    if answer is None:
        return 0.0 if attribute.kind == "single" else attribute.score((), truth)
    return attribute.score(answer, truth)
