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
        MissingDependencyError, SpecError, LaneError: there is no Ray, or no cluster at the address.
    """
    if settings.ray is not None:
        return _open_ray_lanes(suite, settings, jobs, out=out, cache=cache)
    devices = _as_many_as_useful(settings.devices, jobs)
    return LocalLanes(_setups(suite, settings, jobs, devices, out=out, cache=cache), logs=out / "logs")


def _open_ray_lanes(
    suite: Suite, settings: RunSettings, jobs: Sequence[PlannedJob], *, out: Path, cache: Path
) -> Backend:
    from vtok_eval.run.lanes.ray_lanes import LOCAL, RayLanes, cluster_devices, connect

    address = settings.ray or LOCAL
    disconnect = connect(address)
    devices = _as_many_as_useful(settings.devices or cluster_devices(), jobs)
    log.info("%d lanes on the Ray cluster at %s", len(devices), address)
    # Every machine has its own feature store and clips, on its own disk.
    setups = _setups(suite, settings, jobs, devices, out=out, cache=cache if address == LOCAL else None)
    return RayLanes(
        setups, gpus=[device == "cuda" for device in devices], logs=out / "logs", disconnect=disconnect
    )


def _setups(
    suite: Suite,
    settings: RunSettings,
    jobs: Sequence[PlannedJob],
    devices: Sequence[str],
    *,
    out: Path,
    cache: Path | None,
) -> list[LaneSetup]:
    return [
        LaneSetup(
            suite=suite,
            settings=settings,
            device=device,
            number=number,
            n_lanes=len(devices),
            out=out.absolute(),
            cache=None if cache is None else cache.absolute(),
            systems={job.system.name: fingerprint(job.system) for job in jobs},
        )
        for number, device in enumerate(devices)
    ]


def _as_many_as_useful(devices: Sequence[str], jobs: Sequence[PlannedJob]) -> Sequence[str]:
    n_shards = sum(-(-len(job.samples) // SHARD_SAMPLES) for job in jobs)
    if n_shards < len(devices):
        log.info("%d of the %d lanes are used: there is not enough work for more", n_shards, len(devices))
    return devices[: max(1, n_shards)]
