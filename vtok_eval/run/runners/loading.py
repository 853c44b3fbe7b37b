"""Loads clips on background threads, a bounded number ahead of the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from vtok_eval.benchmark import ClipSource, NoResult, Sample
from vtok_eval.errors import GenerationError, TokenizerError, VideoError

if TYPE_CHECKING:
    from vtok_eval.data import Clip


def load_ahead(
    samples: Sequence[Sample],
    load: Callable[[ClipSource], Clip],
    *,
    threads: int,
    ahead: int,
) -> Iterator[tuple[Sample, Clip | NoResult]]:
    """Yield each sample with its clip, in order, while later clips are loaded on other threads.

    ahead: how many clips may be loaded or loading at once, which bounds the memory.
    A clip that cannot be read, or made (see `video.made`), is a `NoResult` of its sample; any other error
    is a defect and is raised.
    """
    waiting: deque[tuple[Sample, Future[Clip]]] = deque()
    upcoming = iter(samples)
    with ThreadPoolExecutor(threads, thread_name_prefix="load") as pool:
        try:
            for sample in _take(upcoming, ahead):
                waiting.append((sample, pool.submit(load, _clip_of(sample))))
            while waiting:
                sample, future = waiting.popleft()
                yield sample, _clip_or_failure(future)
                for following in _take(upcoming, 1):
                    waiting.append((following, pool.submit(load, _clip_of(following))))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _take(samples: Iterator[Sample], count: int) -> Iterable[Sample]:
    for _, sample in zip(range(count), samples, strict=False):
        yield sample


def _clip_of(sample: Sample) -> ClipSource:
    if sample.clip is None:
        raise ValueError(f"sample {sample.id} has no clip to load")
    return sample.clip


def _clip_or_failure(future: Future[Clip]) -> Clip | NoResult:
    try:
        return future.result()
    except (VideoError, GenerationError, TokenizerError) as error:
        return NoResult(str(error))
