from __future__ import annotations

import logging

import av
import numpy as np
import pytest
import torch

from tests.vtok_eval.video.odd_videos import (
    KINDS,
    VARIABLE,
    cut_at_open_gop,
    open_gop,
    patch_avi_frames,
    piped,
    write,
)
from vtok_eval.errors import VideoError
from vtok_eval.video.decoding import decode as decode_module
from vtok_eval.video.decoding.decode import count_frames, decode
from vtok_eval.video.decoding.packet_index import packet_index
from vtok_eval.video.decoding.seeking import IrregularVideoError, frames_by_seeking
from vtok_eval.video.sources import VideoFile

BY_DECODING = {"avi with b-frames", "interlaced"}
"""Kinds whose frames cannot be counted by packets: no presentation times, or fields."""


def ffmpeg_frames(path) -> list[np.ndarray]:
    """What FFmpeg gives when it decodes the whole file, without any code of ours."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def as_pictures(frames: torch.Tensor) -> np.ndarray:
    return frames.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_frames_equal_those_of_a_full_decode_to_the_bit(tmp_path, kind):
    path = KINDS[kind](tmp_path)
    whole = ffmpeg_frames(path)
    n_frames = len(whole)
    assert count_frames(path) == n_frames
    assert np.array_equal(as_pictures(decode(path).frames), np.stack(whole))
    rng = np.random.default_rng(1)
    choices = [[number] for number in range(0, n_frames, 3)] + [[n_frames - 1]]
    choices += [rng.choice(n_frames, min(n_frames, size), replace=False).tolist() for size in (2, 3, 5, 8)]
    for chosen in choices:
        found = as_pictures(decode(path, indices=chosen).frames)
        assert np.array_equal(found, np.stack([whole[number] for number in chosen])), chosen
    with pytest.raises(VideoError, match=f"it has {n_frames} frames"):
        decode(path, indices=[n_frames])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_which_kinds_are_sought_in(tmp_path, kind):
    path = KINDS[kind](tmp_path)
    index = packet_index(path)
    assert (index is None) == (kind in BY_DECODING)
    if index is None or kind == "one frame":
        return
    last = index.n_frames - 1
    seek = frames_by_seeking(path, decode_module.DecodeLimits(), index, [last])
    if kind == "refreshed in columns":  # its key frames are not whole pictures, which is noticed
        with pytest.raises(IrregularVideoError):
            list(seek)
    else:
        assert [number for number, _ in seek] == [last]


def count_decoded_packets(monkeypatch) -> list[int]:
    """Counts, in its only entry, packets that are handed to the decoder while frames are sought."""
    from vtok_eval.video.decoding import seeking

    counter = [0]
    expect = seeking._Walk._expect

    def counting(self, packet):
        counter[0] += 1
        expect(self, packet)

    monkeypatch.setattr(seeking._Walk, "_expect", counting)
    return counter


def test_only_what_is_needed_is_decoded(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", n_frames=240)
    counter = count_decoded_packets(monkeypatch)
    decode(path, indices=[0, 120, 239])
    assert counter[0] < 3 * (12 + 4)  # at most a group of 12 and the decoder's delay for each


def test_a_near_frame_is_decoded_up_to_without_a_seek(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", n_frames=96)
    monkeypatch.setattr("vtok_eval.video.decoding.seeking._Walk._seek", lambda *_: pytest.fail("a seek"))
    assert decode(path, indices=list(range(0, 96, 8))).frames.shape[0] == 12


def test_frames_of_an_open_gop_before_its_key_frame(tmp_path):
    """Those that stand behind a key frame in the file and are shown before it."""
    path = open_gop(tmp_path)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    numbers = {pts: number for number, pts in enumerate(sorted(packet.pts for packet in packets))}
    early, key = [], 0
    for packet in packets:
        key = (packet.pts or 0) if packet.is_keyframe else key
        early += [numbers[packet.pts]] if packet.pts < key else []
    assert early
    whole = ffmpeg_frames(path)
    for number in early:
        assert np.array_equal(as_pictures(decode(path, indices=[number]).frames)[0], whole[number])


@pytest.mark.parametrize("mux", [{}, {"use_editlist": "0"}])
def test_a_cut_at_an_open_gop_is_not_truncated(tmp_path, mux):
    path = cut_at_open_gop(tmp_path, mux=mux)
    with av.open(str(path)) as container:
        n_packets = sum(1 for packet in container.demux(video=0) if packet.size)
    clip = decode(path)
    assert len(clip.frames) == len(ffmpeg_frames(path)) == count_frames(path) < n_packets


def test_times_of_sampled_frames(tmp_path):
    path = write(tmp_path / "a.mp4", ticks=VARIABLE)
    assert decode(path, indices=[20, 40, 59]).fps == pytest.approx(200 / (VARIABLE[59] - VARIABLE[20]))
    assert decode(path).fps == pytest.approx(5900 / (VARIABLE[59] - VARIABLE[0]))


@pytest.mark.parametrize("n_frames", [5, 10, 40])
def test_rate_of_avi_with_b_frames(tmp_path, n_frames):
    path = write(tmp_path / "a.avi", n_frames=n_frames)
    assert decode(path).fps == 25.0
    assert decode(path, indices=[0, 1]).fps == 25.0
    assert decode(path, indices=[0, 4]).fps == 6.25
    assert decode(path, indices=[3]).fps == 25.0


def test_avi_with_fewer_frames_than_its_header_says(tmp_path):
    path = patch_avi_frames(write(tmp_path / "a.avi", n_frames=17, codec="mpeg4", options={}), 111)
    for read in (decode, count_frames):
        with pytest.raises(VideoError, match=r"0\.68 of the 4\.44 s .*17 packets of the 111"):
            read(path)


# Damage


def overwrite(path, *, first: int, last: int):
    """The packets `first` to `last` of a file are overwritten; the index and its sizes stay."""
    with av.open(str(path)) as container:
        places = [(each.pos, each.size) for each in container.demux(video=0) if each.size]
    data = bytearray(path.read_bytes())
    for place, size in places[first : last + 1]:
        data[place : place + size] = b"\xff" * size
    path.write_bytes(data)


def test_damage_that_is_not_asked_for_is_not_fatal(tmp_path):
    path = write(tmp_path / "a.mp4", n_frames=120)
    whole = ffmpeg_frames(path)
    overwrite(path, first=41, last=53)
    with pytest.raises(VideoError, match="damaged"):
        decode(path)
    for chosen in ([0, 20, 100, 119], [20], [25, 62, 80]):
        found = as_pictures(decode(path, indices=chosen).frames)
        assert np.array_equal(found, np.stack([whole[number] for number in chosen])), chosen
    with pytest.raises(VideoError, match="damaged"):
        decode(path, indices=[0, 47, 119])


def test_damage_on_the_way_is_said(tmp_path, caplog):
    path = write(tmp_path / "a.mp4", n_frames=120)
    whole = ffmpeg_frames(path)
    overwrite(path, first=49, last=58)
    with pytest.raises(VideoError, match="damaged"):
        decode(path)
    with caplog.at_level(logging.WARNING):
        found = as_pictures(decode(path, indices=[47, 61]).frames)
    assert np.array_equal(found, np.stack([whole[47], whole[61]]))
    assert "damaged near frame" in caplog.text


def test_the_end_of_a_cut_file_is_missed_only_where_it_is_wanted(tmp_path, cut, caplog):
    path = write(tmp_path / "a.mp4", n_frames=120, mux={"movflags": "+faststart"})
    whole = ffmpeg_frames(path)
    short = cut(path, 0.7)
    with caplog.at_level(logging.WARNING):
        found = as_pictures(decode(short, indices=[10, 50]).frames)
    assert np.array_equal(found, np.stack([whole[10], whole[50]]))
    assert "truncated" in caplog.text
    for read in (decode, count_frames, lambda each: decode(each, indices=[10, 119])):
        with pytest.raises(VideoError, match="truncated"):
            read(short)
    # Three frames at a quarter, a half and three quarters: the last is missing. One in the middle is there.
    with pytest.raises(VideoError, match="truncated"):
        VideoFile(short, max_frames=3, rule="interior").load()
    assert len(VideoFile(short, max_frames=1, rule="interior").load().frames) == 1


def test_a_file_that_changes_is_read_again(tmp_path):
    path = write(tmp_path / "a.mp4", n_frames=30)
    assert count_frames(path) == 30
    write(path, n_frames=41)
    assert count_frames(path) == 41


def test_the_index_grows_with_key_frames_alone(tmp_path):
    short, long = (packet_index(write(tmp_path / f"{n}.mp4", n_frames=n)) for n in (24, 240))
    assert (len(short.positions), len(long.positions)) == (2, 20)
    assert long.positions.nbytes + long.shown.nbytes + long.stamps.nbytes <= 3 * 8 * 20


def test_timestamps_used_twice_are_not_trusted(tmp_path):
    path = tmp_path / "a.mkv"
    source = write(tmp_path / "a.mov", codec="mjpeg", pixel_format="yuvj420p", options={})
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        copy = new.add_stream_from_template(old.streams.video[0])
        for i, packet in enumerate(packet for packet in old.demux(video=0) if packet.size):
            packet.pts = packet.dts = int((i - i % 2) / 25 / packet.time_base)
            packet.stream = copy
            new.mux(packet)
    n_frames = len(ffmpeg_frames(path))
    assert packet_index(path) is None
    assert count_frames(path) == n_frames


def test_live_webm_states_no_duration(tmp_path):
    path = piped(tmp_path / "a.webm", "webm", codec="libvpx-vp9", options={"deadline": "realtime"})
    info = decode_module.probe(path)
    assert (info.n_frames, info.duration_s, info.fps) == (None, None, 25.0)
