"""What a YAML file says of the questions: the columns that hold them, and how each kind is asked and read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from vtok_eval.errors import UnknownNameError

# Any: content of JSON or YAML before its schema has checked it.

QuestionType = Literal["multiple-choice", "yes-no", "open-ended", "paired"]
Extractor = Literal["letter", "option-text", "first-character", "yes-no", "open-ended"]
PeerExtractor = Literal[
    "letter-word", "ranked", "mmmu", "mmmu-earliest", "first-letter", "first-letter-word", "any-capital",
    "letter-or-text", "exact-or-prefix", "caption", "yes-no-prefix", "first-character",
]  # fmt: skip
PeerFallback = Literal["wrong", "random", "A"]


_PLACEHOLDERS = frozenset(
    {"question", "Question", "instruction", "options", "letters", "n_options", "n_frames"}
)


class DescriptionPart(BaseModel):
    """A part of a description: every key is known, and nothing changes it once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Columns = Annotated[tuple[str, ...], Field(min_length=1)]
"""A column's name, or several of which the first that a table has is taken."""


class Fields(DescriptionPart):
    """Which column holds what. A name may be a list: the first column that the table has is taken.

    video: the clip's name, with or without folder and suffix. id: unique within the table; the row's number
    where it is not given. Options are taken from the first of these that a row has: option_columns (without
    empty ones at the end), options (a column with a list), or, with options_in_question, the lines that end
    the question's text. absent_option: texts such as "N/A" that mean, in this data set, that there is no such
    option.
    answer: see `Task.answer_is`; it may be empty where a server keeps the answers. instruction: what is asked
    instead of the question, for {instruction}. meta: what tables group by, our name -> column; optional_meta:
    the same, for columns that not every release of the data has.
    pair: for paired questions, a regular expression for the id, with the groups `pair` and `side`; the subset
    ("text" or "video") is what the question varies.
    """

    video: Columns
    question: Columns
    id: Columns | None = None
    options: Columns | None = None
    option_columns: tuple[str, ...] = ()
    options_in_question: bool = False
    absent_option: tuple[str, ...] = ()
    answer: Columns | None = None
    instruction: Columns | None = None
    meta: dict[str, Columns] = Field(default_factory=dict)
    optional_meta: dict[str, Columns] = Field(default_factory=dict)
    pair: str | None = None

    @property
    def column_names(self) -> frozenset[str]:
        """Every column that is named here."""
        single = (self.video, self.question, self.id, self.options, self.answer, self.instruction)
        lists = (*single, self.option_columns, *self.meta.values(), *self.optional_meta.values())
        return frozenset(name for names in lists if names for name in names)

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        single = {"video", "question", "id", "options", "answer", "instruction", "absent_option"}
        out = {key: _names(item) if key in single else item for key, item in value.items()}
        for name in ("meta", "optional_meta"):
            if isinstance(out.get(name), dict):
                out[name] = {key: _names(item) for key, item in out[name].items()}
        return out


def _known_placeholders(template: str) -> str:
    import string

    for _, name, spec, conversion in string.Formatter().parse(template):
        if name is not None and (name not in _PLACEHOLDERS or spec or conversion):
            raise ValueError(str(UnknownNameError(what="placeholder", name=name, known=_PLACEHOLDERS)))
    return template


class Peer(DescriptionPart):
    """How lmms-eval reads and scores the answers of this task; its quirks are in docs/benchmarks.md.

    fallback: what an answer that it cannot read counts as there: wrong, its random choice (scored here by
    its expectation, 1 / number of options), or option A. letters: the letters it looks for; those of the
    options where it is not given. drops_empty: an empty answer leaves the denominator.
    """

    extraction: PeerExtractor
    fallback: PeerFallback = "wrong"
    letters: str | None = None
    drops_empty: bool = False


class Task(DescriptionPart):
    """One kind of question: how it is put, how its answer is read and what is right.

    prompt: a template with {question}, {Question} (with a capital first letter), {instruction}, {options},
    {letters} ("A, B, C or D"), {n_options} and {n_frames} (of the clip). shows_options: false where
    the answerer must not know them. option: one line of {options}, with {letter} and {text}.
    answer_is: what the answer's column holds: a letter, an index from 0, the option's text, the option's
    line as the question lists it, or free text.
    extraction: readers in order; the first that reads anything decides.
    options: fixed ones, for yes and no. labels: how options are called where their texts are not known apart.
    """

    type: QuestionType
    prompt: Annotated[str, AfterValidator(_known_placeholders)]
    option: str = "{letter}. {text}"
    shows_options: bool = True
    answer_is: Literal["letter", "index", "text", "line", "free-text"]
    extraction: Annotated[tuple[Extractor, ...], Field(min_length=1)]
    options: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    fields: Fields | None = None
    peer: Peer | None = None
    note: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Task:
        free = self.answer_is == "free-text"
        if free != (self.type == "open-ended") or free != ("open-ended" in self.extraction):
            raise ValueError("open-ended questions, free-text answers and open-ended extraction go together")
        if self.type == "yes-no" and self.options != ("yes", "no"):
            raise ValueError("a yes-no task has the options [yes, no]")
        return self
