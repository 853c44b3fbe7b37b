"""The schema of a submission: every key of its manifest, run, scores, comparisons and records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from reports.run_document import (
    GitState,
    NotRunEntry,
    RunBenchmark,
    RunDocument,
    RunRelation,
    RunSystem,
    Session,
)
from reports.submission.text import Link, LongText, Name, Sha256, ShortText
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.results.description import Caveat
from vtok_eval.results.records import Comparison, Metric, Record, Score, Status
from vtok_eval.results.store import comparison_of

# Any: content of JSON or YAML before its schema has checked it.

FORM = "vtok-eval submission"
FORM_VERSION = 1
"""Raised when a reader of version N could misread a file of version N+1."""

Count = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


def _checked_caveats(description: dict[str, Any]) -> dict[str, Any]:
    stated = description.get("caveats", [])
    if not isinstance(stated, list) or any(caveat not in list(Caveat) for caveat in stated):
        raise ValueError(f"caveats must be a list of {', '.join(Caveat)}")
    return description


DescriptionJson = Annotated[dict[str, Any], AfterValidator(_checked_caveats)]


STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Strict(BaseModel):
    """Refuses unknown keys, values of another type, NaN and infinity."""

    model_config = STRICT


class NamedLink(Strict):
    """A link to a page about the submission."""

    title: Name
    url: Link


class FileEntry(Strict):
    """A file of the submission, as it must be found."""

    sha256: Sha256
    bytes: Count


class JobEntry(Strict):
    """A job of the run: as many records as it had samples must be there."""

    id: Name
    system: Name
    benchmark: Name
    n_samples: Count


class Manifest(Strict):
    """What a submission says about itself; files: by name, all but the manifest."""

    form: Literal["vtok-eval submission"]
    form_version: Literal[1]
    submitter: ShortText
    notes: LongText
    links: list[NamedLink] = Field(max_length=10)
    files: dict[Name, FileEntry] = Field(max_length=10)
    jobs: list[JobEntry] = Field(max_length=10_000)


class SubmittedSystem(RunSystem):
    """A system in the run.json of a submission."""

    model_config = STRICT

    name: Name
    spec: LongText = ""
    kind: ShortText = ""
    version_of: ShortText = ""
    precision: ShortText | None = None
    description: DescriptionJson = Field(default_factory=dict)
    identity: DescriptionJson = Field(default_factory=dict)


class SubmittedBenchmark(RunBenchmark):
    """A benchmark in the run.json of a submission."""

    model_config = STRICT

    id: Name
    name: Name
    version: ShortText = ""
    version_of: ShortText = ""
    description: DescriptionJson = Field(default_factory=dict)
    identity: DescriptionJson = Field(default_factory=dict)
    settings_sha256: ShortText = ""


class SubmittedRelation(RunRelation):
    """How the tokens of two systems of a submission are related."""

    model_config = STRICT

    larger: Name
    smaller: Name


class SubmittedNotRun(NotRunEntry):
    """A system on a benchmark that the submitter's machine could not run."""

    model_config = STRICT

    system: Name
    benchmark: Name
    reason: LongText


class SubmittedGitState(GitState):
    """The checkout that the submitter's code came from."""

    model_config = STRICT

    revision: ShortText


class SubmittedSession(Session):
    """Provenance of one process that worked on a submitted run; `folder` is left out of submissions."""

    model_config = STRICT

    vtok_eval: ShortText | None = None
    git: SubmittedGitState | None = None
    packages: dict[ShortText, ShortText | None] = Field(default_factory=dict)
    python: ShortText | None = None
    threads: dict[ShortText, ShortText | None] = Field(default_factory=dict)
    command: list[LongText] = Field(default_factory=list, max_length=500)
    folder: LongText | None = None
    device: ShortText | None = None
    precision: ShortText | None = None
    started: ShortText | None = None
    finished: ShortText | None = None


class SubmittedRun(RunDocument):
    """run.json whose texts pages for others show: each within its length, without hidden characters."""

    model_config = STRICT

    name: Name
    label: LongText = ""
    setting: ShortText = ""
    description: LongText = ""
    baseline: Name | None = None
    precision: ShortText | None = None
    budget: BudgetUnit = Field(default=BudgetUnit.TOKENS, strict=False)
    systems: list[SubmittedSystem] = Field(default_factory=list, max_length=1_000)
    benchmarks: list[SubmittedBenchmark] = Field(default_factory=list, max_length=1_000)
    input_fits: dict[Name, list[LongText]] = Field(default_factory=dict, max_length=10_000)
    relations: list[SubmittedRelation] = Field(default_factory=list, max_length=100_000)
    not_run: list[SubmittedNotRun] = Field(default_factory=list, max_length=100_000)
    sessions: list[SubmittedSession] = Field(default_factory=list, max_length=1_000)


class MetricEntry(Strict):
    """`Metric`, field by field."""

    name: Name
    title: Name
    unit: ShortText
    higher_is_better: bool | None
    chance: float | None
    group: ShortText
    headline: bool
    mean_of: list[Name] = Field(max_length=1_000)
    weights: list[float] = Field(default_factory=list, max_length=1_000)
    offset: float = 0.0
    failed_as: float | None
    failed_where: ShortText = ""
    derived: Literal[False] = False
    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _one_weight_each(self) -> Self:
        if self.weights and len(self.weights) != len(self.mean_of):
            raise ValueError(f"{self.name}: {len(self.weights)} weights for {len(self.mean_of)} metrics")
        if self.least is not None and self.most is not None and not self.least < self.most:
            raise ValueError(f"{self.name}: least {self.least:g} must be below most {self.most:g}")
        return self

    def metric(self) -> Metric:
        """The metric."""
        lists = {"mean_of": tuple(self.mean_of), "weights": tuple(self.weights)}
        return Metric(**{**self.model_dump(), **lists})


class ScoreEntry(Strict):
    """`Score`, field by field."""

    system: Name
    benchmark: Name
    metric: MetricEntry
    value: float | None
    low: float | None
    high: float | None
    n: Count
    n_failed: Count
    n_clusters: Count
    seeds: Annotated[int, Field(ge=0, le=1_000)] = 0
    seed_deviation: Annotated[float, Field(ge=0)] | None = None
    confidence: Annotated[float, Field(gt=0, lt=1)]
    method: LongText
    label: LongText
    discriminates: bool
    sound: bool = True
    n_infinite: Count = 0
    reservation: Literal[""] = ""

    @model_validator(mode="before")
    @classmethod
    def _of_0_1_0(cls, entry: Any) -> Any:
        """Version 0.1.0 counted replicates, of which 1 may be no training."""
        if not isinstance(entry, dict) or "replicates" not in entry or "seeds" in entry:
            return entry
        replicates = entry["replicates"]
        if type(replicates) is not int or not 1 <= replicates <= 1_000:
            raise ValueError(f"replicates must be a whole number from 1 to 1,000, not {replicates!r}")
        kept = {key: value for key, value in entry.items() if key != "replicates"}
        return {**kept, "seeds": replicates if replicates > 1 else 0}

    def score(self) -> Score:
        """The score."""
        return Score(**{**self.model_dump(), "metric": self.metric.metric()})


class ComparisonEntry(Strict):
    """`Comparison`, field by field."""

    benchmark: Name
    metric: Name
    system: Name
    baseline: Name
    difference: float | None
    low: float | None
    high: float | None
    p: Probability | None
    p_corrected: Probability | None
    n_clusters: Count
    confidence: Annotated[float, Field(gt=0, lt=1)]
    test: LongText
    n: Count
    n_unpaired: Count
    seeds: Annotated[int, Field(ge=0, le=1_000)] = 0
    baseline_seeds: Annotated[int, Field(ge=0, le=1_000)] = 0
    correction: Literal["max-T", "Holm"] = "max-T"
    no_test: (
        Literal[
            "no shared sample",
            "one training seed",
            "reader not sound here",
        ]
        | None
    ) = None

    @model_validator(mode="before")
    @classmethod
    def _of_0_1_0(cls, entry: Any) -> Any:
        """Version 0.1.0 corrected by Holm's method and called the result `p_holm`."""
        if not isinstance(entry, dict) or "p_holm" not in entry or "p_corrected" in entry:
            return entry
        kept = {key: value for key, value in entry.items() if key != "p_holm"}
        return {**kept, "p_corrected": entry["p_holm"], "correction": "Holm"}

    @model_validator(mode="after")
    def _p_or_reason(self) -> Self:
        self.comparison()
        return self

    def comparison(self) -> Comparison:
        """The comparison."""
        return comparison_of(self.model_dump())


class RecordEntry(Strict):
    """`Record`, field by field; system and benchmark follow from the job."""

    job: Name
    sample_id: Annotated[LongText, Field(min_length=1)]
    cluster: LongText
    status: Literal["ok", "failed"]
    reason: Annotated[str, Field(max_length=100_000)] | None
    values: dict[Name, list[float]]
    outputs: dict[str, Any]
    cost: dict[ShortText, float]
    meta: dict[str, Any]

    def record(self, job: JobEntry) -> Record:
        """The record, of this job."""
        return Record(
            job=job.id,
            system=job.system,
            benchmark=job.benchmark,
            sample_id=self.sample_id,
            cluster=self.cluster,
            status=Status(self.status),
            reason=self.reason,
            values={name: tuple(values) for name, values in self.values.items()},
            outputs=self.outputs,
            cost=self.cost,
            meta=self.meta,
        )


class ScoresDocument(Strict):
    """scores.json, without its schema version."""

    scores: list[ScoreEntry] = Field(max_length=100_000)


class ComparisonsDocument(Strict):
    """comparisons.json, without its schema version."""

    comparisons: list[ComparisonEntry] = Field(max_length=100_000)


def known_part(run: Mapping[str, Any]) -> dict[str, Any]:
    """Of a run.json of our own, the keys that `SubmittedRun` knows: other parts of the suite may add more."""
    nested: dict[str, type[BaseModel]] = {
        "systems": SubmittedSystem,
        "benchmarks": SubmittedBenchmark,
        "sessions": SubmittedSession,
        "relations": SubmittedRelation,
        "not_run": SubmittedNotRun,
    }
    kept = {key: value for key, value in run.items() if key in SubmittedRun.model_fields}
    for key, model in nested.items():
        if isinstance(kept.get(key), list):
            kept[key] = [_only(entry, model) for entry in kept[key]]
    return kept


def _only(entry: Any, model: type[BaseModel]) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    return {key: value for key, value in entry.items() if key in model.model_fields}
