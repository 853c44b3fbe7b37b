"""When each frame of a video with a variable rate is shown, read from its packets without decoding them."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.video.decoding.frame_store import DEFAULT_LIMITS, DecodeLimits
from vtok_eval.video.decoding.opening import exact, opened, shows_a_frame
from vtok_eval.video.decoding.packet_index import packet_index

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def variable_times(path: Path, limits: DecodeLimits = DEFAULT_LIMITS) -> NDArray[np.float64] | None:
    """Seconds from the first frame to each frame, `(T,)` ascending; None at a constant rate.

    The rate is variable if a frame is shown more than half a mean interval away from where the mean rate puts
    it. None also where packets do not tell the frames (see `packet_index`).

    Raises:
        VideoError: as `packet_index`.
    """
    import numpy as np

    index = packet_index(path, limits)
    if index is None or index.n_frames < 3:
        return None
    stamps = array("q")
    with opened(path, limits) as video:
        tick = exact(video.stream.time_base)
        for packet in video.container.demux(video.stream):
            if packet.size and packet.pts is not None and not packet.is_discard and shows_a_frame(packet):
                stamps.append(packet.pts)
    ordered = np.sort(np.frombuffer(stamps, dtype=np.int64))[index.n_lost :]
    if tick is None or len(ordered) != index.n_frames:
        return None
    times = (ordered - ordered[0]) * float(tick)
    even = np.linspace(0, times[-1], len(times))
    interval = times[-1] / (len(times) - 1)
    return times if float(np.abs(times - even).max()) > interval / 2 else None
