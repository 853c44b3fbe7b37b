"""The YAML file that says what readers are trained on: its schema, and how it is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, model_validator

from vtok_eval.errors import DataError
from vtok_eval.files.yaml_schema import parse_yaml

# Any: content of YAML before its schema has checked it.

Leak = Literal["refuse", "drop"]
_SAMPLING = re.compile(r"(all|(first|end|random):[1-9][0-9]*%?)")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _known_sampling(text: str) -> str:
    if not _SAMPLING.fullmatch(text):
        raise ValueError(f"{text!r} is none of all, first:N, end:N, random:N; N may be a share, 10%")
    return text


class DatasetEntry(_Part):
    """One source of conversations; exactly one of conversations, table, benchmark and scenes is given.

    conversations: a file, or a pattern, of JSON or JSON Lines in LLaVA's layout (LLaVA-NeXT calls the key
    json_path). table: a file with the columns video, question, answer and options. videos: the folder that
    their videos' names are relative to. benchmark: the training split of a benchmark of the catalogue, with
    its data in the folder `data`. scenes: so many rendered clips with questions.
    sampling: which of its records are taken; LLaVA-NeXT calls it sampling_strategy.

    Example:
        >>> DatasetEntry.model_validate({"json_path": "a.json", "sampling_strategy": "first:10%"}).sampling
        'first:10%'
    """

    conversations: str | None = Field(
        default=None, validation_alias=AliasChoices("conversations", "json_path")
    )
    table: str | None = None
    benchmark: str | None = None
    scenes: int | None = Field(default=None, ge=1)
    videos: str | None = None
    data: str | None = None
    sampling: Annotated[str, AfterValidator(_known_sampling)] = Field(
        default="all", validation_alias=AliasChoices("sampling", "sampling_strategy")
    )

    @model_validator(mode="after")
    def _one_kind(self) -> DatasetEntry:
        kinds = ("conversations", "table", "benchmark", "scenes")
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"an entry has one of {', '.join(kinds)}, not {', '.join(given) or 'none'}")
        return self


class ReaderDataFile(_Part):
    """What readers are trained on.

    datasets: see `DatasetEntry`. videos: the folder of videos for entries that name none.
    frames, rule, short_side: what is taken of a video, as benchmarks of questions have it.
    validation: the share of the clips that are kept apart, and most_validation of them at most.
    tested: benchmarks whose clips must not be trained on, and where their data are, if not in the default
    folder. leakage: what is done where there are some: "refuse", or "drop" their conversations.

    Example:
        >>> ReaderDataFile.model_validate({"datasets": [{"scenes": 20}], "tested": ["mvbench"]}).tested
        {'mvbench': None}
    """

    datasets: Annotated[tuple[DatasetEntry, ...], Field(min_length=1)]
    videos: str | None = None
    frames: int | None = Field(default=16, ge=1)
    rule: Literal["linspace", "interior"] = "linspace"
    short_side: int | None = Field(default=448, ge=1)
    validation: float = Field(default=0.02, ge=0, lt=1)
    most_validation: int = Field(default=500, ge=1)
    tested: dict[str, str | None] = Field(default_factory=dict)
    leakage: Leak = "refuse"

    @model_validator(mode="before")
    @classmethod
    def _names_only(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("tested"), list):
            return {**value, "tested": dict.fromkeys(value["tested"])}
        return value


def read_data_file(path: Path) -> ReaderDataFile:
    """Read a YAML file.

    Raises:
        DataError: no such file, not YAML, or it breaks the schema; names file, line and key.

    Example:
        >>> _ = Path("data.yaml").write_text("datasets: [{scenes: 20}]")
        >>> read_data_file(Path("data.yaml")).frames
        16
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; --data names a YAML file (docs/readers.md)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    return parse_yaml(text, ReaderDataFile, origin=str(path), what="a file of training data", error=DataError)
