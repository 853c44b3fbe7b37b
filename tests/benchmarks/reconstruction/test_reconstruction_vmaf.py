"""VMAF through FFmpeg's pipes, against FFmpeg on files, and FFmpeg's own PSNR and SSIM against ours."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import torch
from imageio_ffmpeg import get_ffmpeg_exe
from torch import Tensor

from benchmarks.reconstruction.metrics.psnr import Psnr
from benchmarks.reconstruction.metrics.ssim import Ssim
from benchmarks.reconstruction.metrics.vmaf import Vmaf
from tests.benchmarks.reconstruction.clips import blurred, form_of, measured, noisy, pattern
from vtok_eval.errors import VideoError

CLIP = pattern(n_frames=5, height=96, width=128)


def _ffmpeg(folder: Path, clips: tuple[Tensor, Tensor], graph: str) -> str:
    """What FFmpeg says of a filter over two raw files, the decoded one first."""
    command = [get_ffmpeg_exe(), "-hide_banner", "-nostdin"]
    for name, frames in zip(("decoded", "original"), reversed(clips), strict=True):
        (folder / name).write_bytes(frames.permute(0, 2, 3, 1).contiguous().numpy().tobytes())
        size = f"{frames.shape[3]}x{frames.shape[2]}"
        command += f"-f rawvideo -pixel_format rgb24 -video_size {size} -i {name}".split()
    done = subprocess.run(
        [*command, "-lavfi", graph, "-f", "null", "-"], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stderr


def test_vmaf_through_pipes_equals_ffmpeg_on_files(tmp_path: Path) -> None:
    changed = noisy(CLIP, level=15)
    graph = "[0:v]format=yuv420p[a];[1:v]format=yuv420p[b];[a][b]libvmaf=log_fmt=json:log_path=own.json"
    _ffmpeg(tmp_path, (CLIP, changed), graph)
    expected = json.loads((tmp_path / "own.json").read_text())["pooled_metrics"]["vmaf"]["mean"]
    assert measured(Vmaf(), CLIP, changed).values["vmaf"] == pytest.approx(expected, abs=1e-6)


def test_vmaf_ranks_and_pieces_change_nothing() -> None:
    soft = measured(Vmaf(), CLIP, blurred(CLIP))
    assert measured(Vmaf(), CLIP, blurred(CLIP), pieces=2) == soft
    assert measured(Vmaf(), CLIP, CLIP).values["vmaf"] > 95 > soft.values["vmaf"] + 5


def test_a_failing_ffmpeg_is_one_line_and_nothing_hangs() -> None:
    one = Vmaf().begin(form_of(CLIP))
    try:
        one.add(CLIP[:1], CLIP[:1])
        one._process.kill()
        for _ in range(8):
            one.add(CLIP, CLIP)
        with pytest.raises(VideoError, match="VMAF: FFmpeg ended with -9"):
            one.finish()
    finally:
        one.close()


def test_an_abandoned_clip_leaves_nothing_behind() -> None:
    one = Vmaf().begin(form_of(CLIP))
    folder = Path(one._folder.name)
    one.add(CLIP, CLIP)
    one.close()
    assert one._process.poll() is not None
    assert not folder.exists()
    assert not any(thread.is_alive() for thread in (*one._writers, one._reader))


def test_psnr_equals_ffmpegs_filter(tmp_path: Path) -> None:
    changed = noisy(CLIP, level=5)
    said = _ffmpeg(
        tmp_path, (CLIP, changed), "[0:v]format=gbrp[a];[1:v]format=gbrp[b];[a][b]psnr=stats_file=own"
    )
    assert "PSNR" in said
    frames = [float(found) for found in re.findall(r"psnr_avg:([\d.]+)", (tmp_path / "own").read_text())]
    own = measured(Psnr(), CLIP, changed).values["psnr"]
    assert own == pytest.approx(sum(frames) / len(frames), abs=0.006)  # it prints two decimals


def test_ssim_agrees_with_ffmpegs_filter_as_far_as_its_windows_allow(tmp_path: Path) -> None:
    # FFmpeg takes windows of 8 x 8 every 4 pixels without weights: close, never equal.
    changed = noisy(CLIP, level=5)
    graph = "[0:v]format=gbrp[a];[1:v]format=gbrp[b];[a][b]ssim"
    said = _ffmpeg(tmp_path, (CLIP, changed), graph)
    [printed] = re.findall(r"All:([\d.]+)", said)
    assert measured(Ssim(), CLIP, changed).values["ssim"] == pytest.approx(float(printed), abs=0.03)
    assert torch.equal(CLIP, pattern(n_frames=5, height=96, width=128))
