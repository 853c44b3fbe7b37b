"""How fast frames become tokens: the feature path with a backbone that costs nothing, and with a real one.

    python -m tools.speed.feature_path [--clips 40] [--device cpu] [--backbone NAME] [--size 336]

First the path alone, at the paper's size: clips of 16 frames of 336 pixels that are in memory already, maps
of 1024 x 24 x 24 that a backbone hands out at once, VTok with a residual for every frame. Frames a second
without a store, with an empty one and with a full one; and of whole maps through the store, which is what a
tokenizer gets that calls `backbone.maps`. Then MP4 files through a real backbone to tokens, next to its
bare forward pass over frames that are on the device already, and the decoding alone. With `--device cuda`
the share of the wall time in which the device computes is measured by events around each forward pass.

The last lines give each rate as a share of its bar: 3,000 frames/s with an empty store and 10,000 with a full
one, two grids kept; MP4 to tokens at 95 % of the bare forward pass.

Every rate is given by the wall clock and by the CPU time of the process (all its threads): on a machine
that does other things at the same time only the second is worth anything.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from vtok_eval.benchmark import ClipSource, Sample
from vtok_eval.data import Clip, ClipForm
from vtok_eval.probes.training_clips.collection import collect
from vtok_eval.results.description import Description
from vtok_eval.run.runners.device import choose_device
from vtok_eval.run.runners.runner import Runner
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.backbones.cached import CachedBackbone
from vtok_eval.tokenizers.build import BuildContext
from vtok_eval.tokenizers.feature_cache import FeatureCache
from vtok_eval.tokenizers.vtok import VTok

N_FRAMES = 16
_BYTES = 8 * 2**30
BARS = {"free backbone, empty store": 3_000, "free backbone, full store": 10_000}
"""Frames a second on a quiet core."""
SHARE_OF_FORWARD = 0.95
"""What MP4 to tokens should reach of the bare forward pass."""


class FreeBackbone(Backbone):
    """Maps of 1024 x 24 x 24, as CLIP-L/336 gives them, ready before anyone asks."""

    channels = 1024

    def __init__(self, device: torch.device) -> None:
        self.device = device
        # A ViT's memory layout: the channels of a cell are contiguous.
        generator = torch.Generator(device="cpu").manual_seed(0)
        cells = torch.randn(64, 24, 24, self.channels, generator=generator, device="cpu")
        self._maps = cells.to(device).permute(0, 3, 1, 2)

    def describe(self) -> Description:
        """Its name."""
        return Description(facts={"name": "free"})

    def _forward(self, frames: Tensor) -> Tensor:
        return self._maps[: len(frames)]


@dataclass(frozen=True)
class InMemory:
    """A clip that is there already; satisfies `ClipSource`."""

    number: int
    frames: Tensor

    @property
    def key(self) -> str:
        """Its number."""
        return f"in-memory/{self.number}/{tuple(self.frames.shape)}"

    @property
    def form(self) -> ClipForm:
        """Of its frames."""
        n_frames, _, height, width = self.frames.shape
        return ClipForm(n_frames, height, width, 4.0)

    def load(self) -> Clip:
        """The frames as they are."""
        return Clip(self.frames, 4.0)


@dataclass
class Rate:
    """Frames, and what they took."""

    frames: int
    wall_s: float = 0.0
    cpu_s: float = 0.0
    device_s: float = 0.0

    def __str__(self) -> str:
        """Frames a second by both clocks."""
        busy = f", device busy {self.device_s / self.wall_s:.0%}" if self.device_s else ""
        by_cpu = f"{self.frames / self.cpu_s:,.0f} a CPU-second"
        return f"{self.frames / self.wall_s:,.0f} frames/s ({by_cpu}{busy})"


@dataclass
class Measured:
    """All rates by name, in the order of measuring."""

    rates: dict[str, Rate] = field(default_factory=dict)

    @contextmanager
    def rate(self, name: str, frames: int, device: torch.device) -> Iterator[Rate]:
        """Time what is done inside."""
        found = Rate(frames)
        wall, cpu = time.perf_counter(), time.process_time()
        yield found
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.wall_s, found.cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        self.rates[name] = found
        _say(f"{name}: {found}")


def main() -> None:
    """Measure and print; `--json` keeps the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=336, help="side of the MP4 files' frames, in pixels")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    measured = Measured()
    with tempfile.TemporaryDirectory() as folder:
        measure_free(measured, Path(folder), clips=arguments.clips, device=device)
        measure_real(
            measured, Path(folder), clips=arguments.clips, device=device, backbone=arguments.backbone,
            size=arguments.size,
        )  # fmt: skip
    print_bars(measured, backbone=arguments.backbone)
    if arguments.json is not None:
        rates = {name: asdict(rate) for name, rate in measured.rates.items()}
        arguments.json.write_text(json.dumps(rates, indent=1) + "\n")


def print_bars(measured: Measured, *, backbone: str) -> None:
    """Every bar with what was reached of it."""
    for name, bar in BARS.items():
        rate = measured.rates[name]
        by_cpu, by_wall = rate.frames / rate.cpu_s / bar, rate.frames / rate.wall_s / bar
        _say(f"{name} / {bar:,} frames/s: {by_cpu:.2f} by CPU time, {by_wall:.2f} by the wall clock")
    path = measured.rates[f"{backbone}, MP4 to tokens, empty store"]
    forward = measured.rates[f"{backbone}, bare forward"]
    by_cpu, by_wall = forward.cpu_s / path.cpu_s, forward.wall_s / path.wall_s
    _say(
        f"MP4 to tokens / bare forward (bar {SHARE_OF_FORWARD}): {by_cpu:.2f} by CPU time, "
        f"{by_wall:.2f} by the wall clock"
    )


def measure_free(measured: Measured, folder: Path, *, clips: int, device: torch.device) -> None:
    """The path with a backbone that costs nothing."""
    generator = torch.Generator(device="cpu").manual_seed(1)
    shape = (N_FRAMES, 3, 336, 336)
    frames = [torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8) for _ in range(4)]
    samples = _samples([InMemory(number, frames[number % 4]) for number in range(clips)])
    free, n_frames = FreeBackbone(device), clips * N_FRAMES
    runner = Runner(device, batch_size=8)
    # Not measured: what is imported and allocated once.
    collect(VTok(backbone=free, stride=1), samples[:8], runner, description="warm-up")
    with measured.rate("free backbone, no store", n_frames, device):
        collect(VTok(backbone=free, stride=1), samples, runner, description="no store")
    cache = FeatureCache(folder / "free", max_bytes=_BYTES)
    tokenizer = VTok(backbone=CachedBackbone(free, cache), stride=1)
    for name in ("empty", "full"):
        with measured.rate(f"free backbone, {name} store", n_frames, device):
            collect(tokenizer, samples, runner, description=name)
    whole = CachedBackbone(free, FeatureCache(folder / "whole", max_bytes=_BYTES))
    for name in ("empty", "full"):
        with measured.rate(f"free backbone, whole maps, {name} store", n_frames, device):
            for sample in samples:
                assert sample.clip is not None
                whole.maps(sample.clip.load().frames)


def measure_real(
    measured: Measured, folder: Path, *, clips: int, device: torch.device, backbone: str, size: int
) -> None:
    """MP4 files to tokens through a real backbone, and its parts."""
    files = _encoded(folder / "videos", clips, size)
    cache = FeatureCache(folder / "real", max_bytes=_BYTES)
    cached = BuildContext(device=device, cache=cache).backbone(backbone)
    assert isinstance(cached, CachedBackbone)
    n_frames = clips * N_FRAMES
    loaded = [source.load() for source in files]
    batches = [clip.frames.to(device) for clip in loaded]
    cached.inner.maps(batches[0])
    with measured.rate(f"{backbone}, bare forward", n_frames, device) as bare, _timed(cached.inner, bare):
        for batch in batches:
            cached.inner._pass(batch)
    with measured.rate("decoding alone", n_frames, device):
        for source in files:
            source.load()
    tokenizer = VTok(backbone=cached, stride=1)
    # The last pass of a batch is filled up: larger batches, as runs have them, waste less.
    runner = Runner(device, batch_size=16)
    for name in ("empty", "full"):
        label = f"{backbone}, MP4 to tokens, {name} store"
        with measured.rate(label, n_frames, device) as rate, _timed(cached.inner, rate):
            collect(tokenizer, _samples(files), runner, description=name)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _samples(sources: list[InMemory] | list[ClipSource]) -> list[Sample]:
    return [Sample(id=source.key, cluster=source.key, clip=source) for source in sources]


def _encoded(folder: Path, clips: int, size: int) -> list[ClipSource]:
    """Rendered scenes as MP4 files."""
    from vtok_eval.scenes.dataset import SceneSet
    from vtok_eval.video.encode import encode
    from vtok_eval.video.sources import VideoFile

    folder.mkdir()
    files: list[ClipSource] = []
    for number, clip in enumerate(SceneSet(0, "test", clips, size=size, n_frames=N_FRAMES).clips()):
        path = folder / f"{number}.mp4"
        encode(clip.load(), path)
        files.append(VideoFile(path))
    return files


@contextmanager
def _timed(backbone: Backbone, rate: Rate) -> Iterator[None]:
    """On a GPU, add the seconds of every forward pass to `rate`, by events that do not wait."""
    if backbone.device.type != "cuda":
        yield
        return
    forward: Callable[[Tensor], Tensor] = backbone._forward
    events = []

    def recorded(frames: Tensor) -> Tensor:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        maps = forward(frames)
        end.record()
        events.append((begin, end))
        return maps

    backbone._forward = recorded  # type: ignore[method-assign]  # for the time of the measurement
    try:
        yield
    finally:
        del backbone._forward
        torch.cuda.synchronize(backbone.device)
        rate.device_s = sum(begin.elapsed_time(end) for begin, end in events) / 1e3


if __name__ == "__main__":
    main()
