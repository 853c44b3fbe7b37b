"""Opens the lanes that a run's settings ask for: on this machine, or on a Ray cluster."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.run.lanes.job_queue import SHARD_SAMPLES
from vtok_eval.run.lanes.local import LocalLanes
from vtok_eval.run.lanes.messages import LaneSetup
from vtok_eval.run.plan import fingerprint

if TYPE_CHECKING:
    from vtok_eval.run.lanes.backend import Backend
    from vtok_eval.run.plan import PlannedJob
    from vtok_eval.run.settings import RunSettings
    from vtok_eval.run.suite import Suite

log = logging.getLogger(__name__)


def open_lanes(
    suite: Suite, settings: RunSettings, jobs: Sequence[PlannedJob], *, out: Path, cache: Path
) -> Backend:
    """The lanes of a run, none of them started yet; no more of them than there are shards.

    out: the run folder; lanes log to its `logs/`. cache: the user's cache folder.

    Raises:
        MissingDependencyError, LaneError: there is no Ray, or no cluster at the address.
    """
    devices = _as_many_as_useful(settings.devices, jobs)
    setups = [
        LaneSetup(
            suite=suite,
            settings=settings,
            device=device,
            number=number,
            n_lanes=len(devices),
            out=out.absolute(),
            cache=cache.absolute(),
            systems={job.system.name: fingerprint(job.system) for job in jobs},
        )
        for number, device in enumerate(devices)
    ]
    return LocalLanes(setups, logs=out / "logs")


def _as_many_as_useful(devices: Sequence[str], jobs: Sequence[PlannedJob]) -> Sequence[str]:
    n_shards = sum(-(-len(job.samples) // SHARD_SAMPLES) for job in jobs)
    if n_shards < len(devices):
        log.info("%d of the %d lanes are used: there is no more work to share", n_shards, len(devices))
    return devices[: max(1, n_shards)]
