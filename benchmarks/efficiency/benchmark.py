"""What a tokenizer costs as clips grow: tokens, FLOPs, latency, throughput and peak memory, all measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vtok_eval.benchmark import Context, Evaluator, Outcome, Sample
from vtok_eval.errors import SuiteError, one_line
from vtok_eval.results.description import Description
from vtok_eval.results.records import Metric
from vtok_eval.systems import System, SystemKind

if TYPE_CHECKING:
    import torch

    from vtok_eval.data import Clips
    from vtok_eval.systems import Tokenizer

PAPER_CLIP = 16
"""The short table shows the clip length nearest to this one."""


@dataclass(frozen=True)
class CostQuantity:
    """One measured quantity: `name` begins the metric's name, as in "latency_ms@16"."""

    name: str
    title: str
    unit: str
    group: str
    higher_is_better: bool = False
    headline: bool = False


QUANTITIES = (
    CostQuantity("tokens", "tokens", "tokens", "tokens", headline=True),
    CostQuantity("bits", "bits", "bits", "tokens"),
    CostQuantity("gflop", "FLOPs of encoding", "GFLOP", "compute"),
    CostQuantity("latency_ms", "latency", "ms", "latency", headline=True),
    CostQuantity("throughput_fps", "throughput", "frames/s", "throughput", higher_is_better=True),
    CostQuantity("memory_mib", "peak memory", "MiB", "memory"),
)

NOTES = (
    "Bits are those of the tokens: of values, width times the bits of their stored precision; of codes, log2 "
    "of their code books' sizes.",
    "Tokens, latency and throughput are measured anew in every repeat, on another clip; FLOPs and peak "
    "memory, which do not vary, once for each clip length.",
    "Latency is the median over the passes of a repeat, of encoding one clip that is already on the device: "
    "nothing is decoded, and no feature cache is used.",
    "The backbone passes over just the clip's frames; elsewhere vtok-eval fills passes up to a fixed number "
    "of frames, for the same features to the last bit in every batch, and pays for that.",
    "Throughput counts input frames per second, in batches of batch_size clips.",
    "FLOPs count a multiply-add as 2 and hold matrix products, convolutions and attention only (torch's "
    "FlopCounterMode), for one clip.",
    "Peak memory is what encoding one clip needs beyond weights and input: by torch's allocator on CUDA, by "
    "following live tensors on a CPU (scratch memory inside an operation is not seen).",
    "A tokenizer in another environment (exec:) is timed in its own process, without what moves clips and "
    "tokens; its FLOPs and memory are given where torch there can tell them.",
    "Repeats run one after the other, but systems run one job after another: whatever else the machine does "
    "meanwhile falls on one of them. Small differences in latency mean nothing; compare latencies only "
    "within one run on an otherwise idle machine.",
)


class Efficiency:
    """Measures one tokenizer at several clip lengths; every (length, repeat) is a sample.

    Example:
        >>> [metric.name for metric in Efficiency(lengths=[4, 8]).metrics()][:2]
        ['tokens@4', 'tokens@8']
    """

    name = "efficiency"
    version = "1"
    accepts = frozenset({SystemKind.TOKENIZER})
    parallel = False

    def __init__(
        self,
        *,
        lengths: Sequence[int] = (4, 8, 16, 32, 64),
        clip_size: int = 64,
        fps: float = 4.0,
        repeats: int = 5,
        passes: int = 3,
        warmup: int = 1,
        batch_size: int = 4,
    ) -> None:
        """Set what is measured.

        lengths: frames per clip. clip_size: height and width in pixels. fps: frames per second of the clips.
        repeats: samples for each length, what the interval is over. passes: timed encodes in each repeat.
        warmup: encodes that are not timed, before the first repeat of a length.
        batch_size: clips per batch for the throughput (latency is of one clip).

        Raises:
            SuiteError: an option that is not a whole number of at least 1 (`warmup`: 0), or a length twice.
        """
        if isinstance(lengths, str) or not isinstance(lengths, Sequence) or not lengths:  # type: ignore[unreachable]  # from YAML it may be a text
            raise SuiteError(f"efficiency: lengths must be a list of frame counts, not {lengths!r}")
        for length in lengths:
            _check_whole("each of lengths", length, least=1)
        if len(set(lengths)) != len(lengths):
            raise SuiteError(f"efficiency: lengths must differ, not {list(lengths)}")
        for option, value in (("clip_size", clip_size), ("repeats", repeats), ("passes", passes)):
            _check_whole(option, value, least=1)
        _check_whole("warmup", warmup, least=0)
        _check_whole("batch_size", batch_size, least=1)
        if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 0 < fps < float("inf"):
            raise SuiteError(f"efficiency: fps must be a positive number, not {fps!r}")
        self.lengths = tuple(sorted(lengths))
        self.clip_size = clip_size
        self.fps = float(fps)
        self.repeats = repeats
        self.passes = passes
        self.warmup = warmup
        self.batch_size = batch_size

    def metrics(self) -> Sequence[Metric]:
        """Each quantity at each clip length, named `quantity@frames`."""
        headline = min(self.lengths, key=lambda length: abs(length - PAPER_CLIP))
        return [
            Metric(
                name=f"{quantity.name}@{length}",
                title=f"{quantity.title}, {length} frames",
                unit=quantity.unit,
                higher_is_better=quantity.higher_is_better,
                group=quantity.group,
                headline=quantity.headline and length == headline,
                failed_as=None,
            )
            for quantity in QUANTITIES
            for length in self.lengths
        ]

    def samples(self, system: System) -> Sequence[Sample]:
        """One for each length and repeat; lengths alternate, so that a slow spell does not fall on one."""
        return [
            Sample(
                id=f"frames-{length}/repeat-{repeat}",
                cluster=f"frames-{length}/repeat-{repeat}",
                meta={"n_frames": length, "repeat": repeat},
            )
            for repeat in range(self.repeats)
            for length in self.lengths
        ]

    def prepare(self, system: System, context: Context) -> Evaluator:
        """Build the tokenizer a second time, without the feature cache that would make encoding look free."""
        from benchmarks.efficiency.uncached import uncached_tokenizer

        tokenizer = uncached_tokenizer(system, context.device)
        return EfficiencyEvaluator(
            options=self, tokenizer=tokenizer, device=context.device, seed=context.seed
        )

    def describe(self) -> Description:
        """The options, and how each quantity is measured."""
        options = {
            "lengths": list(self.lengths),
            "clip_size": self.clip_size,
            "fps": self.fps,
            "repeats": self.repeats,
            "passes": self.passes,
            "warmup": self.warmup,
            "batch_size": self.batch_size,
        }
        facts = {
            "clips": "noise moving one pixel a frame, from the run's seed",
            "protocol": "vtok-eval's own",
        }
        return Description(options=options, facts=facts, notes=NOTES, cost=(self._cost_in_words(),))

    def _cost_in_words(self) -> str:
        """Frames that one system encodes: counting FLOPs and memory, warming up, and the timed passes."""
        timed = self.repeats * self.passes
        clips = 2 + (self.warmup + timed) * (1 + self.batch_size * (self.batch_size > 1))
        return (
            f"each system encodes {clips * sum(self.lengths):,} frames, none of them from the feature cache"
        )


@dataclass(frozen=True)
class _Fixed:
    """What does not vary between repeats of one length; None where it cannot be measured."""

    gflop: float | None
    memory_mib: float | None


class EfficiencyEvaluator:
    """Measures one sample after the other, alone on the device."""

    def __init__(self, *, options: Efficiency, tokenizer: Tokenizer, device: torch.device, seed: int) -> None:
        self._options = options
        self._tokenizer = tokenizer
        self._device = device
        self._seed = seed
        self._fixed: dict[int, _Fixed] = {}

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """Measure each sample; a tokenizer that raises fails the sample it raised on, with its reason."""
        import torch

        with torch.inference_mode():
            return [self._attempt(sample) for sample in samples]

    def _attempt(self, sample: Sample) -> Outcome:
        from vtok_eval.run.runners.isolation import attempt

        n_frames, repeat = sample.meta["n_frames"], sample.meta["repeat"]
        outcome = attempt(lambda: self._measure(n_frames, repeat), what=sample.id)
        return Outcome(error=one_line(outcome)) if isinstance(outcome, Exception) else outcome

    def _measure(self, n_frames: int, repeat: int) -> Outcome:
        import torch

        from benchmarks.efficiency.clips import moving_noise
        from benchmarks.efficiency.measure import time_encode
        from vtok_eval.data import Clips
        from vtok_eval.token_costs import token_costs

        options, device = self._options, self._device
        batch = moving_noise(
            n_clips=options.batch_size,
            n_frames=n_frames,
            size=options.clip_size,
            fps=options.fps,
            seeds=(self._seed, n_frames, repeat),
            device=str(device),
        )
        one = Clips(frames=batch.frames[:1], fps=batch.fps[:1])
        if n_frames not in self._fixed:
            self._fixed[n_frames] = self._first(one, batch)
        fixed = self._fixed[n_frames]
        single = time_encode(self._tokenizer, one, passes=options.passes, device=device)
        many = single
        if options.batch_size > 1:
            many = time_encode(self._tokenizer, batch, passes=options.passes, device=device)
        tokens = float(many.tokens.count().double().mean())
        latency = statistics.median(single.seconds)
        measured = {
            "tokens": tokens,
            "bits": tokens * many.tokens.bits_per_token,
            "latency_ms": 1e3 * latency,
            "throughput_fps": options.batch_size * n_frames / statistics.median(many.seconds),
        }
        if fixed.gflop is not None:
            measured["gflop"] = fixed.gflop
        if fixed.memory_mib is not None:
            measured["memory_mib"] = fixed.memory_mib
        return Outcome(
            values={f"{name}@{n_frames}": (value,) for name, value in measured.items()},
            outputs={
                "seconds_one_clip": list(single.seconds),
                "seconds_batch": list(many.seconds),
                "batch_size": options.batch_size,
                "tokens": many.tokens.count().tolist(),
                "device": _device_name(device),
                "threads": torch.get_num_threads(),
            },
            cost={
                **token_costs(one.frames.shape, tokens=tokens, bits=tokens * many.tokens.bits_per_token),
                "seconds": latency,
            },
        )

    def _first(self, one: Clips, batch: Clips) -> _Fixed:
        """Count what does not vary, then warm up: the counting itself warms nothing that is timed later."""
        from benchmarks.efficiency.measure import MIB, count_flops, peak_memory

        flops = count_flops(lambda: self._tokenizer.encode(one))
        n_bytes = peak_memory(lambda: self._tokenizer.encode(one), device=self._device)
        for _ in range(self._options.warmup):
            self._tokenizer.encode(one)
            if len(batch) > 1:
                self._tokenizer.encode(batch)
        return _Fixed(
            gflop=None if flops is None else flops / 1e9,
            memory_mib=None if n_bytes is None else n_bytes / MIB,
        )


def _check_whole(option: str, value: object, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SuiteError(f"efficiency: {option} must be a whole number of at least {least}, not {value!r}")


def _device_name(device: torch.device) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
