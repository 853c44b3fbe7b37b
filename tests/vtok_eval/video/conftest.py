"""Makers of tiny video files, good ones and bad ones, as fixtures."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

FIXED_POINT_ONE = 1 << 16


def make_pictures(n_frames: int, height: int, width: int) -> np.ndarray:
    """uint8 `(T, H, W, 3)`: four quadrants of different colours, and a brightness that rises with time."""
    pictures = np.zeros((n_frames, height, width, 3), dtype=np.uint8)
    pictures[:, : height // 2, : width // 2] = (200, 30, 30)
    pictures[:, : height // 2, width // 2 :] = (30, 200, 30)
    pictures[:, height // 2 :, : width // 2] = (30, 30, 200)
    rise = np.linspace(0, 50, n_frames).astype(np.uint8)
    return pictures + rise[:, None, None, None]


def write_video(
    path: Path,
    pictures: np.ndarray,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    rate: Fraction | int = 25,
    ticks: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    audio: bool = False,
    stored_format: str | None = None,
) -> Path:
    """Write with PyAV alone, not with the encoder under test. `ticks`: each frame's time, in `time_base`."""

    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", format=stored_format, options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1
        if time_base is not None:
            stream.codec_context.time_base = time_base
        sound = container.add_stream("aac", rate=8000) if audio else None
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if ticks is not None:
                frame.pts, frame.time_base = ticks[i], time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            write_silence(container, sound)
    return path


def write_silence(container: object, stream: object, n_samples: int = 8000) -> None:
    """One second of silence at 8 kHz into an open container."""

    frame = av.AudioFrame.from_ndarray(
        np.zeros((1, n_samples), dtype=np.float32), format="fltp", layout="mono"
    )
    frame.sample_rate = 8000
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def patch_display_matrix(source: Path, target: Path, abcd: tuple[int, int, int, int]) -> Path:
    """Write a, b, c, d (here -1, 0, 1) into an MP4's track header, as a phone held sideways does.

    ISO 14496-12: after "tkhd" come 1 byte version, 3 flags; five 32-bit fields (in version 1 three of them 64
    bits wide); 8 bytes reserved, layer, alternate group, volume, reserved (2 bytes each); then the matrix
    a b u c d v x y w of big-endian 16.16 numbers (u, v, w: 2.30).
    """
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4
    matrix = at + 4 + (32 if data[at] else 20) + 16
    a, b, c, d = (value * FIXED_POINT_ONE for value in abcd)
    assert struct.unpack_from(">9i", data, matrix) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, matrix, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


@pytest.fixture
def pictures() -> Callable[..., np.ndarray]:
    return make_pictures


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """`make_video(name, n_frames=10, height=48, width=64, **write_video's options)` -> path in tmp_path."""

    def make(
        name: str = "clip.mp4", *, n_frames: int = 10, height: int = 48, width: int = 64, **options
    ) -> Path:
        return write_video(tmp_path / name, make_pictures(n_frames, height, width), **options)

    return make


@pytest.fixture
def turned_video(tmp_path: Path, make_video: Callable[..., Path]) -> Callable[..., Path]:
    """`turned_video((a, b, c, d))`: the same 48 x 64 clip with another display matrix."""

    def make(abcd: tuple[int, int, int, int]) -> Path:
        upright = make_video("upright.mp4", n_frames=3)
        return patch_display_matrix(upright, tmp_path / "turned.mp4", abcd)

    return make


@pytest.fixture
def cut() -> Callable[[Path, float], Path]:
    """`cut(path, share)`: a file next to it with the first `share` of its bytes."""

    def make(path: Path, share: float) -> Path:
        data = path.read_bytes()
        target = path.with_name(f"cut-{path.name}")
        target.write_bytes(data[: int(len(data) * share)])
        return target

    return make


@pytest.fixture(autouse=True)
def _decord_gives_its_own_arrays():
    """vbench switches decord to torch tensors for the whole process when it is imported."""
    try:
        import decord
    except ImportError:
        return
    decord.bridge.set_bridge("native")
