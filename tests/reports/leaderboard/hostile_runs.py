"""Runs whose every text is an attack."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from reports.submission.pack import submit
from tests.reports.leaderboard.small_runs import METRICS, add_job, quiz_records, run_json, session
from vtok_eval.results.store import RunFolder

PAYLOAD = (
    "<script>window.pwned=1</script>\"'><img src=x onerror=window.pwned=1></script>"
    "{{7*7}}{% raw %}${1}`--><svg onload=window.pwned=1>&lt;"
)
"""At most 200 characters, one line: what the schema allows in a name."""

assert len(PAYLOAD) < 190


def hostile_json() -> dict[str, Any]:
    """A run.json with the payload wherever a text may stand."""
    run = run_json(("good",))
    hostile = session(
        vtok_eval=PAYLOAD,
        git={"revision": PAYLOAD, "dirty": True},
        packages={PAYLOAD: PAYLOAD},
        python=PAYLOAD,
        machine={
            "platform": PAYLOAD,
            "processor": f"{PAYLOAD}\ud800\u202e",
            PAYLOAD: PAYLOAD,
            "cores": PAYLOAD,
        },
        torch={"gpus": [PAYLOAD]},
        threads={PAYLOAD: PAYLOAD},
        command=["vtok-eval", PAYLOAD],
        folder=PAYLOAD,
        device=PAYLOAD,
        started=PAYLOAD,
        finished=PAYLOAD,
        jobs={PAYLOAD: 1.0},
    )
    return {
        **run,
        "name": PAYLOAD,
        "label": PAYLOAD,
        "setting": PAYLOAD,
        "description": PAYLOAD,
        "baseline": f"{PAYLOAD}1",
        "systems": [
            {
                "name": f"{PAYLOAD}{i}",
                "spec": PAYLOAD,
                "control": False,
                "kind": PAYLOAD,
                "description": {PAYLOAD: [PAYLOAD, "\u202e\x00\ud800"]},
            }
            for i in range(2)
        ],
        "benchmarks": [
            {
                "id": PAYLOAD,
                "name": PAYLOAD,
                "options": {PAYLOAD: PAYLOAD},
                "version": PAYLOAD,
                "description": {PAYLOAD: PAYLOAD, "notes": [PAYLOAD, {PAYLOAD: 1}]},
            }
        ],
        "not_run": [{"system": PAYLOAD, "benchmark": PAYLOAD, "reason": PAYLOAD}],
        "sessions": [hostile],
    }


def write_hostile_run(path: Path) -> RunFolder:
    """A run folder of attacks, with metrics, sample ids, reasons and outputs that are attacks too."""
    run = hostile_json()
    folder = RunFolder.create(path, run_json(("good",)))
    # Written by hand: a lone surrogate is JSON, but no text that our own writer takes.
    (path / "run.json").write_text(json.dumps({**run, "schema_version": 1}))
    for i in range(2):
        name = f"{PAYLOAD}{i}"
        records = [
            replace(
                record,
                job=f"{PAYLOAD}/{i}"[:200],
                system=name,
                benchmark=PAYLOAD,
                sample_id=f"{PAYLOAD}{record.sample_id}",
                cluster=f"{PAYLOAD}{record.cluster}",
                reason=PAYLOAD if record.reason else None,
                outputs={PAYLOAD: PAYLOAD},
                meta={PAYLOAD: PAYLOAD},
                values={f"{PAYLOAD}{metric}": values for metric, values in record.values.items()},
            )
            for record in quiz_records("good", 0.5 + 0.4 * i, 4, failed=(2,), seed=i)
        ]
        add_job(folder, records)
    metrics = [
        replace(
            metric,
            name=f"{PAYLOAD}{metric.name}",
            title=PAYLOAD,
            unit="fraction" if metric.mean_of else PAYLOAD,
            group=PAYLOAD,
            mean_of=tuple(f"{PAYLOAD}{name}" for name in metric.mean_of),
        )
        for metric in METRICS
    ]
    from vtok_eval.run.scoring import score_run

    scores, comparisons, _ = score_run(
        folder, metrics={PAYLOAD: metrics}, label=PAYLOAD, baseline=run["baseline"], controls=()
    )
    folder.write_scores(scores)
    folder.write_comparisons(comparisons)
    folder.export_records()
    return folder


def write_hostile_submission(folder: Path) -> Path:
    """The same as a submission, packed by our own tool: everything that the schema lets through."""
    run = write_hostile_run(folder / "packed")
    return submit(
        run.path,
        folder / "submitted.vtok-run.zip",
        submitter=PAYLOAD,
        notes=f"{PAYLOAD}\n{PAYLOAD}",
        links=[(PAYLOAD, "https://example.org/?a=%22%3E&b=javascript:alert(1)")],
    )
