"""What a YAML file says of a benchmark of questions about videos: the schema, and how a file is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from vtok_eval.errors import DescriptionError, UnknownNameError
from vtok_eval.files.yaml_schema import parse_yaml

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


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Columns = Annotated[tuple[str, ...], Field(min_length=1)]
"""A column's name, or several of which the first that a table has is taken."""


class Fields(_Part):
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


class Peer(_Part):
    """How lmms-eval reads and scores the answers of this task; its quirks are in docs/benchmarks.md.

    fallback: what an answer that it cannot read counts as there: wrong, its random choice (scored here by
    its expectation, 1 / number of options), or option A. letters: the letters it looks for; those of the
    options where it is not given. drops_empty: an empty answer leaves the denominator.
    """

    extraction: PeerExtractor
    fallback: PeerFallback = "wrong"
    letters: str | None = None
    drops_empty: bool = False


class Task(_Part):
    """One kind of question: how it is put, how its answer is read and what is right.

    prompt: a template with {question}, {Question} (with a capital first letter), {instruction}, {options},
    {letters} ("A, B, C or D"), {n_options} and {n_frames} (of the clip at hand). shows_options: false where
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


class Join(_Part):
    """Another table whose columns are added to each row that lacks them.

    match: a template over the row's columns, such as "{question_id}"; the row joined is the one whose column
    `key` has that value. unless: rows that have this column already are not joined. peer_rows: lmms-eval
    counts the rows of this table.
    """

    files: Annotated[tuple[str, ...], Field(min_length=1)]
    match: str
    key: str
    unless: str | None = None
    peer_rows: bool = False


class Table(_Part):
    """One table of questions.

    files: patterns relative to the data's folder; the first that matches anything is taken, all its files in
    the order of their names. subset: as users choose it. task: a key of `tasks`. rows_at: the key under which
    a JSON file holds its rows. constant: columns that every row gets. join: other tables.
    peer_task: what lmms-eval calls it, in the names of its logs. unanswered: its answers are not published.
    """

    files: Annotated[tuple[str, ...], Field(min_length=1)]
    subset: str = ""
    task: str = "main"
    rows_at: str | None = None
    constant: dict[str, str] = Field(default_factory=dict)
    join: tuple[Join, ...] = ()
    peer_task: str | None = None
    video_folders: tuple[str, ...] = ()
    unanswered: bool = False


class Videos(_Part):
    """Where clips are, relative to the data's folder.

    folders: searched in order ("." is the folder itself); a table's own come first. suffixes: tried
    after the unchanged name. prefix: what files have before the name in the table.
    archives: patterns of zip and tar files that may hold the clips in place of folders; a tar file in several
    parts (NAME.tar.part.aa, ...) is one.
    frame_rate: of clips that are folders of pictures, in frames per second.
    """

    folders: tuple[str, ...] = (".",)
    suffixes: tuple[str, ...] = (".mp4", ".MP4", ".mkv", ".webm", ".avi", ".mov")
    prefix: str = ""
    archives: tuple[str, ...] = ("*.zip", "*.tar*", "*.tgz", "*/*.zip", "*/*.tar*", "*/*.tgz")
    frame_rate: float | None = Field(default=None, gt=0)


class DataSource(_Part):
    """Where the data come from. revision: of the repository. fetch: what a person has to do."""

    repository: str
    revision: str | None = None
    split: str
    fetch: str


class Train(_Part):
    """The training split, from which a tokenizer's probe learns; it has the tasks and fields of the rest.

    tables: as the benchmark's; their subsets name nothing. fetch: what a person has to do.
    """

    tables: Annotated[tuple[Table, ...], Field(min_length=1)]
    fetch: str


class Grouping(_Part):
    """Scores for each value of a field. mean: also the plain mean over the values (a macro mean).

    values: in the order of the table; those found in the data, sorted, where they are not given.
    separator: the field holds several values, parted so.
    """

    field: str
    title: str
    values: tuple[str, ...] | None = None
    mean: bool = False
    separator: str | None = None


class Size(_Part):
    """Questions expected, and where that number is from."""

    questions: int = Field(gt=0)
    source: str


class BenchmarkDescription(_Part):
    """A benchmark of questions about videos. See docs/benchmarks.md for one written out.

    version: of this description; to be raised when a score would change. licence: as the source states it;
    None where it was not seen. cluster: "video" or a field; intervals resample by it.
    headline: "accuracy", or "mean:FIELD" for a grouping with `mean`, or for pairs "text", "video", "group".
    default_subsets: those taken where a user chooses none; all where it is empty.
    train: the training split; None where the authors publish none.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    version: str
    summary: str
    citation: str
    url: str
    licence: str | None
    source: DataSource
    size: Size | None
    tables: Annotated[tuple[Table, ...], Field(min_length=1)]
    videos: Videos = Videos()
    fields: Fields
    tasks: Annotated[dict[str, Task], Field(min_length=1)]
    groupings: tuple[Grouping, ...] = ()
    cluster: str = "video"
    headline: Annotated[tuple[str, ...], Field(min_length=1)] = ("accuracy",)
    default_subsets: tuple[str, ...] = ()
    train: Train | None = None
    server: str | None = None
    notes: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        out = dict(value)
        if isinstance(out.get("headline"), str):
            out["headline"] = (out["headline"],)
        return out

    @model_validator(mode="after")
    def _consistent(self) -> BenchmarkDescription:
        for table in (*self.tables, *(self.train.tables if self.train else ())):
            if table.task not in self.tasks:
                raise ValueError(str(UnknownNameError(what="task", name=table.task, known=self.tasks)))
        known = set(self.subsets)
        for name in self.default_subsets:
            if name not in known:
                raise ValueError(str(UnknownNameError(what="subset", name=name, known=known)))
        self._check_headline()
        paired = [task.type == "paired" for task in self.tasks.values()]
        if any(paired) and (not all(paired) or self.fields.pair is None):
            raise ValueError("a benchmark of pairs has paired tasks only, and fields.pair")
        return self

    def _check_headline(self) -> None:
        choices = {"accuracy", *(f"mean:{each.field}" for each in self.groupings if each.mean)}
        if self.is_paired:
            choices |= {"text", "video", "group"}
        for name in self.headline:
            if name not in choices:
                raise ValueError(str(UnknownNameError(what="headline", name=name, known=choices)))

    @property
    def subsets(self) -> tuple[str, ...]:
        """Names of the subsets, in the tables' order; empty where there is one unnamed table."""
        return tuple(dict.fromkeys(table.subset for table in self.tables if table.subset))

    @property
    def column_names(self) -> frozenset[str]:
        """Every column that the tables are read for."""
        return frozenset(
            name
            for fields in (self.fields, *(task.fields for task in self.tasks.values() if task.fields))
            for name in fields.column_names
        )

    @property
    def is_paired(self) -> bool:
        """Whether questions are scored in pairs."""
        return any(task.type == "paired" for task in self.tasks.values())

    def fields_of(self, task: Task) -> Fields:
        """The task's own fields where it has some, else the benchmark's."""
        return task.fields or self.fields


def read_description(path: Path) -> BenchmarkDescription:
    """Read a YAML file.

    Raises:
        DescriptionError: no such file, not YAML, or it breaks the schema; names file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptionError(f"{path}: cannot be read ({error})") from error
    return parse_yaml(
        text, BenchmarkDescription, origin=str(path), what="a benchmark's description", error=DescriptionError
    )
