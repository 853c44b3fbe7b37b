"""A run's samples as the page reads them: an overview in one file, and details in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import TRUTH, Metric, Record, Status
from vtok_eval.results.run_view import open_run

DETAILS_IN_A_FILE = 100
"""Samples whose details are in one file."""
DIGITS = 4


@dataclass(frozen=True)
class SampleGroup:
    """The samples of one benchmark of one run, with every system's result on each.

    index: its number on the page. sample_ids: in the order of the journal. records: by system, one for each
    sample id, None where the system has no result.
    """

    index: int
    run: Path
    run_name: str
    label: str
    benchmark: str
    metrics: Sequence[Metric]
    systems: Sequence[str]
    sample_ids: Sequence[str]
    records: Mapping[str, Sequence[Record | None]] = field(repr=False)

    def overview(self) -> dict[str, object]:
        """What the list and its filters need of every sample."""
        return {
            "run": self.run_name,
            "label": self.label,
            "benchmark": self.benchmark,
            "systems": list(self.systems),
            "metrics": [_metric(metric) for metric in self._shown_metrics],
            "samples": list(self.sample_ids),
            "texts": [self._text(i) for i in range(len(self.sample_ids))],
            "states": {name: "".join(map(_state, found)) for name, found in self.records.items()},
            "values": {
                metric.name: {
                    name: [_value(r, metric.name) for r in found] for name, found in self.records.items()
                }
                for metric in self._shown_metrics
                if not metric.mean_of
            },
        }

    def details(self) -> Iterator[tuple[int, list[dict[str, object]]]]:
        """The number of each piece of `DETAILS_IN_A_FILE` samples, and all that was recorded of them."""
        for start in range(0, len(self.sample_ids), DETAILS_IN_A_FILE):
            stop = min(start + DETAILS_IN_A_FILE, len(self.sample_ids))
            yield start // DETAILS_IN_A_FILE, [self._detail(i) for i in range(start, stop)]

    def most_disputed(self, n: int) -> list[int]:
        """The numbers of the samples on which systems differ most, by their headline metrics."""
        parts = {
            part for metric in self.metrics if metric.headline for part in (metric.mean_of or (metric.name,))
        }

        def spread(i: int) -> float:
            total = 0.0
            for part in parts:
                values = [v for found in self.records.values() if (v := _value(found[i], part)) is not None]
                total += max(values) - min(values) if values else 0.0
            return total

        return sorted(range(len(self.sample_ids)), key=lambda i: (-spread(i), i))[:n]

    @cached_property
    def _shown_metrics(self) -> list[Metric]:
        held = {name for found in self.records.values() for r in found if r is not None for name in r.values}
        return [m for m in self.metrics if m.name in held or (m.mean_of and held & set(m.mean_of))]

    @cached_property
    def _metas(self) -> list[Mapping[str, object]]:
        """What is said of each sample, by the first system that has it."""
        every = zip(*self.records.values(), strict=True)
        return [next((r.meta for r in found if r is not None), {}) for found in every]

    def _text(self, i: int) -> str:
        """What the search looks at: facts about the sample, those aside that all samples share."""
        return " ".join(str(v) for name, v in self._metas[i].items() if name in self._telling)

    @cached_property
    def _telling(self) -> frozenset[str]:
        names = {name for meta in self._metas for name, v in meta.items() if isinstance(v, str)}
        return frozenset(n for n in names if len({str(meta.get(n)) for meta in self._metas}) > 1)

    def _detail(self, i: int) -> dict[str, object]:
        return {
            name: {
                "reason": record.reason,
                "values": {metric: list(values) for metric, values in record.values.items()},
                "outputs": record.outputs,
                "cost": record.cost,
                "meta": {name: v for name, v in record.meta.items() if name != TRUTH},
                "truth": record.meta.get(TRUTH),
            }
            for name, found in self.records.items()
            if (record := found[i]) is not None
        }


def sample_groups(runs: Sequence[Path]) -> list[SampleGroup]:
    """The samples of every benchmark of the runs that has records.

    Raises:
        RunFolderError: a run cannot be read, or none of them has a record.
    """
    groups: list[SampleGroup] = []
    for path in runs:
        run = open_run(path)
        scores = run.folder.scores() if (run.path / "scores.json").exists() else []
        records: dict[str, list[Record]] = {}
        for record in run.folder.raw_records():
            records.setdefault(record.benchmark, []).append(record)
        for entry in run.benchmarks:
            if entry.id in records:
                metrics = {s.metric.name: s.metric for s in scores if s.benchmark == entry.id}
                shown = (path, str(run.info.get("label", "")), entry.id, list(metrics.values()))
                groups.append(_group(len(groups), *shown, records[entry.id]))
    if not groups:
        raise RunFolderError(f"{', '.join(map(str, runs))}: no sample has a record yet")
    return groups


def _group(
    index: int,
    path: Path,
    label: str,
    benchmark: str,
    metrics: Sequence[Metric],
    records: Sequence[Record],
) -> SampleGroup:
    ids = list(dict.fromkeys(record.sample_id for record in records))
    place = {sample_id: i for i, sample_id in enumerate(ids)}
    by_system: dict[str, list[Record | None]] = {}
    for record in records:
        by_system.setdefault(record.system, [None] * len(ids))[place[record.sample_id]] = record
    return SampleGroup(
        index=index,
        run=path,
        run_name=path.resolve().name,
        label=label,
        benchmark=benchmark,
        metrics=metrics,
        systems=list(by_system),
        sample_ids=ids,
        records=by_system,
    )


def script(call: str, *content: object) -> str:
    """A script that hands content to the page; a page that is opened from a file may load scripts alone."""
    # Inside a script of its own file, "</script>" ends nothing; U+2028 and U+2029 would end a line.
    text = ", ".join(json.dumps(part, ensure_ascii=True, separators=(",", ":")) for part in content)
    return f"{call}({text});\n"


def _metric(metric: Metric) -> dict[str, object]:
    return {
        "name": metric.name,
        "title": metric.title,
        "group": metric.group,
        "headline": metric.headline,
        "parts": list(metric.mean_of or ()),
        "better": metric.higher_is_better,
        "bounded": metric.bounded,
    }


def _state(record: Record | None) -> str:
    """One letter: ok, failed or none."""
    if record is None:
        return "-"
    return "f" if record.status is Status.FAILED else "o"


def _value(record: Record | None, metric: str) -> float | None:
    """The mean over training seeds; None where the metric does not apply or the sample failed."""
    values = () if record is None else record.values.get(metric, ())
    return round(sum(values) / len(values), DIGITS) if values else None
