"""A system's VBench scores in the form of the reference's own `NAME_eval_results.json`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from reports.exports.measured import measured_system
from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import Record, Score, Status

PER_VIDEO_SCALE = {"imaging_quality": 100.0}
"""The reference writes these dimensions' per-video results this many times larger than their score."""

BOOLEAN = frozenset({"dynamic_degree", "human_action"})
"""Dimensions whose per-video results the reference writes as true and false."""

log = logging.getLogger(__name__)


def vbench_results(run: Path, system: str) -> dict[str, Any]:
    """`{dimension: [score, [{"video_path", "video_results"}, ...]]}`, as the reference's scripts read it.

    A video is named by its file. Failed videos have no place in this form: they are left out, as VBench
    itself would not have written them, and a warning says how many there are.

    Raises:
        RunFolderError, UnknownNameError: see `measured`; also where the system has no VBench scores.
    """
    found = measured_system(run, system)
    names = [name for name, entry in found.benchmarks.items() if entry.name == "vbench"]
    if not names:
        raise RunFolderError(f"the run {found.folder.path} has no VBench scores of {system!r}")
    if len(names) > 1:
        raise RunFolderError(
            f"the run {found.folder.path} has {len(names)} VBench benchmarks ({', '.join(names)}); "
            "the reference's file holds one"
        )
    records = [
        record
        for job in found.folder.jobs()
        if (job.benchmark, job.system) == (names[0], system)
        for record in found.folder.raw_records(job.id)
    ]
    failed = sum(record.status is Status.FAILED for record in records)
    if failed:
        log.warning("%d of %d videos failed and are not in the VBench results", failed, len(records))
    measured_scores = [score for score in found.scores[names[0]] if not score.metric.mean_of]
    return {
        score.metric.name: [score.value, _videos(records, score)]
        for score in measured_scores
        if score.value is not None
    }


def _videos(records: list[Record], score: Score) -> list[dict[str, Any]]:
    name = score.metric.name
    scale = PER_VIDEO_SCALE.get(name, 1.0)
    videos = []
    for record in records:
        values = record.values.get(name)
        if values is None:
            continue
        value = sum(values) / len(values)
        is_flag = name in BOOLEAN and value in (0.0, 1.0)
        videos.append(
            {"video_path": record.sample_id, "video_results": bool(value) if is_flag else value * scale}
        )
    return videos
