"""Counts the pictures at a video's start that no decoder can give: they need frames from before the cut."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from vtok_eval.video.decoding.opening import OpenedVideo

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream


def frames_lost_at_the_start(video: OpenedVideo, first_key_position: int) -> int | None:
    """Packets shown before the first key frame that a decoder makes no frame of; None where it is irregular.

    A file that was cut out of another begins with pictures that need frames from before the cut. Only where
    there are such packets, those up to the first key frame's picture are decoded.

    video: freshly opened. first_key_position: of the first key frame, in packets.
    """
    first_key: int | None = None
    read: list[Packet[VideoStream]] = []
    early = False
    packets = (packet for packet in video.container.demux(video.stream) if packet.size)
    for position, packet in enumerate(packets):
        read.append(packet)
        if packet.pts is None:
            return None
        if position == first_key_position:
            first_key, early = packet.pts, position > 0
        elif first_key is not None and packet.pts < first_key:
            early = True
        if first_key is not None and packet.dts is not None and packet.dts >= first_key:
            break  # a packet is never shown before it is decoded, so no other is shown before the key frame
    return _lost(video, read, first_key) if early and first_key is not None else 0


def _lost(video: OpenedVideo, read: list[Packet[VideoStream]], first_key: int) -> int | None:
    shown = [packet.pts for packet in read if packet.pts is not None and not packet.is_discard]
    expected = {pts for pts in shown if pts < first_key}
    given: set[int] = set()
    for packet in chain(read, video.container.demux(video.stream)):
        for frame in packet.decode():
            if frame.pts is None or frame.interlaced_frame:
                return None
            if frame.pts >= first_key:
                return len(expected - given)
            given.add(frame.pts)
    return None
