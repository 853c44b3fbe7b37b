"""A suite: which systems meet which benchmarks, read from YAML and validated."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from vtok_eval.errors import SpecError, SuiteError, UnknownNameError
from vtok_eval.files.cache_folder import cache_path
from vtok_eval.files.yaml_schema import parse_yaml
from vtok_eval.registry import BENCHMARKS
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.run.needs import SuiteNeeds
from vtok_eval.specs.systems import kind_of
from vtok_eval.systems import SystemKind

DEFAULT_SUITE = "mini"
CUSTOM_LABEL = "chosen on the command line; not the paper's setting"
_FROM_A_FILE = "question-answering"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemEntry(_Entry):
    """A system of the suite. In YAML a plain string is its spec.

    spec: as `system_specs.build_system` takes it: a tokenizer's, `videos:FOLDER`, `generator:...`.
    name: its name in tables; by default the spec itself. control: a system that does not compete (blind, key
    frame alone): it cannot be best.
    optional: if a machine lacks what the system needs, it is "not run" and the run is complete without it.
    contains: names of systems whose tokens are among this one's, of every clip: it must read no less than
    they do. Of the built-in tokenizers this is known.
    """

    spec: str = Field(min_length=1)
    name: str = ""
    control: bool = False
    optional: bool = False
    contains: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        return {"spec": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _name_from_spec(self) -> SystemEntry:
        if not self.name:
            object.__setattr__(self, "name", self.spec)
        return self


class BenchmarkEntry(_Entry):
    """A benchmark of the suite with its options. In YAML a plain string is its name.

    name: registered, or the path of a YAML file that describes a benchmark of questions about videos, or the
    name of such a file in the folder `benchmarks` of the cache folder.
    id: tells two entries of one benchmark apart; by default the name.
    optional: where a machine lacks what the benchmark needs, it is "not run" and the run is complete without.
    """

    name: str
    id: str = ""
    optional: bool = False
    options: dict[str, object] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        entry = {"name": value} if isinstance(value, str) else value
        return _described(entry) if isinstance(entry, dict) else entry

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in BENCHMARKS:
            # pydantic takes ValueErrors only; parse_yaml unwraps it.
            raise ValueError(str(UnknownNameError(what="benchmark", name=name, known=BENCHMARKS)))
        return name

    def with_options(self, options: Mapping[str, object]) -> BenchmarkEntry:
        """The same benchmark with these options set or changed."""
        return self.model_copy(update={"options": {**self.options, **options}})

    def may_take(self, kinds: Collection[SystemKind]) -> bool:
        """Whether the benchmark's class accepts any of these kinds; True where only its options can say."""
        accepts = getattr(BENCHMARKS.resolve(self.name), "accepts", None)
        return accepts is None or bool(set(kinds) & set(accepts))

    @model_validator(mode="after")
    def _id_from_name(self) -> BenchmarkEntry:
        if not self.id:
            object.__setattr__(self, "id", self.name)
        return self


class Suite(_Entry):
    """What a run compares, and under which label its numbers may be shown.

    label: shown in every table and picture. setting: "embedded-default", "miniature", "small", "paper-like",
    "paper", "custom". baseline: the system that the others are compared with, by name. budget: what budgets
    are counted in. needs: what it needs that pip does not bring; `vtok-eval doctor SUITE` checks it.
    """

    name: str
    label: str
    setting: str
    description: str = ""
    seed: int = Field(default=0, ge=0)
    baseline: str | None = None
    budget: BudgetUnit = BudgetUnit.TOKENS
    needs: SuiteNeeds | None = None
    systems: tuple[SystemEntry, ...] = Field(min_length=1)
    benchmarks: tuple[BenchmarkEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Suite:
        _refuse_repeats("system", [system.name for system in self.systems])
        _refuse_repeats("benchmark", [benchmark.id for benchmark in self.benchmarks])
        names = [system.name for system in self.systems]
        if self.baseline is not None and self.baseline not in names:
            raise ValueError(str(UnknownNameError(what="baseline system", name=self.baseline, known=names)))
        for system in self.systems:
            for name in system.contains:
                if name not in names or name == system.name:
                    known = [other for other in names if other != system.name]
                    what = f"system that {system.name!r} contains"
                    raise ValueError(str(UnknownNameError(what=what, name=name, known=known)))
        return self

    def changed(
        self,
        *,
        add_systems: Sequence[SystemEntry] = (),
        keep_systems: bool = True,
        without_kinds: Container[str] = (),
        benchmarks: Sequence[BenchmarkEntry] = (),
        baseline: str | None = None,
        budget: BudgetUnit | None = None,
    ) -> Suite:
        """This suite with more systems, or only those; with only the named benchmarks; with another baseline.

        A system that the suite has already (same name and spec) is not added again. without_kinds: the
        suite's own systems of these kinds are left out. Without the suite's systems, and where no benchmark
        is named, benchmarks that take none of the systems are left out too. budget: another unit of budgets.

        Raises:
            UnknownNameError: the baseline is not a system of the suite.
            SpecError: a name that is taken by another system.
        """
        kept = self.systems if keep_systems else ()
        own = tuple(system for system in kept if kind_of(system.spec) not in without_kinds)
        by_name = {system.name: system for system in own}
        for system in add_systems:
            known = by_name.setdefault(system.name, system)
            if known.spec != system.spec:
                raise SpecError(
                    f"the name {system.name!r} is taken by {known.spec}; give {system.spec} another name"
                )
        systems, names = tuple(by_name.values()), set(by_name)
        if baseline is not None and baseline not in names:
            raise UnknownNameError(what="baseline system", name=baseline, known=names)
        kept_baseline = self.baseline if self.baseline in names else None
        changes: dict[str, object] = {"systems": systems, "baseline": baseline or kept_baseline}
        if budget is not None:
            changes["budget"] = budget
        if benchmarks:
            changes["benchmarks"] = tuple(benchmarks)
        elif not keep_systems:
            # Of the suite's benchmarks, those that the chosen systems can meet: nobody asked for the others.
            kinds = {kind_of(system.spec) for system in systems}
            met = tuple(entry for entry in self.benchmarks if entry.may_take(kinds))
            changes["benchmarks"] = met or self.benchmarks
        if not keep_systems or any(not self._measures(benchmark) for benchmark in benchmarks):
            # The suite's label would not be true of what was never part of it.
            changes |= {"name": "custom", "setting": "custom", "label": CUSTOM_LABEL, "description": ""}
            changes["needs"] = None
        return self.model_copy(update=changes)

    def _measures(self, benchmark: BenchmarkEntry) -> bool:
        """Whether the benchmark is one of the suite's, optional or not."""
        return any(
            entry.model_copy(update={"optional": benchmark.optional}) == benchmark
            for entry in self.benchmarks
        )

    def is_optional(self, *, benchmark: str, system: str) -> bool:
        """Whether the suite can do without this system (by name) on this benchmark (by id)."""
        return any(entry.optional for entry in self.benchmarks if entry.id == benchmark) or any(
            entry.optional for entry in self.systems if entry.name == system
        )

    def specs_by_name(self) -> dict[str, str]:
        """The systems' specs, by the names that `match:NAME` may use."""
        return {system.name: system.spec for system in self.systems}


def shipped_suites() -> dict[str, str]:
    """The suites that ship with the package: name -> description.

    Example:
        >>> sorted(shipped_suites())
        ['full', 'mini', 'paper', 'paper-probe', 'paper-small', 'reader-mini']
    """
    return {name: load_suite(name).description for name in _shipped_names()}


def load_suite(name_or_path: str) -> Suite:
    """Read a suite that ships with the package, by name, or a user's YAML file, by path.

    Raises:
        UnknownNameError: neither a shipped suite nor a file.
        SuiteError: the file is not YAML or breaks the schema; names file, line and key.

    Example:
        >>> load_suite("mini").baseline
        'frames-2'
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise SuiteError(f"no suite file {name_or_path}; shipped suites: {', '.join(_shipped_names())}")
        return parse_suite(path.read_text(encoding="utf-8"), origin=name_or_path)
    if name_or_path not in _shipped_names():
        raise UnknownNameError(what="suite", name=name_or_path, known=_shipped_names())
    shipped = resources.files("vtok_eval.suites") / f"{name_or_path}.yaml"
    return parse_suite(shipped.read_text(encoding="utf-8"), origin=f"{name_or_path}.yaml")


def parse_suite(text: str, *, origin: str) -> Suite:
    """Make a suite of YAML text; `origin` names the file in errors.

    Raises:
        SuiteError: as `load_suite`.

    Example:
        >>> parse_suite("name: mine", origin="mine.yaml")
        Traceback (most recent call last):
        vtok_eval.errors.SuiteError: mine.yaml:1: label: Field required
    """
    return parse_yaml(text, Suite, origin=origin, what="a suite", error=SuiteError)


def parse_benchmark(text: str, *, suite: Suite) -> BenchmarkEntry:
    """Read a benchmark as the command line names it: `NAME`, or `NAME:part,part` (VBench's dimensions, say).

    The suite's own entry is taken, options and all, where it has one of that name, but never as optional.

    Raises:
        UnknownNameError: no benchmark has the name.
        SpecError: the benchmark has no parts to choose from.
    """
    for entry in suite.benchmarks:
        if text == entry.id:
            return entry.model_copy(update={"optional": False})
    name, _, parts = text.partition(":")
    if _description_file(text) is not None:
        return BenchmarkEntry.model_validate(text)
    if name not in BENCHMARKS:
        raise UnknownNameError(what="benchmark", name=name, known=BENCHMARKS)
    if not parts:
        return BenchmarkEntry(name=name)
    option = getattr(BENCHMARKS.resolve(name), "parts_option", None)
    if option is None:
        raise SpecError(f"benchmark {name!r} has no parts to choose from; write just {name!r}")
    return BenchmarkEntry(name=name, id=text, options={option: parts.split(",")})


def _shipped_names() -> list[str]:
    files = resources.files("vtok_eval.suites").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def _described(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry, one that names a user's YAML file turned into the benchmark that reads such files."""
    path = _description_file(entry.get("name"))
    if path is None:
        return entry
    options = {"description": str(path), **(entry.get("options") or {})}
    return {**entry, "name": _FROM_A_FILE, "id": entry.get("id") or path.stem, "options": options}


def _description_file(name: object) -> Path | None:
    """The YAML file that a benchmark's name refers to; None for a registered name."""
    if not isinstance(name, str) or name in BENCHMARKS:
        return None
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    shared = cache_path() / "benchmarks" / f"{name}.yaml"
    return shared if name and shared.is_file() else None


def _refuse_repeats(what: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what} {repeated[0]!r} occurs twice; give one of them another name")
