"""Videos to measure VBench with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.video.sources import shipped_clips

if TYPE_CHECKING:
    pass


def write_videos(folder: Path, *, count: int, height: int, width: int, frames: int, fps: int) -> list[Path]:
    """Real frames of the shipped clip bikes.mp4, from another place for each video, as H.264."""
    import itertools

    import av

    source = shipped_clips().path / "bikes.mp4"
    paths = []
    for number in range(count):
        path = folder / f"bikes {number}-0.mp4"
        with av.open(str(source)) as given, av.open(str(path), "w") as written:
            stream = written.add_stream("libx264", rate=fps)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            start = number * 20
            for frame in itertools.islice(given.decode(video=0), start, start + frames):
                sized = frame.reformat(width, height, "rgb24").to_ndarray()
                written.mux(stream.encode(av.VideoFrame.from_ndarray(sized, format="rgb24")))
            written.mux(stream.encode())
        paths.append(path)
    return paths
