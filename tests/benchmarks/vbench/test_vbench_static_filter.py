"""The filter for still videos: its numbers by hand, and the package's own class on the same videos."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks.vbench.frames.kept_frames import KeptFrames
from benchmarks.vbench.package import installed_version, vbench_module
from benchmarks.vbench.scorers.static_filter import Limits, StillFlickering
from tests.benchmarks.vbench.conftest import write_frames
from vtok_eval.errors import VideoError

needs_vbench = pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed")


@pytest.mark.parametrize(
    ("n_frames", "side", "expected"),
    [
        # 3 px at 256, round(2 * 16 / 16) = 2 exceptions, 3 * 2 * 2 px from end to end
        (16, 256, Limits(between=3.0, exceptions=2, across=12.0)),
        # 1.5 px at 128; round(2 * 49 / 16) = round(6.125) = 6
        (49, 128, Limits(between=1.5, exceptions=6, across=18.0)),
        # round(2 * 4 / 16) = round(0.5) = 0: no pair may move, and the ends must not be apart at all
        (4, 256, Limits(between=3.0, exceptions=0, across=0.0)),
    ],
)
def test_limits_by_hand(n_frames: int, side: int, expected: Limits) -> None:
    assert Limits.of(n_frames=n_frames, side=side) == expected


class Flow:
    """In place of RAFT's: the frames are lists of positions, a pair is as long as they are apart."""

    looked_at: int

    def __init__(self, _: object, frames: KeptFrames) -> None:
        self._at = frames[range(len(frames))][:, 0, 0, 0].tolist()
        Flow.looked_at = 0

    def largest(self, pairs: list[tuple[int, int]], *, share: float) -> list[float]:
        assert share == 0.02
        Flow.looked_at += len(pairs)
        return [abs(self._at[first] - self._at[second]) for first, second in pairs]


@pytest.fixture
def filter_alone(monkeypatch: pytest.MonkeyPatch) -> StillFlickering:
    import torch

    from benchmarks.vbench.networks.metric_models import Networks

    monkeypatch.setattr("benchmarks.vbench.scorers.static_filter.FlowLengths", Flow)
    monkeypatch.setattr(Networks, "raft", lambda networks: object())
    return StillFlickering(Networks(torch.device("cpu")))


def reference_rule(positions: list[float], *, side: int) -> bool:
    """`StaticFilter.infer` and `check_static`, restated."""
    lengths = [abs(a - b) for a, b in itertools.pairwise(positions)]
    ends = [abs(positions[0] - positions[-1])] * 2
    threshold, allowed = 3.0 * (side / 256.0), round(2 * (len(positions) / 16.0))
    return sum(length > threshold for length in lengths) <= allowed and all(
        end <= threshold * allowed * 2 for end in ends
    )


@needs_vbench
@pytest.mark.vbench
def test_any_positions_give_the_references_answer(filter_alone: StillFlickering) -> None:
    import torch

    from benchmarks.vbench.frames.decoders import VideoHeader

    draw, answers = random.Random(0), []
    for _ in range(300):
        n_frames = draw.randint(1, 40)
        steps = [draw.choice([0, 0, 0, 1, 2, 4]) * draw.choice([-1, 1]) for _ in range(n_frames)]
        positions = [min(max(at, 0), 255) for at in itertools.accumulate(steps, initial=128)][1:]
        frames = KeptFrames(torch.device("cpu"))
        frames.add(
            np.broadcast_to(np.array(positions, np.uint8)[:, None, None, None], (n_frames, 121, 122, 3))
        )
        still = filter_alone.is_still(VideoHeader(Path("x"), None, 8.0), frames)
        assert still == reference_rule([float(at) for at in positions], side=121)
        assert Flow.looked_at <= n_frames + 1
        answers.append(still)
    assert 20 < sum(answers) < 280


@needs_vbench
@pytest.mark.vbench
def test_only_the_first_five_still_ones_count_in_any_order(
    filter_alone: StillFlickering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of eight videos, 0 1 3 4 6 7 are still: 0 1 3 4 6 count. One that cannot be read is not still."""
    import torch

    from benchmarks.vbench.frames.decoders import VideoHeader

    paths = [Path(f"a-{number}.mp4") for number in range(8)]
    still = dict(zip(paths, (True, True, False, True, True, False, True, True), strict=True))

    def read(scorer: StillFlickering, path: Path) -> bool:
        if path == paths[5]:
            raise VideoError("broken")
        return still[path]

    monkeypatch.setattr(StillFlickering, "_read_and_look", read)
    monkeypatch.setattr(StillFlickering, "is_still", lambda scorer, video, frames: still[video.path])
    nothing = KeptFrames(torch.device("cpu"))
    for order in (list(range(8)), [7, 6, 4, 0, 3, 1, 2]):
        filter_alone._known.clear()
        counted = {
            number
            for number in order
            if filter_alone._counts(VideoHeader(paths[number], None, 8.0), nothing, paths[:number])
        }
        assert counted == {0, 1, 3, 4, 6}


@needs_vbench
@pytest.mark.vbench
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_the_packages_class_keeps_the_same_videos(
    stand_ins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU, its device patched; random weights, once so that all seems still, once so that it moves."""
    import torch
    from easydict import EasyDict

    from benchmarks.vbench.evaluator import VBenchEvaluator, Video
    from benchmarks.vbench.networks.metric_models import Networks
    from benchmarks.vbench.scorers.scorer import Request

    module = vbench_module("cli.static_filter")
    monkeypatch.setattr(module, "DEVICE", "cpu")
    checkpoint = stand_ins / "raft_model/models/raft-things.pth"
    options = EasyDict(model=str(checkpoint), small=False, mixed_precision=False, alternate_corr=False)
    theirs = module.StaticFilter(options, device="cpu")
    device = torch.device("cpu")
    networks = Networks(device)
    evaluator = VBenchEvaluator({"temporal_flickering": StillFlickering(networks)}, device)
    noise = np.random.default_rng(0)
    videos = [
        write_frames(tmp_path / f"x-{at}.mp4", frames, fps=8, codec="libx264")
        for at, frames in enumerate(
            (
                np.full((5, 128, 128, 3), 90, np.uint8),
                noise.integers(0, 256, (5, 128, 128, 3), dtype=np.uint8),
            )
        )
    ]
    answers = []
    for factor in (0.01, 1000.0):
        for model in (theirs.model, networks.raft()):
            for parameter in model.update_block.flow_head.conv2.parameters():
                parameter.data.mul_(factor)
        for path in videos:
            evaluator.scorers["temporal_flickering"]._known.clear()
            (scores,) = evaluator.score([Video(path, ("temporal_flickering",), Request("x"))])
            assert not scores.failures
            assert bool(scores.results) == theirs.infer(str(path))
            answers.append(bool(scores.results))
    assert set(answers) == {True, False}
