"""Blocks found by their headers are the packets that FFmpeg reads; what is unusual is left to FFmpeg."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.vtok_eval.video.conftest import write_silence
from tests.vtok_eval.video.odd_videos import VARIABLE, X264, cut_at_open_gop, open_gop, piped, write
from vtok_eval.video.decoding import packet_index as module
from vtok_eval.video.decoding.matroska_blocks import matroska_blocks
from vtok_eval.video.decoding.packet_index import packet_index


def _with_sound(path: Path, *, sound_first: bool) -> Path:
    """A video with a sound track before or after it, whose blocks stand between the frames."""
    with av.open(str(write(path.with_suffix(".mp4"), n_frames=90))) as old, av.open(str(path), "w") as new:
        picture = old.streams.video[0]
        streams: dict[str, Any] = {}
        for kind in ("sound", "video") if sound_first else ("video", "sound"):
            if kind == "sound":
                streams[kind] = new.add_stream("pcm_s16le", rate=8000, layout="mono")
            else:
                streams[kind] = new.add_stream_from_template(picture)
        write_silence(new, streams["sound"], n_samples=8000 * 3)
        for packet in old.demux(picture):
            if packet.size:
                packet.stream = streams["video"]
                new.mux(packet)
    return path


KINDS = {
    "b-frames": lambda folder: write(folder / "a.mkv"),
    "variable rate": lambda folder: write(folder / "a.mkv", ticks=VARIABLE),
    "many small clusters": lambda folder: write(
        folder / "a.mkv", n_frames=200, mux={"cluster_time_limit": "300"}
    ),
    "one cluster": lambda folder: write(
        folder / "a.mkv", options={**X264, "g": "999"}, mux={"cluster_time_limit": "30000"}
    ),
    "webm": lambda folder: write(
        folder / "a.webm", codec="libvpx-vp9", options={"g": "12", "deadline": "realtime"}
    ),
    "open gop, cut": lambda folder: cut_at_open_gop(folder, "cut.mkv"),
    "sound first": lambda folder: _with_sound(folder / "a.mkv", sound_first=True),
    "video first": lambda folder: _with_sound(folder / "a.mkv", sound_first=False),
    "cues in front": lambda folder: write(folder / "a.mkv", mux={"cues_to_front": "1"}),
}


def _by_ffmpeg(path: Path) -> tuple[list[int], list[bool], int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        return [packet.pts for packet in packets], [packet.is_keyframe for packet in packets], stream.index


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_blocks_are_ffmpegs_packets(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path)
    times, keys, stream = _by_ffmpeg(path)
    blocks = matroska_blocks(path, stream=stream)
    assert blocks is not None
    assert blocks.times.tolist() == times
    assert blocks.keys.tolist() == keys


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_index_is_that_of_all_packets(tmp_path: Path, monkeypatch, kind: str) -> None:
    path = KINDS[kind](tmp_path)
    index = packet_index(path)
    monkeypatch.setattr(module, "_from_blocks", lambda video: None)
    module._packet_index.cache_clear()
    same = packet_index(path)
    assert index is not None
    assert same is not None
    for name in ("positions", "shown", "stamps"):
        assert np.array_equal(getattr(index, name), getattr(same, name)), name
    rest = ("n_frames", "n_lost", "stamped_by", "damaged", "truncated", "stated_rate", "tick")
    assert [getattr(index, name) for name in rest] == [getattr(same, name) for name in rest]


def _element(name: bytes, content: bytes) -> bytes:
    return name + (1 << 56 | len(content)).to_bytes(8, "big") + content


def _made_by_hand(path: Path, cluster: bytes, *, track: bytes = b"") -> Path:
    """A file of one cluster: element by element as RFC 9559 has them, each length in eight bytes."""
    entry = _element(b"\xd7", b"\x01") + _element(b"\x83", b"\x01") + _element(b"\x86", b"V_VP9") + track
    tracks = _element(b"\x16\x54\xae\x6b", _element(b"\xae", entry))
    segment = tracks + _element(b"\x1f\x43\xb6\x75", cluster)
    path.write_bytes(_element(b"\x1a\x45\xdf\xa3", b"") + _element(b"\x18\x53\x80\x67", segment))
    return path


def _block(time: int, *, flags: int = 0, track: int = 1) -> bytes:
    return bytes([0x80 | track]) + time.to_bytes(2, "big", signed=True) + bytes([flags]) + b"picture"


TIME = b"\xe7\x82\x01\x00"
"""256 ticks, as clusters state it."""
REFERS = _element(b"\xfb", b"\x7f")
GROUPS = (
    TIME
    + _element(b"\xa0", _element(b"\xa1", _block(0)))
    + _element(b"\xa0", REFERS + _element(b"\xa1", _block(3)))
    + _element(b"\xa3", _block(-2, flags=0))
    + _element(
        b"\xa0", _element(b"\xa1", _block(5)) + _element(b"\x9b", b"\x01") + _element(b"\xfb", b"\x7f")
    )
    + _element(b"\xa3", _block(1, track=2, flags=0x82))
    + _element(b"\xa3", _block(9, flags=0x80))
    + _element(b"\xec", b"filler")
)


def test_groups_that_refer_to_other_frames_hold_no_key_frame(tmp_path: Path) -> None:
    blocks = matroska_blocks(_made_by_hand(tmp_path / "a.mkv", GROUPS), stream=0)
    assert blocks is not None
    assert blocks.times.tolist() == [256, 259, 254, 261, 265]
    assert blocks.keys.tolist() == [True, False, False, False, True]


@pytest.mark.parametrize(
    ("cluster", "track"),
    [
        (TIME + _element(b"\xa3", _block(0, flags=0x82)), b""),  # laced
        (TIME + _element(b"\xa3", _block(0, flags=0x08)), b""),  # invisible
        (TIME + _element(b"\xaf", _block(0)), b""),  # encrypted
        (TIME + _element(b"\xa3", b"\x81"), b""),  # a block without its header
        (_element(b"\xa3", _block(0)), b""),  # no time
        (TIME, b""),  # no block
        (TIME + b"\xa3\xff" + _block(0), b""),  # a length that is not stated
        (TIME + b"\xa3\x90" + _block(0), b""),  # a length beyond the cluster
        (TIME + b"\xa3\x00" + _block(0), b""),  # no length at all
        (TIME + _element(b"\xa3", _block(0)), _element(b"\x6d\x80", b"")),  # encoded
        (TIME + _element(b"\xa3", _block(0)), _element(b"\x56\xaa", b"\x01")),  # delayed
        (TIME + _element(b"\xa3", _block(0)), _element(b"\x86", b"V_VP8")),  # with frames that are not shown
    ],
)
def test_what_is_unusual_is_left_to_ffmpeg(tmp_path: Path, cluster: bytes, track: bytes) -> None:
    assert matroska_blocks(_made_by_hand(tmp_path / "a.mkv", cluster, track=track), stream=0) is None


def test_files_that_state_no_length_or_are_something_else_are_left_to_ffmpeg(tmp_path: Path) -> None:
    assert matroska_blocks(piped(tmp_path / "live.mkv", "matroska"), stream=0) is None
    assert matroska_blocks(open_gop(tmp_path), stream=0) is None
    assert matroska_blocks(write(tmp_path / "a.mkv"), stream=1) is None
    (tmp_path / "short").write_bytes(b"\x1a\x45")
    assert matroska_blocks(tmp_path / "short", stream=0) is None


def test_what_is_read_of_the_file_is_let_go_of(tmp_path: Path, monkeypatch) -> None:
    from vtok_eval.video.decoding import matroska_blocks as walking

    path = KINDS["many small clusters"](tmp_path)
    whole = matroska_blocks(path, stream=0)
    monkeypatch.setattr(walking, "_MOST_TOUCHED", 1000)
    again = matroska_blocks(path, stream=0)
    assert whole is not None
    assert again is not None
    assert np.array_equal(whole.times, again.times)
