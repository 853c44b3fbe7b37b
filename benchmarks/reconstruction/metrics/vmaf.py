"""VMAF by the libvmaf in imageio-ffmpeg's FFmpeg (extra `[vmaf]`), to which frames go through pipes."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

from benchmarks.reconstruction.metrics.measure import Measurement
from vtok_eval.errors import VideoError

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import ClipForm

MODEL = "vmaf_v0.6.1"
LEAST_SIDE = 32
"""Pixels; below that libvmaf's scales have no frame left."""
_NAMES = ("decoded", "original")


def why_no_vmaf() -> str | None:
    """Why VMAF cannot be computed here, or None where it can."""
    if not hasattr(os, "mkfifo"):
        return "VMAF needs named pipes, which this system lacks"
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        return "VMAF needs the package imageio-ffmpeg: pip install 'vtok-eval[vmaf]'"
    return None


class Vmaf:
    """VMAF (0 to 100) of the model vmaf_v0.6.1, mean over frames; 8-bit RGB becomes 4:2:0 in FFmpeg.

    Equal clips have 97 to 100, not always 100. The model was trained on 1080p seen from three times the
    picture's height; on small clips it ranks, and its level says little.
    Source: https://github.com/Netflix/vmaf, through FFmpeg's filter libvmaf.
    """

    def why_not(self, form: ClipForm) -> str | None:
        """Frames must have some size, and both sides be even for 4:2:0."""
        side = min(form.height, form.width)
        if side < LEAST_SIDE:
            return f"needs frames of at least {LEAST_SIDE} px, these have {side}"
        if form.height % 2 or form.width % 2:
            return f"needs even sides, these are {form.height} x {form.width} px"
        return None

    def begin(self, form: ClipForm) -> VmafPass:
        """Begin a clip: start FFmpeg."""
        return VmafPass(form)


class VmafPass:
    """One FFmpeg process with a pipe for each of the two clips.

    Each pipe has a thread that writes to it, for FFmpeg opens and reads them in an order of its own.
    """

    def __init__(self, form: ClipForm) -> None:
        from imageio_ffmpeg import get_ffmpeg_exe

        self._folder = tempfile.TemporaryDirectory(prefix="vtok-eval-vmaf-")
        folder = Path(self._folder.name)
        self._log = folder / "vmaf.json"
        pipes = [folder / name for name in _NAMES]
        for pipe in pipes:
            os.mkfifo(pipe)
        self._process = subprocess.Popen(
            _command(get_ffmpeg_exe(), form), cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._queues: list[Queue[bytes | None]] = [Queue(maxsize=2) for _ in pipes]
        self._writers = [
            threading.Thread(target=_write, args=(pipe, queue), daemon=True)
            for pipe, queue in zip(pipes, self._queues, strict=True)
        ]
        self._pipes = pipes
        self._said = b""
        self._reader = threading.Thread(target=self._read_messages, daemon=True)
        for thread in (*self._writers, self._reader):
            thread.start()

    def add(self, original: Tensor, decoded: Tensor) -> None:
        """Take the next frames, uint8 `(n, 3, H, W)` each."""
        for queue, frames in zip(self._queues, (decoded, original), strict=True):
            queue.put(frames.permute(0, 2, 3, 1).contiguous().cpu().numpy().tobytes())

    def finish(self) -> Measurement:
        """VMAF, mean over frames.

        Raises:
            VideoError: FFmpeg failed; says what it said last.
        """
        self._end()
        code = self._process.wait()
        self._reader.join()
        if code != 0 or not self._log.is_file():
            words = self._said.decode(errors="replace").strip().splitlines()
            raise VideoError(f"VMAF: FFmpeg ended with {code}: {words[-1] if words else 'no message'}")
        found = json.loads(self._log.read_text(encoding="utf-8"))
        return Measurement({"vmaf": float(found["pooled_metrics"]["vmaf"]["mean"])})

    def close(self) -> None:
        """End FFmpeg if it still runs, and remove the pipes."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._end()
        self._reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._folder.cleanup()

    def _end(self) -> None:
        """Tell the writers that there are no more frames, and wait for them."""
        for queue in self._queues:
            queue.put(None)
        for writer in self._writers:
            writer.join()

    def _read_messages(self) -> None:
        stream = self._process.stderr
        if stream is None:
            return
        for line in stream:
            self._said = (self._said + line)[-4000:]
        # Where FFmpeg ends before it has opened both pipes, a writer waits for a reader until one comes.
        while any(writer.is_alive() for writer in self._writers):
            for pipe, writer in zip(self._pipes, self._writers, strict=True):
                _release(pipe)
                writer.join(timeout=0.02)


def _command(ffmpeg: str, form: ClipForm) -> list[str]:
    raw = f"-f rawvideo -pixel_format rgb24 -video_size {form.width}x{form.height} -framerate 25".split()
    inputs = [part for name in _NAMES for part in (*raw, "-i", name)]
    graph = (
        "[0:v]format=yuv420p[decoded];[1:v]format=yuv420p[original];"
        f"[decoded][original]libvmaf=model=version={MODEL}:n_threads=1:log_fmt=json:log_path=vmaf.json"
    )
    return [
        ffmpeg,
        "-hide_banner",
        "-loglevel",
        "error",
        "-nostdin",
        *inputs,
        "-lavfi",
        graph,
        "-f",
        "null",
        "-",
    ]


def _write(pipe: Path, queue: Queue[bytes | None]) -> None:
    """Write what comes from the queue, up to None; what comes after FFmpeg has ended is dropped."""
    try:
        with pipe.open("wb") as file:
            while (frames := queue.get()) is not None:
                file.write(frames)
    except OSError:
        # FFmpeg has ended, which `finish` reports with its words; the one that adds frames must not wait.
        while queue.get() is not None:
            continue


def _release(pipe: Path) -> None:
    """Open and close the pipe's reading end, which lets a writer go on that waits for a reader."""
    try:
        os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
    except FileNotFoundError:
        return  # `close` has removed it, so no writer waits
