"""Whether a run folder may take new results: numbers that were not measured alike are not mixed."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from vtok_eval.errors import RunFolderError
from vtok_eval.results.description import NOT_IDENTITY
from vtok_eval.results.store import RunFolder

Entry = Mapping[str, Any]


def check_same_run(folder: RunFolder, now: Mapping[str, Any], *, measurable: Collection[str]) -> None:
    """Refuse to mix numbers that were not measured alike.

    now: run.json of what is asked for. measurable: the benchmarks of it that can be measured here. What the
    folder holds no job of, and what cannot be measured here, may differ: nothing of it will be mixed. So
    environments that differ in what they can run fill one folder.

    Raises:
        RunFolderError: names the first thing that differs, what the folder has and what was asked for.
    """
    before = folder.run()
    for key in ("name", "label", "seed", "limit"):
        _check_same(folder, key, before.get(key), now[key])
    # Runs of earlier versions do not say with how many threads they computed.
    _check_same(folder, "threads", before.get("threads", now["threads"]), now["threads"])
    jobs = folder.jobs()
    systems = {job.system for job in jobs}
    benchmarks = {job.benchmark for job in jobs}.intersection(measurable)
    for kind, key, held in (("systems", "name", systems), ("benchmarks", "id", benchmarks)):
        known = {entry[key]: entry for entry in before.get(kind, [])}
        for entry in now[kind]:
            if entry[key] in known and entry[key] in held:
                what = f"{kind[:-1]} {entry[key]!r}"
                _check_same(folder, what, _measured_with(known[entry[key]]), _measured_with(entry))


def _measured_with(entry: Entry) -> Entry:
    """An entry of run.json without the parts of its description that say nothing about what is measured."""
    description = entry.get("description") or {}
    kept = {key: value for key, value in description.items() if key not in NOT_IDENTITY}
    return {**entry, "description": kept}


def merged_entries(
    before: Sequence[Entry], now: Sequence[Entry], *, key: str, held: Collection[str]
) -> list[Entry]:
    """Entries of both lists, without duplicates: the folder's if it holds jobs of it, else the newer one."""
    known = {entry[key]: entry for entry in before}
    newer = {entry[key]: entry for entry in now if entry[key] not in known or entry[key] not in held}
    return list((known | newer).values())


def _check_same(folder: RunFolder, what: str, before: object, now: object) -> None:
    now = json.loads(json.dumps(now))  # what the folder holds has been through JSON too
    difference = _first_difference(before, now, what)
    if difference is not None:
        where, there, here = difference
        raise RunFolderError(
            f"{folder.path} holds a run with other settings ({where} is {_short(there)} there, "
            f"{_short(here)} here); name another folder with --out"
        )


def _first_difference(before: object, now: object, where: str) -> tuple[str, object, object] | None:
    """Where two JSON values first differ, as keys with dots between, and what each has there."""
    if before == now:
        return None
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return where, before, now
    for key in {**before, **now}:
        found = _first_difference(before.get(key), now.get(key), f"{where}: {key}")
        if found is not None:
            return found
    return where, before, now


def _short(value: object) -> str:
    return textwrap.shorten(repr(value), width=200, placeholder=" ...")
