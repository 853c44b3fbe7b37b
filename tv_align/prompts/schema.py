"""The form of a prompt file: prompts with yes-or-no questions and the answers expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

CATEGORIES: dict[str, str] = {
    "counting": "Counting",
    "attribute": "Colour and attribute",
    "spatial": "Spatial relation",
    "direction": "Motion direction",
    "manner": "Motion manner and speed",
    "camera": "Camera motion",
    "order": "Temporal order",
    "action": "Action",
}
"""Category name -> how tables call it, in the order of tables."""

LEVELS = ("basic", "compound")
"""`basic`: one fact decides. `compound`: several subjects or facts, each asked for, must all be right."""

Answer = Literal["yes", "no"]


def _spell_out(value: object) -> object:
    """YAML 1.1 reads an unquoted yes or no as a truth value."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PromptEntry(_Strict):
    """One prompt.

    id: unique in its suite; names the prompt in records, and may name its videos. text: what a model is
    given.
    questions: question -> expected answer; at least one of each, and as many "no" as "yes", so that a judge
    that always agrees is right in half of them and about no prompt.

    Example:
        >>> questions = {"Is the ball red?": "yes", "Is the ball blue?": "no"}
        >>> PromptEntry(id="ball", text="a red ball", level="basic", questions=questions).id
        'ball'
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    text: str = Field(min_length=3, max_length=500)
    level: Literal["basic", "compound"]
    questions: dict[str, Annotated[Answer, BeforeValidator(_spell_out)]] = Field(min_length=2)

    @field_validator("text")
    @classmethod
    def _one_clean_line(cls, text: str) -> str:
        if text != " ".join(text.split()):
            raise ValueError("must be one line without doubled or outer spaces")
        return text

    @field_validator("questions")
    @classmethod
    def _balanced(cls, questions: dict[str, str]) -> dict[str, str]:
        for question in questions:
            if not question.endswith("?"):
                raise ValueError(f"{question!r} must end with a question mark")
        expected = list(questions.values())
        if expected.count("yes") != expected.count("no"):
            n_no, n_yes = expected.count("no"), expected.count("yes")
            raise ValueError(f"as many questions must expect no as yes, not {n_no} and {n_yes}")
        return questions


class PromptFile(_Strict):
    """One file: prompts of one category of a suite.

    suite: the suite's name; shown with each of its numbers. version: raised when a prompt, question
    or answer changes. source: where the sentences come from.

    Example:
        >>> questions = {"Is the ball red?": "yes", "Is the ball blue?": "no"}
        >>> entry = PromptEntry(id="ball", text="a red ball", level="basic", questions=questions)
        >>> about = {"suite": "mine", "version": 1, "source": "by hand", "category": "attribute"}
        >>> file = PromptFile(**about, prompts=[entry])
        >>> file.prompts[0].id
        'ball'
    """

    suite: str = Field(min_length=1)
    version: int = Field(ge=1)
    source: str = Field(min_length=1)
    category: Literal["counting", "attribute", "spatial", "direction", "manner", "camera", "order", "action"]
    prompts: list[PromptEntry] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_and_texts_differ(self) -> PromptFile:
        for what in ("id", "text"):
            seen: set[str] = set()
            for prompt in self.prompts:
                value = getattr(prompt, what)
                if value in seen:
                    raise ValueError(f"two prompts have the {what} {value!r}")
                seen.add(value)
        return self


@dataclass(frozen=True)
class Question:
    """One question about a clip. id: unique in the suite. answer: what it is if the clip shows its prompt.

    Example:
        >>> Question("ball-red-1", "Is the ball red?", answer="yes").answer
        'yes'
    """

    id: str
    text: str
    answer: Answer


@dataclass(frozen=True)
class Prompt:
    """A prompt as benchmarks use it; the questions' order says nothing about their answers.

    Example:
        >>> asked = (Question("1", "Is the ball red?", "yes"), Question("2", "Is the ball blue?", "no"))
        >>> len(Prompt("ball", "a red ball", "attribute", "basic", asked).questions)
        2
    """

    id: str
    text: str
    category: str
    level: str
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class PromptSuite:
    """All prompts of a suite in a fixed order; sha256: of their content, in hex.

    Example:
        >>> PromptSuite("mine", version=1, source="by hand", prompts=(), sha256="9f86d0...").name
        'mine'
    """

    name: str
    version: int
    source: str
    prompts: tuple[Prompt, ...]
    sha256: str

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that have prompts, in the order of tables."""
        present = {prompt.category for prompt in self.prompts}
        return tuple(name for name in CATEGORIES if name in present)
