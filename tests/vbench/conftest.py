"""Small lossless videos for VBench's tests, and an entry point for the installed package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def write_video(tmp_path: Path) -> Callable[..., Path]:
    """Write `frames` `(T, H, W, 3)` uint8 RGB; `codec="png"` in .mov and .avi keeps every value."""

    def write(name: str, frames: np.ndarray, *, fps: int = 8, codec: str = "png") -> Path:
        import av

        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=fps)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write
