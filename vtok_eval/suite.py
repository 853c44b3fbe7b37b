"""A suite: which systems meet which benchmarks, read from YAML and validated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vtok_eval.errors import SpecError, SuiteError, UnknownNameError
from vtok_eval.registry import BENCHMARKS

DEFAULT_SUITE = "mini"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemEntry(_Entry):
    """A system of the suite. In YAML a plain string is its spec.

    spec: a tokenizer spec, or `videos:FOLDER`, `videos:shipped`. name: how tables call it; the spec itself
    where it is not given. control: a system that is no contender (blind, key frame alone): it cannot be best.
    """

    spec: str = Field(min_length=1)
    name: str = ""
    control: bool = False

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

    id: tells two entries of one benchmark apart; the name where it is not given.
    """

    name: str
    id: str = ""
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in BENCHMARKS:
            # pydantic takes ValueErrors only; _explain unwraps it.
            raise ValueError(str(UnknownNameError(what="benchmark", name=name, known=BENCHMARKS)))
        return name

    @model_validator(mode="after")
    def _id_from_name(self) -> BenchmarkEntry:
        if not self.id:
            object.__setattr__(self, "id", self.name)
        return self


class Suite(_Entry):
    """What a run compares, and under which label its numbers may be shown.

    label: stands in every table and picture. setting: "embedded-default", "paper", "custom".
    baseline: the system that the others are compared with, by name.
    """

    name: str
    label: str
    setting: str
    description: str = ""
    seed: int = Field(default=0, ge=0)
    baseline: str | None = None
    systems: tuple[SystemEntry, ...] = Field(min_length=1)
    benchmarks: tuple[BenchmarkEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Suite:
        _refuse_repeats("system", [system.name for system in self.systems])
        _refuse_repeats("benchmark", [benchmark.id for benchmark in self.benchmarks])
        names = [system.name for system in self.systems]
        if self.baseline is not None and self.baseline not in names:
            raise ValueError(str(UnknownNameError(what="baseline system", name=self.baseline, known=names)))
        return self

    def changed(
        self,
        *,
        add_systems: Sequence[SystemEntry] = (),
        keep_systems: bool = True,
        benchmarks: Sequence[BenchmarkEntry] = (),
        baseline: str | None = None,
    ) -> Suite:
        """This suite with more systems, or only those; with only the named benchmarks; with another baseline.

        A system that the suite has already (same name) is not added again.

        Raises:
            UnknownNameError: the baseline is no system of the suite.
        """
        own = self.systems if keep_systems else ()
        names = {system.name for system in own}
        systems = (*own, *(system for system in add_systems if system.name not in names))
        names |= {system.name for system in add_systems}
        if baseline is not None and baseline not in names:
            raise UnknownNameError(what="baseline system", name=baseline, known=names)
        kept_baseline = self.baseline if self.baseline in names else None
        changes: dict[str, object] = {"systems": systems, "baseline": baseline or kept_baseline}
        if benchmarks:
            changes["benchmarks"] = tuple(benchmarks)
        return self.model_copy(update=changes)

    def specs_by_name(self) -> dict[str, str]:
        """The systems' specs, by the names that `match:NAME` may use."""
        return {system.name: system.spec for system in self.systems}


def shipped_suites() -> dict[str, str]:
    """The suites that ship with the package: name -> description."""
    return {name: load_suite(name).description for name in _shipped_names()}


def load_suite(name_or_path: str) -> Suite:
    """Read a suite that ships with the package, by name, or a user's YAML file, by path.

    Raises:
        UnknownNameError: neither a shipped suite nor a file.
        SuiteError: the file is not YAML or breaks the schema; names file, line and key.
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
    """
    try:
        document = yaml.safe_load(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{origin}:{mark.line + 1}" if mark else origin
        raise SuiteError(f"{where}: not YAML: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(document, Mapping):
        raise SuiteError(f"{origin}: a suite is a mapping with the keys {', '.join(Suite.model_fields)}")
    try:
        return Suite.model_validate(document)
    except ValidationError as error:
        raise SuiteError(_explain(error, origin=origin, tree=tree)) from error


def parse_benchmark(text: str, *, suite: Suite) -> BenchmarkEntry:
    """Read a benchmark as the command line names it: `NAME`, or `NAME:part,part` (VBench's dimensions, say).

    The suite's own entry is taken, options and all, where it has one of that name.

    Raises:
        UnknownNameError: no benchmark has the name.
        SpecError: the benchmark has no parts to choose from.
    """
    for entry in suite.benchmarks:
        if text == entry.id:
            return entry
    name, _, parts = text.partition(":")
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


def _refuse_repeats(what: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what} {repeated[0]!r} stands twice; give one of them another name")


def _explain(error: ValidationError, *, origin: str, tree: yaml.Node | None) -> str:
    """The first violation as one line: file, line, key, what was expected."""
    first = error.errors()[0]
    location = tuple(first["loc"])
    where = f"{origin}:{_line_of(tree, location)}"
    key = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        models: dict[str, type[BaseModel]] = {"systems": SystemEntry, "benchmarks": BenchmarkEntry}
        known = models.get(str(location[0]), Suite).model_fields
        return f"{where}: {UnknownNameError(what='key', name=str(location[-1]), known=known)}"
    message = re.sub("^Value error, ", "", first["msg"])
    return f"{where}: {key}: {message}" if key else f"{where}: {message}"


def _line_of(node: yaml.Node | None, location: Sequence[str | int]) -> int:
    """The line of the deepest node on the way to `location`, counted from 1."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == part), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
