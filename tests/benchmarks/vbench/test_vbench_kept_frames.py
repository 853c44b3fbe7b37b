"""Frames kept in memory and in a file: the same frames, and a clear word where neither has room."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.vbench.frames.kept_frames import KeptFrames
from vtok_eval.errors import VideoError

FRAMES = np.random.default_rng(0).integers(0, 256, (7, 17, 9, 3), dtype=np.uint8)


@pytest.mark.parametrize("in_memory", [0, 3, 7])
def test_frames_come_back_as_they_went(in_memory: int) -> None:
    kept = KeptFrames(torch.device("cpu"), room=in_memory * FRAMES[0].nbytes)
    kept.add(FRAMES[:2])
    assert torch.equal(kept[[1]], torch.from_numpy(FRAMES[1:2]).permute(0, 3, 1, 2))
    kept.add(FRAMES[2:])
    whole = torch.from_numpy(FRAMES).permute(0, 3, 1, 2)
    assert len(kept) == 7
    assert kept.shape == tuple(whole.shape)
    for numbers in ([0, 6, 3], [5, 5], range(7)):
        assert torch.equal(kept[numbers], whole[list(numbers)])
    assert torch.equal(kept.every_eighth_pixel(), whole[:, :, ::8, ::8])
    assert len(kept._held) == in_memory


def test_what_is_kept_is_a_copy() -> None:
    frames = FRAMES[:1].copy()
    kept = KeptFrames(torch.device("cpu"))
    kept.add(frames)
    frames[:] = 0
    assert kept[[0]].sum() > 0


def test_no_room_on_the_disk_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptFrames(torch.device("cpu"), room=0)
    full = open("/dev/full", "w+b", buffering=0)  # noqa: SIM115 - closed with the frames
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
    with pytest.raises(VideoError, match=r"no room for a long video's frames in .*No space left on device"):
        kept.add(FRAMES)
