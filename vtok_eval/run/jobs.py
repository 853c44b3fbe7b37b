"""One job made ready on one device: its system prepared, and its samples evaluated in batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from vtok_eval.benchmark import Context, Outcome
from vtok_eval.errors import CANNOT_RUN, RunFolderError
from vtok_eval.results.store import RunFolder
from vtok_eval.run.preflight import check_input, keep_fits

if TYPE_CHECKING:
    import torch

    from vtok_eval.benchmark import NoResult, Sample
    from vtok_eval.run.plan import PlannedJob
    from vtok_eval.run.runners.runner import Runner
    from vtok_eval.run.settings import RunSettings
    from vtok_eval.run.suite import Suite
    from vtok_eval.specs.live_objects import LiveObject
    from vtok_eval.tokenizers.build import BuildContext

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadyJob:
    """A prepared job.

    evaluate: gives the outcome of each sample; its second argument are those that are probably next.
    problem: why its system could not be prepared, so that every sample fails; or None.
    """

    evaluate: Callable[[Sequence[Sample], Sequence[Sample]], Iterator[tuple[Sample, Outcome | NoResult]]]
    problem: str | None = None


def make_runner(
    settings: RunSettings, device: torch.device, *, begin_at: float = 0.0, in_parts: bool = False
) -> Runner:
    """The runner that the settings ask for, on a device, with its own clip cache.

    in_parts: samples will come part by part, so that the next part's clips are to be loaded meanwhile.
    """
    from vtok_eval.run.runners.loading import BegunClips
    from vtok_eval.run.runners.runner import Runner
    from vtok_eval.video.clip_cache import ClipCache

    return Runner(
        device=device,
        batch_size=settings.batch_size,
        loader_threads=settings.n_loader_threads,
        clip_cache=ClipCache(settings.clip_memory_bytes),
        begin_at=begin_at,
        begun=BegunClips(threads=settings.n_loader_threads) if in_parts else None,
    )


def build_context(
    suite: Suite,
    settings: RunSettings,
    *,
    device: torch.device,
    cache: Path,
    out: Path | None = None,
    objects: Mapping[str, LiveObject] = MappingProxyType({}),
) -> BuildContext:
    """What the suite's systems are built with.

    cache: the user's cache folder. out: the run folder. objects: what was passed in Python in place of specs,
    by reference.
    """
    from vtok_eval.tokenizers.build import BuildContext
    from vtok_eval.tokenizers.feature_cache import FeatureCache

    features = FeatureCache(cache / "features", max_bytes=settings.feature_cache_bytes)
    return BuildContext(
        device=device,
        cache=features,
        names=suite.specs_by_name(),
        objects=objects,
        run_folder=out,
        precision=settings.precision,
    )


def prepare(job: PlannedJob, runner: Runner, *, out: Path, seed: int, cache: Path) -> ReadyJob:
    """Make a job's system ready for its benchmark.

    out: the run folder. cache: the user's cache folder.

    Raises:
        MissingDependencyError: the job cannot be run on this machine.
        UnfitInputError: the tokenizer takes none of the benchmark's clips.
        RunFolderError: the job's artifacts cannot be written.
    """
    context = Context(
        runner=runner,
        device=runner.device,
        seed=seed,
        artifacts=RunFolder(out).artifacts(job.id),
        cache=cache,
    )
    keep_fits(context.artifacts, check_input(job, job.samples, runner))
    try:
        evaluator = job.benchmark.prepare(job.system, context)
    except (*CANNOT_RUN, RunFolderError):
        raise
    except Exception as error:
        # A system that cannot even be prepared is a result about it: every sample fails and says why.
        log.warning("%s could not be prepared: %s", job.id, error)
        log.debug("the failure in full", exc_info=True)
        reason = f"could not be prepared: {type(error).__name__}: {' '.join(str(error).split())}"
        return ReadyJob(lambda samples, _: ((sample, Outcome(error=reason)) for sample in samples), reason)
    concurrency = getattr(evaluator, "concurrency", 1)
    if concurrency > 1:
        return ReadyJob(
            lambda samples, then: runner.stream(
                samples, evaluator.evaluate, concurrency=concurrency, description=job.id, then=then
            )
        )
    unread = getattr(evaluator, "unread", None)
    evaluate = getattr(evaluator, "begin", evaluator.evaluate)

    def evaluated(
        samples: Sequence[Sample], then: Sequence[Sample]
    ) -> Iterator[tuple[Sample, Outcome | NoResult]]:
        from vtok_eval.tokenizers.feature_cache import write_features

        yield from runner.map(samples, evaluate, description=job.id, unread=unread, then=then)
        write_features(job.system.subject)

    return ReadyJob(evaluated)
