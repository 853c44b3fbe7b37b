"""Copies to and from a device: their order, on a stand-in that copies as late as it may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from tests.vtok_eval.devices.slow_device import SlowDevice
from vtok_eval.benchmark import Sample
from vtok_eval.data import Clips
from vtok_eval.devices import transfer
from vtok_eval.devices.transfer import CudaTransfer, DirectTransfer, passes
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.features import begin_features
from vtok_eval.probes.training_clips.collection import collect
from vtok_eval.results.description import Description
from vtok_eval.run.runners.runner import Runner
from vtok_eval.scenes.dataset import SceneSet
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.backbones.cached import CachedBackbone
from vtok_eval.tokenizers.feature_cache import FeatureCache
from vtok_eval.tokenizers.vtok import VTok

CPU = torch.device("cpu")


class Pictures(Backbone):
    """The map is the picture; counts passes."""

    channels = 3

    def __init__(self) -> None:
        self.device = CPU
        self.passes = 0

    def describe(self) -> Description:
        return Description(facts={"name": "pictures"})

    def _forward(self, frames: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        return frames.float()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowDevice:
    device = SlowDevice()
    monkeypatch.setitem(transfer._TRANSFERS, CPU, device)
    return device


def pictures_of(n: int, size: tuple[int, int] = (16, 16), seed: int = 0) -> torch.Tensor:
    generator = torch.Generator(device="cpu").manual_seed(seed)
    return torch.randint(0, 255, (n, 3, *size), generator=generator, dtype=torch.uint8, device="cpu")


def clips_of(n: int, n_frames: int, seed: int = 0) -> Clips:
    frames = pictures_of(n * n_frames, seed=seed).unflatten(0, (n, n_frames))
    clips = Clips(frames, torch.full((n,), 4.0, dtype=torch.float64, device="cpu"))
    return clips.with_keys([f"{seed}-{row}" for row in range(n)])


def test_a_batch_is_copied_while_the_one_before_it_is_computed_with(slow) -> None:
    batches = [batch.clone() for batch in passes(list(pictures_of(5)), 2, slow)]
    assert slow.did == [
        "upload 0", "upload 1", "compute 0", "release 0", "upload 2", "compute 1", "release 1", "compute 2",
        "release 2",
    ]  # fmt: skip
    assert torch.equal(torch.cat(batches)[:5], pictures_of(5))
    # The last batch is filled up with the last picture.
    assert torch.equal(batches[2][1], pictures_of(5)[4])


@pytest.mark.parametrize("fill", [True, False])
@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_batches_hold_the_pictures_in_order(n: int, fill: bool) -> None:
    direct = DirectTransfer(CPU)
    for seed in range(3):  # the buffers are used again
        frames = pictures_of(n, seed=seed)
        batches = [batch.clone() for batch in passes(list(frames), 3, direct, fill=fill)]
        assert torch.equal(torch.cat(batches)[:n], frames)
        assert sum(map(len, batches)) == (-(-n // 3) * 3 if fill else n)


def test_two_callers_at_once_do_not_share_a_buffer() -> None:
    direct = DirectTransfer(CPU)
    one, two = pictures_of(8, seed=1), pictures_of(8, seed=2)
    pairs = zip(passes(list(one), 2, direct), passes(list(two), 2, direct), strict=True)
    for number, (first, second) in enumerate(pairs):
        part = slice(2 * number, 2 * number + 2)
        assert torch.equal(first, one[part])
        assert torch.equal(second, two[part])


def test_maps_do_not_depend_on_when_copies_happen(slow) -> None:
    frames = pictures_of(40)  # 16 a pass
    backbone = Pictures()
    assert torch.equal(backbone.maps(frames), frames.half())
    assert backbone.passes == 3
    features = backbone.features(list(frames), [1, 2])
    assert features.keys() == {1, 2}
    torch.testing.assert_close(features[1].float(), frames.float().mean((2, 3))[:, None], atol=0.1, rtol=0)
    assert slow.did[:4] == ["upload 0", "upload 1", "compute 0", "release 0"]


def test_features_are_checked_only_once_they_have_arrived(slow) -> None:
    class Broken:
        def encode(self, clips):
            from vtok_eval.data import Tokens

            return Tokens.of(torch.full((len(clips), 2, 3), float("nan"), device="cpu"))

    begun = begin_features(Broken(), clips_of(2, 3))
    assert not begun.ready
    with pytest.raises(TokenizerError, match=r"NaN or infinite in clips \[0, 1\]"):
        begun.get()


@pytest.mark.parametrize("arrives", [True, False])
def test_what_is_computed_is_stored_when_it_has_arrived(slow, tmp_path: Path, arrives: bool) -> None:
    backbone, cache = Pictures(), FeatureCache(tmp_path)
    tokenizer = VTok(backbone=CachedBackbone(backbone, cache), stride=1)
    plain = VTok(backbone=backbone, stride=1)
    slow.arrives = arrives
    first, second = clips_of(2, 4, seed=1), clips_of(2, 4, seed=2)
    begun = begin_features(tokenizer, first)
    assert cache.has(backbone, "1-0", range(4), (1, 4)) == arrives
    later = begin_features(tokenizer, second)
    computed = backbone.passes
    # These have not been written yet, or have; either way they are not computed again.
    again = begin_features(tokenizer, first)
    assert backbone.passes == computed
    for clips, found in ((first, begun), (second, later), (first, again)):
        for one, other in zip(found.get(), begin_features(plain, clips).get(), strict=True):
            for group, same in zip(one.groups, other.groups, strict=True):
                assert torch.equal(group.values, same.values)
    cache.close()
    assert (cache.hits, cache.misses) == (8, 16)
    after = FeatureCache(tmp_path)
    begin_features(VTok(backbone=CachedBackbone(backbone, after), stride=1), second).get()
    assert (after.hits, after.misses) == (8, 0)


def test_after_a_pass_over_samples_all_is_stored(slow, tmp_path: Path) -> None:
    clips = list(SceneSet(0, "test", 5, size=32, n_frames=4).clips())
    samples = [Sample(id=clip.key, cluster=clip.key, clip=clip) for clip in clips]
    backbone, cache = Pictures(), FeatureCache(tmp_path)
    tokenizer = VTok(backbone=CachedBackbone(backbone, cache), stride=1)
    collect(tokenizer, samples, Runner(CPU, batch_size=2), description="test")
    assert all(cache.has(backbone, clip.key, range(4), (1, 4)) for clip in clips)


def test_stored_and_computed_frames_are_put_in_order(slow, tmp_path: Path) -> None:
    backbone, cache = Pictures(), FeatureCache(tmp_path)
    cached = CachedBackbone(backbone, cache)
    clips = clips_of(3, 4)
    cached.clip_features(clips.part(1, 2), [0, 2], [2])
    mixed = cached.clip_features(clips, [2, 0, 1, 2], [2])
    plain = backbone.clip_features(clips, [2, 0, 1, 2], [2])
    assert torch.equal(mixed[2], plain[2])


class Streams:
    """A stand-in for torch.cuda's streams and events; writes down who waits for what."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.on = "compute"

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        streams = self

        class Stream:
            def __init__(self, device: object = None, name: str = "copies") -> None:
                self.name = name

            def wait_event(self, event: Event) -> None:
                streams.did.append(f"{self.name} waits for {event.after}")

        class Event:
            after = ""

            def record(self, stream: Stream) -> None:
                self.after = f"{stream.name} {len(streams.did)}"
                streams.did.append(f"event on {stream.name}")

            def query(self) -> bool:
                return False

            def synchronize(self) -> None:
                streams.did.append(f"host waits for {self.after}")

        @contextmanager
        def stream(chosen: Stream) -> Iterator[None]:
            before, streams.on = streams.on, chosen.name
            yield
            streams.on = before

        def used_on(stream: Stream, tensor: torch.Tensor) -> None:
            streams.did.append(f"kept for {stream.name}")

        def pinned(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
            streams.did.append(f"pinned for {streams.on}")
            return torch.empty(shape, dtype=dtype, device="cpu")

        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "stream", stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: Stream(name=streams.on))
        monkeypatch.setattr(transfer, "_pinned", pinned)
        monkeypatch.setattr(transfer, "_used_on", used_on)


def test_a_gpus_streams_wait_for_each_other_and_the_host_for_results_only(monkeypatch) -> None:
    """The calls to CUDA, on a stand-in: this has not been run on a GPU."""
    streams = Streams()
    streams.install(monkeypatch)
    gpu = CudaTransfer(CPU)
    frames = pictures_of(3)
    batches = [batch.clone() for batch in passes(list(frames), 2, gpu)]
    assert torch.equal(torch.cat(batches)[:3], frames)
    upload = ["pinned for compute", "event on copies"]
    assert streams.did == [
        *upload, *upload,
        "compute waits for copies 1", "kept for compute", "compute waits for copies 3", "kept for compute",
    ]  # fmt: skip
    assert torch.equal(gpu.bring(list(frames)), frames)
    assert torch.equal(gpu.send(frames[0]), frames[0])


def test_a_gpus_results_are_waited_for_only_when_asked_for(monkeypatch) -> None:
    streams = Streams()
    streams.install(monkeypatch)
    values = torch.ones(2, 3, device="cpu")
    # To the transfer, what has another device than the CPU is on the GPU.
    begun = CudaTransfer(CPU).download(OnGpu(values))
    assert streams.did == ["pinned for compute", "event on compute"]
    assert not begun.done
    assert torch.equal(begun.wait(), values)
    assert streams.did[2:] == ["host waits for compute 1"]


class OnGpu(torch.Tensor):
    """Says that it is on a GPU; its values are on the CPU."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("cuda", 0)
