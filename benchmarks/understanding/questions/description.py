"""What a YAML file says of a benchmark of questions about videos: the schema, and how a file is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from benchmarks.understanding.questions.task_description import DescriptionPart, Fields, Task
from vtok_eval.errors import DescriptionError, UnknownNameError
from vtok_eval.files.yaml_schema import parse_yaml

# Any: content of JSON or YAML before its schema has checked it.


class Join(DescriptionPart):
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


class Table(DescriptionPart):
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


class Videos(DescriptionPart):
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


class DataSource(DescriptionPart):
    """Where the data come from. revision: of the repository. fetch: what a person has to do."""

    repository: str
    revision: str | None = None
    split: str
    fetch: str


class Train(DescriptionPart):
    """The training split, from which a tokenizer's probe learns; it has the tasks and fields of the rest.

    tables: as the benchmark's; their subsets name nothing. fetch: what a person has to do.
    """

    tables: Annotated[tuple[Table, ...], Field(min_length=1)]
    fetch: str


class Grouping(DescriptionPart):
    """Scores for each value of a field. mean: also the plain mean over the values (a macro mean).

    values: in the order of the table; those found in the data, sorted, where they are not given.
    separator: the field holds several values, parted so.
    """

    field: str
    title: str
    values: tuple[str, ...] | None = None
    mean: bool = False
    separator: str | None = None


class Size(DescriptionPart):
    """Questions expected, and where that number is from."""

    questions: int = Field(gt=0)
    source: str


class BenchmarkDescription(DescriptionPart):
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
