"""The in-process runner: batches samples by clip shape, runs a function over them, isolates failures."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from vtok_eval.benchmark import ClipSource, NoResult, Sample, Unread
from vtok_eval.devices.deferred import Deferred
from vtok_eval.errors import one_line
from vtok_eval.run.runners.cores import cores_at_hand
from vtok_eval.run.runners.held import HeldClips, UnreadClips
from vtok_eval.run.runners.isolation import attempt
from vtok_eval.run.runners.loading import BegunClips, load_ahead
from vtok_eval.run.runners.memory import is_out_of_memory

if TYPE_CHECKING:
    import torch

    from vtok_eval.data import Clip, ClipForm, Clips
    from vtok_eval.video.clip_cache import ClipCache

Result = TypeVar("Result")
Given = TypeVar("Given")
BatchFunction = Callable[[Sequence[Sample], "Clips | None"], "Sequence[Result] | Deferred[Sequence[Result]]"]
_ASKED_AT_ONCE = 256
"""How many clips `Unread` is asked about before the first of them is loaded."""
_UNDER_WAY = 1
"""Batches whose results are waited for only when so many later ones have been begun."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runner:
    """Runs functions over samples, on one device, batch by batch.

    batch_size: samples handed over at once, at most; halved for good when memory runs out.
    loader_threads: threads that decode or render ahead of the device; as many as there are cores at hand.
    clip_cache: keeps loaded clips in memory for the next system, within its bound.
    begin_at: where in its samples a pass begins, as a share of them; it goes on from the first. Lanes that
        extract features of the same clips begin at different places and find the others' in the store.
    begun: where clips are kept that a pass has loaded for the next one; None: no pass loads for the next.
    """

    device: torch.device
    batch_size: int = 16
    loader_threads: int = field(default_factory=cores_at_hand)
    clip_cache: ClipCache | None = None
    begin_at: float = 0.0
    begun: BegunClips | None = None

    def map(
        self,
        samples: Sequence[Sample],
        function: BatchFunction[Result],
        *,
        description: str,
        unread: Unread | None = None,
        then: Sequence[Sample] = (),
    ) -> Iterator[tuple[Sample, Result | NoResult]]:
        """Yield each sample once, with the function's result or the reason why it has none.

        Clips of one shape are batched together, so results may come in another order than the samples. Where
        the function gives a `Deferred` that is not ready, the next batch is begun before it is waited for.
        The function runs under inference mode. Where it raises on a batch, the batch is halved if memory
        ran out, else each of its samples is tried alone, so that a bad sample fails alone.

        unread: says for which clips the function does not need the pixels, and their form; these are handed
        over as `UnreadClips`, and are decoded or rendered only if the function reads pixels after all.
        then: the samples of the next pass, as far as they are known. With `begun`, their clips are loaded
        while this pass computes.

        Raises:
            MissingDependencyError, RunFolderError: these concern the whole run.
        """
        from vtok_eval.progress import steps

        first = int(self.begin_at * len(samples))
        turned = [*samples[first:], *samples[:first]]
        self._keep_begun(samples)
        with steps(description, total=len(samples), unit="clip") as progress:
            for done in _Batches(self, function, unread, then).run(turned):
                progress.update()
                yield done

    def stream(
        self,
        samples: Sequence[Sample],
        function: BatchFunction[Result],
        *,
        concurrency: int,
        description: str,
        then: Sequence[Sample] = (),
    ) -> Iterator[tuple[Sample, Result | NoResult]]:
        """As `map`, but one sample at a time on each of `concurrency` threads; no result waits for another.

        For functions that wait for a server. Clips are loaded ahead meanwhile; nothing is batched.

        Raises:
            MissingDependencyError, RunFolderError: these concern the whole run.
        """
        from vtok_eval.progress import steps
        from vtok_eval.run.runners.streaming import stream

        batches = _Batches(self, function)
        self._keep_begun(samples)
        with steps(description, total=len(samples), unit="clip") as progress:
            loaded = self._with_clips(samples, then, ahead=self.loader_threads + concurrency)
            for (sample, _), result in stream(loaded, batches.single, concurrency=concurrency):
                progress.update()
                yield sample, result

    def _with_clips(
        self, samples: Sequence[Sample], then: Sequence[Sample], *, ahead: int
    ) -> Iterator[tuple[Sample, Clip | NoResult | None]]:
        """Samples without a clip, then those with one, loaded at most `ahead` of them ahead."""
        yield from ((sample, None) for sample in samples if sample.clip is None)
        yield from self.loaded(samples, then, ahead=ahead)

    def loaded(
        self, samples: Sequence[Sample], then: Sequence[Sample], *, ahead: int
    ) -> Iterator[tuple[Sample, Clip | NoResult]]:
        """Those samples that have a clip, with it; see `load_ahead`."""
        return load_ahead(
            [sample for sample in samples if sample.clip is not None],
            self.load,
            threads=self.loader_threads,
            ahead=ahead,
            then=[sample for sample in then if sample.clip is not None] if self.begun is not None else (),
            begun=self.begun,
        )

    def _keep_begun(self, samples: Sequence[Sample]) -> None:
        """Drop the clips that were loaded for another pass than that of these samples."""
        if self.begun is not None:
            self.begun.only(samples)

    def load(self, source: ClipSource) -> Clip:
        """The source's clip with its key, from memory where it is kept there."""
        # An empty cache is false by its length.
        clip = source.load() if self.clip_cache is None else self.clip_cache.load(source)
        return clip if clip.key is not None else clip.with_key(source.key)


@dataclass
class _Batches(Generic[Result]):
    """One pass over samples: the state of a `Runner.map` call."""

    runner: Runner
    function: BatchFunction[Result]
    unread: Unread | None = None
    then: Sequence[Sample] = ()
    batch_size: int = field(init=False)
    under_way: deque[tuple[Sequence[Sample], Clips | None, Deferred[Sequence[Result]]]] = field(
        default_factory=deque, init=False
    )

    def __post_init__(self) -> None:
        self.batch_size = self.runner.batch_size

    def run(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, Result | NoResult]]:
        yield from self._run_all(samples)
        while self.under_way:
            yield from self._finish_oldest()

    def _run_all(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, Result | NoResult]]:
        without_clip = [sample for sample in samples if sample.clip is None]
        for start in range(0, len(without_clip), self.batch_size):
            yield from self._attempt(without_clip[start : start + self.batch_size], None)
        with_clip = [sample for sample in samples if sample.clip is not None]
        # Asked piece by piece: another process may store features meanwhile.
        size = len(with_clip) if self.unread is None else _ASKED_AT_ONCE
        for start in range(0, len(with_clip), max(1, size)):
            piece = with_clip[start : start + size]
            forms = {sample.id: form for sample in piece if (form := self._form_of(sample)) is not None}
            yield from self._run_unread([sample for sample in piece if sample.id in forms], forms)
            is_last = start + size >= len(with_clip)
            then = [sample for sample in self.then if self._form_of(sample) is None] if is_last else ()
            yield from self._run_clips([sample for sample in piece if sample.id not in forms], then)

    def _form_of(self, sample: Sample) -> ClipForm | None:
        return None if self.unread is None or sample.clip is None else self.unread(sample.clip)

    def _run_unread(
        self, samples: Sequence[Sample], forms: Mapping[str, ClipForm]
    ) -> Iterator[tuple[Sample, Result | NoResult]]:
        by_form: dict[ClipForm, list[Sample]] = defaultdict(list)
        for sample in samples:
            by_form[forms[sample.id]].append(sample)
        for form, alike in by_form.items():
            for start in range(0, len(alike), self.runner.batch_size):
                batch = alike[start : start + self.runner.batch_size]
                sources = [sample.clip for sample in batch if sample.clip is not None]
                clips = UnreadClips.of(sources, form, self.runner.load, self.runner.device)
                yield from self._attempt(batch, clips)

    def single(self, loaded: tuple[Sample, Clip | NoResult | None]) -> Result | NoResult:
        """The result of one sample by itself; any number of threads may ask at once."""
        sample, clip = loaded
        if isinstance(clip, NoResult):
            return clip
        clips = None if clip is None else HeldClips.holding([clip], self.runner.device)
        results = self._begun([sample], clips)
        if isinstance(results, Deferred):
            results = self._arrived(results, n_samples=1)
        return NoResult(one_line(results)) if isinstance(results, Exception) else results[0]

    def _run_clips(
        self, samples: Sequence[Sample], then: Sequence[Sample]
    ) -> Iterator[tuple[Sample, Result | NoResult]]:
        by_shape: dict[tuple[int, ...], list[tuple[Sample, Clip]]] = defaultdict(list)
        ahead = 2 * self.runner.batch_size + self.runner.loader_threads
        loaded = self.runner.loaded(samples, then, ahead=ahead)
        for sample, clip in loaded:
            if isinstance(clip, NoResult):
                yield sample, clip
                continue
            batch = by_shape[tuple(clip.frames.shape)]
            batch.append((sample, clip))
            if len(batch) >= self.batch_size:
                del by_shape[tuple(clip.frames.shape)]
                yield from self._attempt_clips(batch)
        for batch in by_shape.values():
            yield from self._attempt_clips(batch)

    def _attempt_clips(
        self, batch: Sequence[tuple[Sample, Clip]]
    ) -> Iterator[tuple[Sample, Result | NoResult]]:
        # The batch size may have been halved since this batch was begun.
        for start in range(0, len(batch), self.batch_size):
            part = batch[start : start + self.batch_size]
            clips = HeldClips.holding([clip for _, clip in part], self.runner.device)
            yield from self._attempt([sample for sample, _ in part], clips)

    def _attempt(
        self, samples: Sequence[Sample], clips: Clips | None
    ) -> Iterator[tuple[Sample, Result | NoResult]]:
        begun = self._begun(samples, clips)
        if isinstance(begun, Deferred) and not begun.ready:
            self.under_way.append((samples, clips, begun))
            while len(self.under_way) > _UNDER_WAY:
                yield from self._finish_oldest()
            return
        if isinstance(begun, Deferred):
            begun = self._arrived(begun, n_samples=len(samples))
        yield from self._settled(samples, clips, begun)

    def _finish_oldest(self) -> Iterator[tuple[Sample, Result | NoResult]]:
        samples, clips, begun = self.under_way.popleft()
        yield from self._settled(samples, clips, self._arrived(begun, n_samples=len(samples)))

    def _settled(
        self, samples: Sequence[Sample], clips: Clips | None, outcome: Sequence[Result] | Exception
    ) -> Iterator[tuple[Sample, Result | NoResult]]:
        """Each sample with its result; where there is an exception instead, smaller batches are tried."""
        if not isinstance(outcome, Exception):
            yield from zip(samples, outcome, strict=True)
            return
        if len(samples) == 1:
            yield samples[0], NoResult(one_line(outcome))
            return
        part_size = 1
        if is_out_of_memory(outcome):
            part_size = -(-len(samples) // 2)
            self.batch_size = min(self.batch_size, part_size)
            log.warning("out of memory with %d samples in a batch; going on with %d", len(samples), part_size)
        for start in range(0, len(samples), part_size):
            stop = start + part_size
            yield from self._attempt(samples[start:stop], None if clips is None else clips.part(start, stop))

    def _begun(
        self, samples: Sequence[Sample], clips: Clips | None
    ) -> Sequence[Result] | Deferred[Sequence[Result]] | Exception:
        """What the function gives, which may still be on its way."""
        results = _guarded(lambda: self.function(samples, clips), n_samples=len(samples))
        if isinstance(results, Exception | Deferred):
            return results
        return _as_many(results, n_samples=len(samples))

    def _arrived(self, begun: Deferred[Sequence[Result]], *, n_samples: int) -> Sequence[Result] | Exception:
        """The results that were on their way."""
        results = _guarded(begun.get, n_samples=n_samples)
        return results if isinstance(results, Exception) else _as_many(results, n_samples=n_samples)


def _as_many(results: Sequence[Result], *, n_samples: int) -> Sequence[Result] | Exception:
    if len(results) != n_samples:
        return ValueError(f"gave {len(results)} results for {n_samples} samples")
    return results


def _guarded(action: Callable[[], Given], *, n_samples: int) -> Given | Exception:
    """What `action` gives under inference mode, or its exception."""
    import torch

    def without_gradients() -> Given:
        with torch.inference_mode():
            return action()

    return attempt(without_gradients, what=f"a batch of {n_samples} samples")
