"""run.json: what a run consists of, made from its plan, and merged with what the folder holds already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vtok_eval.results.description import Caveat, Description
from vtok_eval.results.identity import SETTINGS, VERSION_OF, digest_of_parts
from vtok_eval.results.self_checks import TokenRelation, relations_in
from vtok_eval.run.plan import described
from vtok_eval.run.reuse.identity import benchmark_identity, system_identity
from vtok_eval.run.reuse.versions import merged_entries
from vtok_eval.run.suite import CUSTOM_LABEL

if TYPE_CHECKING:
    from vtok_eval.benchmark import Benchmark
    from vtok_eval.run.plan import Plan
    from vtok_eval.run.settings import RunSettings
    from vtok_eval.run.suite import BenchmarkEntry, Suite

Document = dict[str, Any]  # Any: JSON

_LABELLED = ("name", "label", "setting", "description")


def run_document(suite: Suite, settings: RunSettings, plan: Plan) -> Document:
    """run.json of a run that has not begun: its systems and benchmarks, each with its identity."""
    shared = {
        "seed": settings.seed_of(suite),
        "limit": settings.limit,
        "threads": settings.threads,
        "precision": settings.precision,
    }
    return {
        "name": suite.name,
        "label": suite.label,
        "setting": suite.setting,
        "description": suite.description,
        "baseline": suite.baseline,
        "budget": str(suite.budget),
        **shared,
        "systems": [
            {
                "name": entry.name,
                "spec": entry.spec,
                "control": entry.control,
                "kind": plan.systems[entry.name].kind,
                "description": plan.systems[entry.name].description.to_json(),
                "identity": system_identity(plan.systems[entry.name]),
            }
            for entry in suite.systems
            if entry.name in plan.systems
        ],
        "benchmarks": [
            _benchmark_entry(entry, plan, shared) for entry in suite.benchmarks if entry.id in plan.benchmarks
        ],
        "relations": [asdict(relation) for relation in _relations(suite, plan)],
        "not_run": [],
        "sessions": [],
    }


def merged_document(before: Document, now: Document, *, measurable: Collection[str], held: bool) -> Document:
    """run.json of a folder that takes in what is asked for now.

    before: the folder's, in which nothing of a name has changed (`versions.take_up`). measurable: benchmarks
    that can be measured here; of others the folder knows better. held: whether the folder has any job.
    """
    known = {entry["id"] for entry in before["benchmarks"]}
    benchmarks = [
        entry for entry in now["benchmarks"] if entry["id"] in measurable or entry["id"] not in known
    ]
    relations = dict.fromkeys((*relations_in(before), *relations_in(now)))
    return {
        **now,
        **_label(before, now, held=held),
        "baseline": now["baseline"] or before.get("baseline"),
        "systems": merged_entries(before["systems"], now["systems"], key="name"),
        "benchmarks": merged_entries(before["benchmarks"], benchmarks, key="id"),
        # Of systems that this process does not run, only the folder knows.
        "relations": [asdict(relation) for relation in relations],
        "not_run": before["not_run"],
        "input_fits": before.get("input_fits", {}),
        "sessions": before["sessions"],
    }


def _label(before: Document, now: Document, *, held: bool) -> dict[str, str]:
    """Name, label, setting and description that are true of everything in the folder."""
    if not held or before.get("label") == now["label"]:
        return {key: now[key] for key in _LABELLED}
    there = {entry["id"] for entry in before["benchmarks"] if not entry.get(VERSION_OF)}
    here = {entry["id"] for entry in now["benchmarks"]}
    if here <= there:
        # One more system on the folder's own benchmarks changes nothing that its label says.
        return {key: before.get(key, "") for key in _LABELLED}
    every = {entry["id"] for entry in before["benchmarks"]}
    if every <= here and before.get("setting") == "custom":
        return {key: now[key] for key in _LABELLED}
    return {"name": "custom", "label": CUSTOM_LABEL, "setting": "custom", "description": ""}


def _benchmark_entry(entry: BenchmarkEntry, plan: Plan, shared: Mapping[str, object]) -> Document:
    benchmark = plan.benchmarks[entry.id]
    identity = benchmark_identity(
        benchmark,
        entry.options,
        description=described(benchmark),
        run=shared,
        jobs=[(job.system, job.samples) for job in plan.jobs if job.benchmark_id == entry.id],
    )
    return {
        "id": entry.id,
        "name": entry.name,
        "options": entry.options,
        "version": benchmark.version,
        **shared,
        "description": _limited(benchmark, shared["limit"]).to_json(),
        "identity": identity,
        "settings_sha256": digest_of_parts(identity[SETTINGS]),
    }


def _limited(benchmark: Benchmark, limit: object) -> Description:
    """What a benchmark says about itself; with a limit its numbers are those of a smoke test."""
    own = described(benchmark)
    return own if limit is None else own | Description(caveats=(Caveat.SMOKE_TEST,))


def _relations(suite: Suite, plan: Plan) -> list[TokenRelation]:
    """What the suite declares of its systems' tokens, and what the tokenizers themselves say."""
    from vtok_eval.tokenizers.relations import token_relations

    declared = {entry.name: entry.contains for entry in suite.systems if entry.contains}
    return token_relations(plan.systems, declared)
