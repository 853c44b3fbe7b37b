"""The worker inside a lane: builds one system at a time, prepares it, and evaluates shards of its jobs."""

from __future__ import annotations

import json
import logging
import os
import socket
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from vtok_eval.benchmark import NoResult
from vtok_eval.devices.precision import precision_on
from vtok_eval.errors import CANNOT_RUN, LaneError, RunFolderError, VtokEvalError
from vtok_eval.files.cache_folder import cache_folder
from vtok_eval.results.records import FAILED_AT, Status
from vtok_eval.run.jobs import ReadyJob, build_context, make_runner, prepare
from vtok_eval.run.lanes.messages import (
    CannotRun,
    LaneSetup,
    Message,
    Prepared,
    Results,
    RunEnds,
    Shard,
    ShardDone,
)
from vtok_eval.run.plan import PlannedJob, build_benchmark, fingerprint, limited_benchmark
from vtok_eval.run.recording import record_of
from vtok_eval.specs.systems import VideoMaking, build_system

if TYPE_CHECKING:
    from vtok_eval.benchmark import Benchmark, Outcome, Sample
    from vtok_eval.systems import System

log = logging.getLogger(__name__)


class JobWorker:
    """Evaluates shards of a suite's jobs on one device; satisfies `Worker`."""

    def __init__(self, setup: LaneSetup) -> None:
        """Take the device.

        Raises:
            SpecError: this machine does not have it.
            LaneError: this machine does not see the run folder.
        """
        from vtok_eval.run.runners.device import choose_device

        if not setup.out.is_dir():
            raise LaneError(
                f"lane {setup.number} on {socket.gethostname()} does not see the run folder {setup.out}; "
                "put it on storage that every machine of the cluster has at the same place (--out)"
            )
        self._setup = setup
        self._seed = setup.settings.seed_of(setup.suite)
        self._cache = setup.cache or cache_folder()
        self._device = choose_device(setup.device)
        self._runner = make_runner(
            setup.settings, self._device, begin_at=setup.number / max(1, setup.n_lanes), in_parts=True
        )
        self._benchmarks: dict[str, Benchmark] = {}
        self._system: System | None = None
        self._job: PlannedJob | None = None
        self._ready: ReadyJob | None = None
        self._samples: Mapping[str, Sample] = {}

    def facts(self) -> Mapping[str, str | int]:
        """The lane's device, its model, its host and process, as run.json keeps them."""
        from vtok_eval.run.runners.device import device_model

        return {
            "lane": self._setup.number,
            "device": str(self._device),
            "model": device_model(self._device),
            "precision": precision_on(self._setup.settings.precision, self._device),
            "host": socket.gethostname(),
            "process": os.getpid(),
        }

    def evaluate(self, shard: Shard) -> Iterator[Message]:
        """Evaluate a shard and yield its messages as they come."""
        from vtok_eval.run.runners.threads import torch_threads

        try:
            with torch_threads(self._setup.settings.threads):
                if self._job is None or self._job.id != shard.job:
                    self._prepare(shard)
                    yield Prepared(shard.job)
                yield from self._results(shard)
                yield ShardDone(shard.job)
        except CANNOT_RUN as error:
            yield CannotRun(shard.job, str(error))
        except VtokEvalError as error:
            yield RunEnds(str(error))
        except Exception as error:
            # A defect of ours, not of the system under test: the driver ends the run and shows it.
            log.debug("a defect", exc_info=True)
            yield RunEnds(f"{type(error).__name__}: {error}", traceback.format_exc())

    def _prepare(self, shard: Shard) -> None:
        self._job, self._ready, self._samples = None, None, {}
        log.info("preparing %s", shard.job)
        system = self._system_called(shard.system)
        benchmark = self._benchmark_called(shard.benchmark, system)
        samples = benchmark.samples(system)
        job = PlannedJob(shard.job, system, shard.benchmark, benchmark, samples)
        self._ready = prepare(job, self._runner, out=self._setup.out, seed=self._seed, cache=self._cache)
        self._samples = {sample.id: sample for sample in samples}
        self._job = job

    def _results(self, shard: Shard) -> Iterator[Message]:
        if self._job is None or self._ready is None:
            raise ValueError(f"{shard.job} is not prepared")
        unknown = [name for name in shard.samples if name not in self._samples]
        if unknown:
            raise RunFolderError(
                f"lane {self._setup.number} ({socket.gethostname()}) has no sample {unknown[0]!r} of "
                f"{shard.job}: its data differ from the driver's"
            )
        samples = [self._samples[name] for name in shard.samples]
        then = [self._samples[name] for name in shard.then if name in self._samples]
        part: list[tuple[str, Outcome | NoResult]] = []
        for sample, result in self._ready.evaluate(samples, then):
            part.append((sample.id, _plain(self._job, sample, result)))
            if len(part) >= self._setup.settings.batch_size:
                yield Results(shard.job, tuple(part))
                part = []
        if part:
            yield Results(shard.job, tuple(part))

    def _system_called(self, name: str) -> System:
        """The system; if the lane has another one, that is released and this one built."""
        from vtok_eval.run.runners.memory import release_unused

        if self._system is not None and self._system.name == name:
            return self._system
        self._system = None
        release_unused()
        setup = self._setup
        entry = next(entry for entry in setup.suite.systems if entry.name == name)
        context = build_context(
            setup.suite, setup.settings, device=self._device, cache=self._cache, out=setup.out
        )
        system = build_system(entry, context, VideoMaking(setup.out / "videos", self._seed))
        if fingerprint(system) != setup.systems.get(name, fingerprint(system)):
            raise RunFolderError(
                f"lane {setup.number} ({socket.gethostname()}) has built another {name} than the driver: its "
                "files, weights or packages differ, or were changed during the run; start the run again"
            )
        self._system = system
        return system

    def _benchmark_called(self, name: str, system: System) -> Benchmark:
        if name not in self._benchmarks:
            entry = next(entry for entry in self._setup.suite.benchmarks if entry.id == name)
            built = build_benchmark(entry)
            self._benchmarks[name] = limited_benchmark(built, self._setup.settings.limit, system)
        return self._benchmarks[name]


def _plain(job: PlannedJob, sample: Sample, result: Outcome | NoResult) -> Outcome | NoResult:
    """The result as plain data, which another process can read without the code that made it."""
    if isinstance(result, NoResult):
        return result
    record = record_of(job, sample, result)
    if record.status is Status.FAILED and FAILED_AT not in record.meta:
        return NoResult(str(record.reason))
    return replace(
        result,
        values={str(name): tuple(float(value) for value in row) for name, row in record.values.items()},
        outputs=json.loads(json.dumps(dict(record.outputs))),
        cost={str(name): float(value) for name, value in record.cost.items()},
    )
