"""Makes small video files of kinds that trip readers: open GOPs, edit lists, no index, cuts, odd headers."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

X264 = {"g": "12", "bf": "3", "x264-params": "scenecut=0:b-adapt=0:log-level=none"}
X265 = {
    "x265-params": "keyint=24:bframes=4:open-gop=1:b-adapt=0:log-level=none:pools=none:frame-threads=1:ctu=32"
}


def moving_pictures(n_frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """uint8 `(T, H, W, 3)`: noise that drifts, so that every frame differs from every other."""
    noise = np.random.default_rng(0).integers(0, 255, (height + n_frames, width, 3), dtype=np.uint8)
    return np.stack([noise[i : i + height] // 2 + i for i in range(n_frames)]).astype(np.uint8)


def write(
    path: Path,
    *,
    n_frames: int = 60,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    mux: dict[str, str] | None = None,
    ticks: list[int] | None = None,
    size: tuple[int, int] = (48, 64),
    file: io.IOBase | None = None,
    container_format: str | None = None,
) -> Path:
    """Encode `moving_pictures` with PyAV alone. ticks: each frame's time in hundredths of a second."""
    assert codec != "libx265" or min(size) >= 64, "below 64 pixels libx265 may write beyond its memory"
    target = str(path) if file is None else file
    with av.open(target, "w", format=container_format, options=mux or {}) as container:
        stream = container.add_stream(codec, rate=25, options=X264 if options is None else options)
        stream.height, stream.width, stream.pix_fmt = *size, pixel_format
        stream.codec_context.thread_count = 1
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, 100)
        for i, picture in enumerate(moving_pictures(n_frames, *size)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if ticks is not None:
                frame.pts, frame.time_base = ticks[i], Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def copy_packets(
    source: Path, target: Path, *, from_key: int = 0, shift_s: float = 0.0, mux: dict[str, str] | None = None
) -> Path:
    """Remux without decoding, from the `from_key`-th key frame on, all times earlier by `shift_s`."""
    options = {"avoid_negative_ts": "disabled", **(mux or {})}
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        shift = round(shift_s / stream.time_base)
        keys = 0
        for packet in old.demux(stream):
            keys += packet.is_keyframe and packet.size > 0
            if packet.size and keys > from_key:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                new.mux(packet)
    return target


def open_gop(folder: Path) -> Path:
    """HEVC with pictures shown before the key frame that they follow in the file."""
    return write(folder / "open.mp4", codec="libx265", options=X265, size=(64, 64))


def cut_at_open_gop(folder: Path, name: str = "cut.mp4", mux: dict[str, str] | None = None) -> Path:
    """The rest of an open-GOP file from its second key frame, as `ffmpeg -ss ... -c copy` leaves it."""
    return copy_packets(open_gop(folder), folder / name, from_key=1, mux=mux)


class _Pipe(io.RawIOBase):
    """A file that cannot be sought in while it is written, as a pipe to a server."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def piped(path: Path, container_format: str, **options) -> Path:
    """Written in one pass: no index, no duration in the header."""
    pipe = _Pipe()
    write(path, file=pipe, container_format=container_format, **options)
    path.write_bytes(pipe.data)
    return path


def patch_avi_frames(path: Path, n_frames: int) -> Path:
    """Write another number of frames into an AVI's headers (byte 16 of "avih" and 32 of "strh")."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"avih") + 8 + 16, n_frames)
    struct.pack_into("<I", data, data.index(b"strh") + 8 + 32, n_frames)
    path.write_bytes(data)
    return path


VARIABLE = [4 * i + (i % 3) * (i > 20) + 40 * (i > 30) for i in range(60)]
"""Times in hundredths of a second: 25 frames a second at first, then uneven and with a gap."""

KINDS: dict[str, Callable[[Path], Path]] = {
    "b-frames": lambda folder: write(folder / "a.mp4"),
    "open gop": open_gop,
    "open gop, cut": cut_at_open_gop,
    "open gop, cut, no edit list": lambda folder: cut_at_open_gop(folder, mux={"use_editlist": "0"}),
    "open gop, cut, mpeg-ts": lambda folder: cut_at_open_gop(folder, "cut.ts"),
    "open gop, cut, matroska": lambda folder: cut_at_open_gop(folder, "cut.mkv"),
    "variable rate": lambda folder: write(folder / "a.mp4", ticks=VARIABLE),
    "variable rate, matroska": lambda folder: write(folder / "a.mkv", ticks=VARIABLE),
    "edit list": lambda folder: copy_packets(
        write(folder / "a.mp4"), folder / "edited.mp4", shift_s=0.8, mux={"use_editlist": "1"}
    ),
    "no index": lambda folder: piped(folder / "a.mkv", "matroska"),
    "mpeg-ts": lambda folder: write(folder / "a.ts"),
    "mpeg-2 in a programme stream": lambda folder: write(
        folder / "a.mpg", codec="mpeg2video", options={"g": "12", "bf": "2"}
    ),
    "mpeg-2 in mpeg-ts": lambda folder: write(
        folder / "a.ts", codec="mpeg2video", options={"g": "12", "bf": "2"}
    ),
    "one key frame": lambda folder: write(folder / "a.mp4", options={**X264, "g": "999"}),
    "key frames only": lambda folder: write(
        folder / "a.mov", codec="mjpeg", pixel_format="yuvj420p", options={}
    ),
    "fragmented": lambda folder: write(
        folder / "a.mp4", mux={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    ),
    "live webm": lambda folder: piped(
        folder / "a.webm", "webm", codec="libvpx-vp9", options={"g": "12", "deadline": "realtime"}
    ),
    "vp8 with hidden frames": lambda folder: write(
        folder / "a.webm", codec="libvpx", options={"g": "20", "auto-alt-ref": "1", "lag-in-frames": "12"}
    ),
    "avi with b-frames": lambda folder: write(folder / "a.avi"),
    "flash": lambda folder: write(folder / "a.flv"),
    "interlaced": lambda folder: write(
        folder / "a.mp4", options={**X264, "x264-params": "tff=1:log-level=none", "flags": "+ilme+ildct"}
    ),
    "refreshed in columns": lambda folder: write(
        folder / "a.mp4", options={"g": "12", "x264-params": "intra-refresh=1:log-level=none"}
    ),
    "4:4:4, 10 bits, odd size": lambda folder: write(
        folder / "a.mp4", pixel_format="yuv444p10le", size=(47, 63)
    ),
    "one frame": lambda folder: write(folder / "a.mp4", n_frames=1),
}
