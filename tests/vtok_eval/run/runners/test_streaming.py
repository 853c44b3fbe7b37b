"""Streaming: every sample once, as many at once as allowed, and no result waits for a slower one."""

import threading
from dataclasses import dataclass

import pytest
import torch

from vtok_eval.benchmark import NoResult, Sample
from vtok_eval.data import Clip
from vtok_eval.errors import MissingDependencyError, VideoError
from vtok_eval.run.runners.runner import Runner
from vtok_eval.run.runners.streaming import stream


@dataclass(frozen=True)
class Numbered:
    number: int

    @property
    def key(self) -> str:
        return f"numbered/{self.number}"

    def load(self) -> Clip:
        if self.number == 5:
            raise VideoError("clip 5 is broken")
        # Clips of different lengths need not be alike to go side by side.
        return Clip(torch.full((1 + self.number, 3, 4, 4), self.number, dtype=torch.uint8), fps=4.0)


def samples(n: int) -> list[Sample]:
    with_clip = [Sample(id=str(i), cluster=str(i), clip=Numbered(i)) for i in range(n)]
    return [*with_clip, Sample(id="blind", cluster="blind")]


def run(function, *, concurrency: int, n: int = 20) -> dict[str, object]:
    found: dict[str, object] = {}
    runner = Runner(torch.device("cpu"))
    for sample, result in runner.stream(samples(n), function, concurrency=concurrency, description="test"):
        assert sample.id not in found
        found[sample.id] = result
    return found


@pytest.mark.parametrize("concurrency", [1, 3, 64])
def test_every_sample_has_its_own_result_and_bad_ones_fail_alone(concurrency):
    def number(batch, clips):
        assert torch.is_inference_mode_enabled()
        assert len(batch) == 1
        if batch[0].id == "7":
            raise RuntimeError("no seven")
        return [-1 if clips is None else int(clips.frames.float().mean())]

    found = run(number, concurrency=concurrency)
    assert found.pop("blind") == -1
    assert found.pop("5") == NoResult("clip 5 is broken")
    assert found.pop("7") == NoResult("RuntimeError: no seven")
    assert found == {str(i): i for i in range(20) if i not in (5, 7)}


def test_as_many_at_once_as_allowed_and_never_more():
    lock, together = threading.Lock(), threading.Barrier(4)
    running, most = 0, 0

    def count(batch, clips):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(timeout=60)  # opens only where four are under way
        with lock:
            running -= 1
        return [0]

    # 24 clips, one of them broken, and a sample without a clip: four at a time, six times.
    assert len(run(count, concurrency=4, n=24)) == 25
    assert most == 4


def test_a_slow_sample_holds_up_no_other():
    release = threading.Event()
    seen = []
    for item, _ in stream(iter(range(10)), lambda item: item or release.wait(60), concurrency=2):
        seen.append(item)
        if len(seen) == 9:
            release.set()
    assert seen[-1] == 0
    assert sorted(seen) == list(range(10))


def test_items_are_drawn_only_as_there_is_room():
    drawn, release = [], threading.Event()

    def items():
        for item in range(100):
            drawn.append(item)
            yield item

    results = stream(items(), lambda item: release.wait(60), concurrency=3)
    threading.Timer(0.05, release.set).start()
    next(results)
    assert len(drawn) <= 4


def test_what_concerns_the_whole_run_ends_it():
    def down(batch, clips):
        raise MissingDependencyError("the server is down")

    with pytest.raises(MissingDependencyError, match="the server is down"):
        run(down, concurrency=4)
