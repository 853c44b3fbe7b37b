"""Loads clips on background threads, a bounded number ahead of the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from vtok_eval.benchmark import ClipSource, NoResult, Sample
from vtok_eval.errors import GenerationError, TokenizerError, VideoError

if TYPE_CHECKING:
    from vtok_eval.data import Clip


class BegunClips:
    """Clips that are being loaded for samples which are probably asked for next; one pool of threads.

    Example:
        >>> begun = BegunClips(threads=1)
        >>> len(begun)
        0
        >>> begun.close()
    """

    def __init__(self, *, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="load")
        self._kept: dict[str, tuple[ClipSource, Future[Clip]]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def close(self) -> None:
        """Give up what has not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def only(self, samples: Sequence[Sample]) -> None:
        """Drop the clips of all other samples."""
        wanted = {sample.id for sample in samples}
        for name in [name for name in self._kept if name not in wanted]:
            self._kept.pop(name)[1].cancel()

    def begin(self, sample: Sample, load: Callable[[ClipSource], Clip]) -> None:
        """Load the sample's clip and keep it."""
        source = _clip_of(sample)
        self._kept[sample.id] = source, self._pool.submit(load, source)

    def taken(self, sample: Sample, load: Callable[[ClipSource], Clip]) -> Future[Clip]:
        """The sample's clip, which is not kept any longer; its loading begins if it has not."""
        source = _clip_of(sample)
        kept, future = self._kept.pop(sample.id, (None, None))
        # Samples of two benchmarks may have one id.
        if future is not None and kept == source:
            return future
        return self._pool.submit(load, source)


def load_ahead(
    samples: Sequence[Sample],
    load: Callable[[ClipSource], Clip],
    *,
    threads: int,
    ahead: int,
    then: Sequence[Sample] = (),
    begun: BegunClips | None = None,
) -> Iterator[tuple[Sample, Clip | NoResult]]:
    """Yield each sample with its clip, in order, while later clips are loaded on other threads.

    ahead: how many clips may be loaded or loading at once, which bounds the memory.
    then, begun: samples that are probably asked for next; their clips are loaded into `begun` where these
    leave room. What is in there already is not loaded again.
    A clip that cannot be read, or made (see `video.made`), is a `NoResult` of its sample; any other error
    is a defect and is raised.
    """
    clips = BegunClips(threads=threads) if begun is None else begun
    waiting: deque[tuple[Sample, Future[Clip]]] = deque()
    upcoming, later = iter(samples), iter(then)

    def fill() -> None:
        for sample in _take(upcoming, ahead - len(waiting)):
            waiting.append((sample, clips.taken(sample, load)))
        for sample in _take(later, ahead - len(waiting) - len(clips)):
            clips.begin(sample, load)

    try:
        fill()
        while waiting:
            sample, future = waiting.popleft()
            yield sample, _clip_or_failure(future)
            fill()
    finally:
        for _, future in waiting:
            future.cancel()
        if begun is None:
            clips.close()


def _take(samples: Iterator[Sample], count: int) -> list[Sample]:
    return list(islice(samples, max(0, count)))


def _clip_of(sample: Sample) -> ClipSource:
    if sample.clip is None:
        raise ValueError(f"sample {sample.id} has no clip to load")
    return sample.clip


def _clip_or_failure(future: Future[Clip]) -> Clip | NoResult:
    try:
        return future.result()
    except (VideoError, GenerationError, TokenizerError) as error:
        return NoResult(str(error))
