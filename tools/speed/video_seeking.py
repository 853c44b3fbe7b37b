"""Measures sampling a few frames of a long video against bare seeking: `python -m tools.speed.video_seeking`.

Makes files of 6 and of 60 minutes (640 x 360, H.264 with B-frames, a key frame every 250 frames) in each
container. For each, in turn within each repeat: this package (`count_frames`, then `decode`), and a bare PyAV
loop that is told the presentation times of the frames and seeks to each. Both start without any
index in memory. A seek in MPEG-TS does not land on the key frame before the time that it is given, so there
the bare loop seeks one and a half groups of pictures earlier, whose length it is told too.

Ratios are of CPU time, which a busy machine changes little, and are taken within a repeat.
Memory is the largest resident size, measured in a separate process for each file.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vtok_eval.video.decoding import packet_index
from vtok_eval.video.decoding.decode import count_frames, decode

CONTAINERS = ("mp4", "mkv", "ts")
_PART_S, _RATE, _GROUP = 60, 25, 250
_HEIGHT, _WIDTH = 360, 640


def write_part(path: Path) -> None:
    """A minute of drifting, noisy pictures."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (_HEIGHT // 8 + _PART_S * _RATE, _WIDTH // 8, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_RATE, options={"g": str(_GROUP), "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = _HEIGHT, _WIDTH, "yuv420p"
        for i in range(_PART_S * _RATE):
            picture = noise[i : i + _HEIGHT // 8].repeat(8, axis=0).repeat(8, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def write_long(part: Path, path: Path, *, minutes: int) -> None:
    """The part's packets, again and again."""
    with av.open(str(part)) as old, av.open(str(path), "w") as new:
        stream = old.streams.video[0]
        packets = [packet for packet in old.demux(stream) if packet.size]
        copy = new.add_stream_from_template(stream)
        assert stream.time_base is not None
        length = round(Fraction(_PART_S) / stream.time_base)
        for i in range(minutes):
            for packet in packets:
                again = av.Packet(bytes(packet))
                assert packet.pts is not None  # FFmpeg has just written the part
                assert packet.dts is not None
                again.pts, again.dts = packet.pts + i * length, packet.dts + i * length
                again.time_base, again.is_keyframe = packet.time_base, packet.is_keyframe
                again.stream = copy
                new.mux(again)


def sampled(path: Path, n_wanted: int) -> NDArray[np.uint8]:
    """Evenly spaced frames by this package, uint8 `(n, H, W, 3)`; nothing is known of the file before."""
    packet_index._packet_index.cache_clear()
    numbers = np.linspace(0, count_frames(path) - 1, n_wanted, dtype=int).tolist()
    return decode(path, indices=numbers).frames.permute(0, 2, 3, 1).numpy()


def bare(path: Path, times: list[int]) -> NDArray[np.uint8]:
    """The frames at these presentation times by seeking alone."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        earlier = round(Fraction(3 * _GROUP, 2 * _RATE) / stream.time_base) if path.suffix == ".ts" else 0
        for wanted in times:
            container.seek(max(0, wanted - earlier), stream=stream)
            frame = next(
                each for each in container.decode(stream) if each.pts is not None and each.pts >= wanted
            )
            found.append(frame.to_ndarray(format="rgb24"))
    return np.stack(found)


def times_of(path: Path, n_wanted: int) -> list[int]:
    """Presentation times of evenly spaced frames, from all packets."""
    with av.open(str(path)) as container:
        times = sorted(each.pts for each in container.demux(video=0) if each.size and each.pts is not None)
    return [times[i] for i in np.linspace(0, len(times) - 1, n_wanted, dtype=int)]


def ratios(path: Path, *, n_wanted: int, repeats: int) -> list[float]:
    """CPU time of `sampled` over that of `bare`, one for each repeat; their frames must be equal."""
    times = times_of(path, n_wanted)
    found = []
    for _ in range(repeats):
        start = time.process_time()
        ours = sampled(path, n_wanted)
        middle = time.process_time()
        theirs = bare(path, times)
        found.append((middle - start) / (time.process_time() - middle))
        if not np.array_equal(ours, theirs):
            raise SystemExit(f"{path}: the frames differ")
    return found


def largest_mib(path: Path, n_wanted: int) -> float:
    """Peak resident size of a process that samples the file."""
    script = (
        "import sys; from pathlib import Path; from tools.speed.video_seeking import sampled; "
        "sampled(Path(sys.argv[1]), int(sys.argv[2])); print(Path('/proc/self/status').read_text())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(n_wanted)], capture_output=True, text=True, check=True
    )
    # Not getrusage's ru_maxrss: a child inherits that of the process that started it.
    return int(done.stdout.partition("VmHWM:")[2].split()[0]) / 1024


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--frames", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--minutes", type=int, nargs="+", default=[6, 60])
    parser.add_argument("--containers", nargs="+", choices=CONTAINERS, default=CONTAINERS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vtok-eval-seeking-") as folder:
        part = Path(folder) / "part.mp4"
        write_part(part)
        _say("| container | minutes | frames | CPU time / bare seeking, median (range) | largest MiB |")
        _say("| --- | --: | --: | --: | --: |")
        for suffix in arguments.containers:
            for minutes in arguments.minutes:
                path = Path(folder) / f"{minutes}.{suffix}"
                write_long(part, path, minutes=minutes)
                for n_wanted in arguments.frames:
                    found = ratios(path, n_wanted=n_wanted, repeats=arguments.repeats)
                    low, middle, high = min(found), statistics.median(found), max(found)
                    memory = largest_mib(path, n_wanted)
                    ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})"
                    _say(f"| {suffix} | {minutes} | {n_wanted} | {ratio} | {memory:.0f} |")
                path.unlink()


if __name__ == "__main__":
    main()
