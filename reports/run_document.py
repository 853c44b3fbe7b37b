"""run.json as reports read it: the systems, benchmarks and sessions of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reports.text.caveats import caveats, with_caveats
from vtok_eval.results.budget import BudgetUnit

# Any: content of JSON or YAML before its schema has checked it.

Part = TypeVar("Part", bound="RunPart")


class RunPart(BaseModel):
    """A part of run.json. Values keep their JSON types; keys that reports do not know are skipped."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)

    def changed(self: Part, **fields: object) -> Part:
        """The same part with other values in these fields."""
        return self.model_copy(update=fields)


class RunSystem(RunPart):
    """A system of a run.

    control: it is not a contender, and can be neither the best nor what the headline is about.
    version_of: the name that an earlier version had. identity: what made its numbers, by parts.

    Example:
        >>> RunSystem(name="mine", spec="vtok:random=1").title
        'mine (random weights)'
    """

    name: str
    spec: str = ""
    control: bool = False
    kind: str = ""
    version_of: str = ""
    description: dict[str, Any] = Field(default_factory=dict)
    identity: dict[str, Any] = Field(default_factory=dict)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is shown next to its name."""
        return caveats(self.description, spec=self.spec)

    @property
    def title(self) -> str:
        """Its name as tables show it, with its caveats."""
        return with_caveats(self.name, self.caveats)


class RunBenchmark(RunPart):
    """A benchmark of a run. `id` and `name` differ where a suite gives the benchmark its own id.

    version_of: the id that an earlier version had. seed, limit, threads, precision: of the run that measured
    it; none where an earlier release wrote them for the whole run. identity: everything but the system that
    its numbers depend on, by parts; two runs with equal "settings" can be compared, and settings_sha256 is
    that part's digest.
    """

    id: str
    name: str
    version: str = ""
    version_of: str = ""
    seed: int | None = None
    limit: int | float | None = None
    threads: int | None = None
    precision: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    description: dict[str, Any] = Field(default_factory=dict)
    identity: dict[str, Any] = Field(default_factory=dict)
    settings_sha256: str = ""

    @model_validator(mode="before")
    @classmethod
    def _named_by_either(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        either = {key: content[key] for key in ("id", "name") if content.get(key)}
        return {**content, **dict.fromkeys({"id", "name"} - either.keys(), next(iter(either.values()), None))}

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is shown next to its name."""
        return caveats(self.description)

    @property
    def title(self) -> str:
        """Its id as headings and captions show it, with its caveats."""
        return with_caveats(self.id, self.caveats)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes that the benchmark wants shown with its numbers."""
        notes = self.description.get("notes", ())
        return (notes,) if isinstance(notes, str) else tuple(str(note) for note in notes)


class RunRelation(RunPart):
    """How the tokens of two systems are related: the larger contain the smaller, or both are the same."""

    larger: str
    smaller: str
    relation: Literal["contains", "same"]


class NotRunEntry(RunPart):
    """A system on a benchmark that the machine could not run, and why."""

    system: str
    benchmark: str
    reason: str


class GitState(RunPart):
    """The checkout that the code came from."""

    revision: str
    dirty: bool


class Session(RunPart):
    """Provenance of one process that worked on the run. What else it recorded is kept for showing."""

    model_config = ConfigDict(extra="allow")

    vtok_eval: str | None = None
    git: GitState | None = None
    packages: dict[str, str | None] = Field(default_factory=dict)
    python: str | None = None
    machine: dict[str, object] | None = None
    torch: dict[str, Any] | None = None
    threads: dict[str, str | None] = Field(default_factory=dict)
    command: list[str] = Field(default_factory=list)
    folder: str | None = None
    seed: int | None = None
    device: str | None = None
    precision: str | None = None
    started: str | None = None
    finished: str | None = None
    jobs: dict[str, float] = Field(default_factory=dict)
    lanes: list[dict[str, object]] = Field(default_factory=list)


class RunDocument(RunPart):
    """run.json, without its schema version.

    Example:
        >>> run = RunDocument(name="mini", systems=[RunSystem(name="vtok")])
        >>> [system.title for system in run.systems]
        ['vtok']
    """

    name: str
    label: str = ""
    setting: str = ""
    description: str = ""
    baseline: str | None = None
    budget: BudgetUnit = Field(default=BudgetUnit.TOKENS, strict=False)
    seed: int | None = None
    limit: int | float | None = None
    threads: int | None = None
    precision: str | None = None
    """Of the backbones, as asked for: auto, fp32, fp16 or bf16; what auto was, each session says."""
    systems: Sequence[RunSystem] = ()
    benchmarks: Sequence[RunBenchmark] = ()
    relations: Sequence[RunRelation] = ()
    not_run: Sequence[NotRunEntry] = ()
    input_fits: dict[str, list[str]] = Field(default_factory=dict)
    """By job: what was done to clips so that they met the tokenizer's input contract."""
    sessions: Sequence[Session] = ()
