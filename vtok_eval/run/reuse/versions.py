"""Versions in a run folder: what was measured of something that has changed since stays, under NAME@HASH."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.errors import RunFolderError
from vtok_eval.results.identity import (
    VERSION_OF,
    Difference,
    entry_differences,
    in_words,
    version_digest,
)
from vtok_eval.results.store import RunFolder, folder_name, write_json

if TYPE_CHECKING:
    from vtok_eval.results.journal import Journal

log = logging.getLogger(__name__)

Entry = Mapping[str, Any]  # Any: of run.json

PENDING = "renaming.json"
"""In a run folder while names are changed: a process that was killed meanwhile is continued by the next."""

_SHORTEST = 4
_KEYS = {"systems": "name", "benchmarks": "id"}
_RUN_KEYS = ("seed", "limit", "threads")
"""Settings that earlier releases kept once for all benchmarks of a run."""


def take_up(
    folder: RunFolder, journal: Journal, now: Mapping[str, Any], *, measurable: Collection[str]
) -> list[str]:
    """Make a run folder ready for what is asked for now; returns what was changed, a line for each.

    What differs from what the folder holds under a name is set aside as NAME@HASH, with its records, scores,
    videos and artifacts. Where an earlier version is what is asked for, it takes its name back. The rest
    stays as it is, and nothing is lost.

    now: run.json of what is asked for. measurable: benchmarks of it that can be measured here; another
    environment may have measured the others, which stay.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    finish_renaming(folder, journal)
    lines: list[str] = []
    for kind, key in _KEYS.items():
        for entry in now[kind]:
            if kind == "systems" or entry[key] in measurable:
                lines += _take_up_one(folder, journal, kind, entry, now)
    return lines


def merged_entries(before: Sequence[Entry], now: Sequence[Entry], *, key: str) -> list[Entry]:
    """Entries of both lists in the order of the first, without duplicates: the newer one of two.

    Of parts of an identity that only the folder's entry has, which another environment or command could
    state, nothing is lost.
    """
    merged = list(before)
    for entry in now:
        places = [i for i, other in enumerate(merged) if other[key] == entry[key]]
        if not places:
            # What takes the place of an earlier version comes before it.
            of_versions = (i for i, other in enumerate(merged) if other.get(VERSION_OF) == entry[key])
            merged.insert(next(of_versions, len(merged)), entry)
            continue
        known = merged[places[0]].get("identity")
        identity = {**known, **entry["identity"]} if isinstance(known, Mapping) else entry["identity"]
        merged[places[0]] = {**entry, "identity": identity}
    return merged


def finish_renaming(folder: RunFolder, journal: Journal) -> None:
    """Do what a killed process had begun.

    Raises:
        RunFolderError: its plan cannot be read, or the folder cannot be written.
    """
    path = folder.path / PENDING
    if not path.is_file():
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        renaming = Renaming(dict(content["systems"]), dict(content["benchmarks"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"cannot read {path}: {error}") from error
    renaming.apply(folder, journal)
    path.unlink()


@dataclass(frozen=True)
class Renaming:
    """Systems and benchmarks of a run folder that get other names. Applying it twice is as once."""

    systems: Mapping[str, str] = field(default_factory=dict)
    benchmarks: Mapping[str, str] = field(default_factory=dict)

    def system(self, name: str) -> str:
        """A system's name from now on."""
        return self.systems.get(name, name)

    def benchmark(self, name: str) -> str:
        """A benchmark's id from now on."""
        return self.benchmarks.get(name, name)

    def apply(self, folder: RunFolder, journal: Journal) -> None:
        """Rename everywhere. Scores first: no reader may find the old ones under the name of the new."""
        self._rename_scores(folder)
        self._move_folders(folder)
        journal.rename_jobs(self.system, self.benchmark)
        self._rename_entries(folder)

    def _rename_scores(self, folder: RunFolder) -> None:
        if (folder.path / "scores.json").exists():
            folder.write_scores(
                [
                    replace(
                        score, system=self.system(score.system), benchmark=self.benchmark(score.benchmark)
                    )
                    for score in folder.scores()
                ]
            )
        # Comparisons and checks are between systems; those with a system of another name are made again.
        if (folder.path / "comparisons.json").exists():
            folder.write_comparisons(
                [
                    replace(entry, benchmark=self.benchmark(entry.benchmark))
                    for entry in folder.comparisons()
                    if not {entry.system, entry.baseline} & self.systems.keys()
                ]
            )
        if (folder.path / "self_checks.json").exists():
            folder.write_self_checks(
                [
                    replace(check, benchmark=self.benchmark(check.benchmark))
                    for check in folder.self_checks()
                    if not set(check.systems) & self.systems.keys()
                ]
            )

    def _move_folders(self, folder: RunFolder) -> None:
        run = folder.run()
        systems = {entry["name"] for entry in run["systems"]} | {job.system for job in folder.jobs()}
        benchmarks = {entry["id"] for entry in run["benchmarks"]} | {job.benchmark for job in folder.jobs()}
        for benchmark in benchmarks:
            for system in systems:
                _move(
                    folder.path / "artifacts" / folder_name(f"{benchmark}/{system}"),
                    folder.path
                    / "artifacts"
                    / folder_name(f"{self.benchmark(benchmark)}/{self.system(system)}"),
                )
        for old, new in self.systems.items():
            _move(folder.path / "videos" / folder_name(old), folder.path / "videos" / folder_name(new))

    def _rename_entries(self, folder: RunFolder) -> None:
        run = folder.run()
        for kind, names in (("systems", self.systems), ("benchmarks", self.benchmarks)):
            run[kind] = [_renamed(entry, names, key=_KEYS[kind]) for entry in run[kind]]
        changed = self.systems.keys() | self.systems.values()
        run["relations"] = [
            entry
            for entry in run.get("relations", [])
            if not {entry.get("larger"), entry.get("smaller")} & changed
        ]
        run["not_run"] = [
            entry
            for entry in run["not_run"]
            if entry["system"] not in self.systems and entry["benchmark"] not in self.benchmarks
        ]
        run["input_fits"] = {self._job(job): fits for job, fits in run.get("input_fits", {}).items()}
        folder.write_run(run)

    def _job(self, job: str) -> str:
        for benchmark, new in self.benchmarks.items():
            if job.startswith(f"{benchmark}/"):
                job = f"{new}/{job.removeprefix(f'{benchmark}/')}"
        for system, new in self.systems.items():
            if job.endswith(f"/{system}"):
                job = f"{job.removesuffix(f'/{system}')}/{new}"
        return job


def _take_up_one(
    folder: RunFolder, journal: Journal, kind: str, entry: Entry, now: Mapping[str, Any]
) -> Iterator[str]:
    key, run = _KEYS[kind], folder.run()
    name = entry[key]
    entries = {known[key]: _with_run_keys(known, run, kind) for known in run[kind]}
    entry = _with_run_keys(entry, now, kind)
    before = entries.get(name)
    differences = [] if before is None else entry_differences(before, entry)
    if before is not None and not differences:
        return
    set_aside = None
    if before is not None and _holds(folder, kind, name):
        set_aside = _version_name(before, name, taken=entries)
        _rename(folder, journal, kind, {name: set_aside})
    elif before is not None:
        folder.write_run({**run, kind: [known for known in run[kind] if known[key] != name]})
    earlier = _same_version(entries, name, entry)
    if earlier is not None:
        _rename(folder, journal, kind, {earlier: name})
    if set_aside is not None or earlier is not None:
        yield _line(name, differences, set_aside=set_aside, taken_from=earlier)


def _line(
    name: str, differences: Sequence[Difference], *, set_aside: str | None, taken_from: str | None
) -> str:
    """One line that says what changed, what is done about it, and where the earlier results are."""
    why = in_words(differences) or "it was set aside before"
    if taken_from is not None:
        stays = f"; the version in between stays as {set_aside}" if set_aside else ""
        return f"{name}: {why}; it is as it was in {taken_from}, whose results are taken{stays}"
    stays = f", the earlier version stays as {set_aside}" if set_aside else ""
    return f"{name}: {why}; measured again{stays}"


def _same_version(entries: Mapping[str, Entry], name: str, entry: Entry) -> str | None:
    """The name of an earlier version that was measured with just what is asked for now."""
    for version, known in entries.items():
        if known.get(VERSION_OF) == name and not entry_differences(known, entry):
            return version
    return None


def _with_run_keys(entry: Entry, run: Mapping[str, Any], kind: str) -> Entry:
    if kind != "benchmarks":
        return entry
    return {**{key: run[key] for key in _RUN_KEYS if key in run}, **entry}


def _version_name(entry: Entry, name: str, *, taken: Collection[str]) -> str:
    digest = version_digest(entry)
    lengths = range(_SHORTEST, len(digest) + 1, _SHORTEST)
    return next(found for length in lengths if (found := f"{name}@{digest[:length]}") not in taken)


def _holds(folder: RunFolder, kind: str, name: str) -> bool:
    """Whether the folder has anything that was made for this system or benchmark."""
    jobs = folder.jobs()
    if any(name == (job.system if kind == "systems" else job.benchmark) for job in jobs):
        return True
    run = folder.run()
    systems = [name] if kind == "systems" else [entry["name"] for entry in run["systems"]]
    benchmarks = [name] if kind == "benchmarks" else [entry["id"] for entry in run["benchmarks"]]
    artifacts = (folder_name(f"{benchmark}/{system}") for benchmark in benchmarks for system in systems)
    if any((folder.path / "artifacts" / place).exists() for place in artifacts):
        return True
    return kind == "systems" and (folder.path / "videos" / folder_name(name)).exists()


def _rename(folder: RunFolder, journal: Journal, kind: str, names: Mapping[str, str]) -> None:
    """Rename, so that a process killed at any moment is continued by the next."""
    content = {"systems": {}, "benchmarks": {}, kind: dict(names)}
    write_json(folder.path / PENDING, content)
    finish_renaming(folder, journal)


def _renamed(entry: Entry, names: Mapping[str, str], *, key: str) -> Entry:
    if entry[key] not in names:
        return entry
    new = names[entry[key]]
    is_version = new.startswith(f"{entry[key]}@")
    kept = {name: value for name, value in entry.items() if name != VERSION_OF}
    return {**kept, key: new, **({VERSION_OF: entry[key]} if is_version else {})}


def _move(source: Path, target: Path) -> None:
    """Move a folder; one that is left over at the target, of a job without a record, gives way."""
    if source == target or not source.is_dir():
        return
    try:
        if target.exists():
            shutil.rmtree(target)
        source.rename(target)
    except OSError as error:
        raise RunFolderError(f"cannot move {source} to {target}: {error.strerror}") from error
