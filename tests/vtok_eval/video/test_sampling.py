from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtok_eval.errors import SpecError, UnknownNameError
from vtok_eval.video.sampling import SAMPLING_RULES, every_nth, fps_indices, frame_indices, timed_indices

frames = st.integers(1, 2000)
counts = st.integers(1, 300)


def test_linspace_hand_computed():
    # 10 frames, 4 wanted: 9/3 apart. 16 frames, 8 wanted: 15/7 apart: 0, 2.1, 4.3, 6.4, 8.6, 10.7, 12.9, 15.
    assert frame_indices(10, 4, rule="linspace") == (0, 3, 6, 9)
    assert frame_indices(16, 8, rule="linspace") == (0, 2, 4, 6, 8, 10, 12, 15)
    assert frame_indices(100, 1, rule="linspace") == (0,)


def test_interior_hand_computed():
    # 16 / (4 + 1) = 3.2: 3.2, 6.4, 9.6, 12.8. 10 / 2 = 5.
    assert frame_indices(16, 4, rule="interior") == (3, 6, 9, 12)
    assert frame_indices(10, 1, rule="interior") == (5,)


def test_fps_hand_computed():
    # 10 s at 25 fps, 1 a second: 250 / 25 = 10 frames, 25 apart.
    assert fps_indices(250, 25.0, 1.0) == tuple(range(0, 250, 25))
    # 2.5 intervals of 4 frames in 10 frames: int(2.5) = 2 of them.
    assert fps_indices(10, 4.0, 1.0) == (0, 4)
    # Half a second at 1 fps is less than one frame: the first.
    assert fps_indices(12, 25.0, 1.0) == (0,)
    assert fps_indices(5, 10.0, 30.0) == (0, 1, 2, 3, 4)


def test_fps_rule_is_capped_by_linspace():
    assert frame_indices(250, 10, rule="fps", fps=25.0, target_fps=1.0) == tuple(range(0, 250, 25))
    capped = frame_indices(250, 4, rule="fps", fps=25.0, target_fps=1.0)
    assert capped == frame_indices(250, 4, rule="linspace") == (0, 83, 166, 249)


@given(frames, counts)
def test_linspace_equals_exact_fractions_away_from_rounding(n_frames, count):
    got = frame_indices(n_frames, count, rule="linspace")
    if count >= n_frames or count == 1:
        assert got == (tuple(range(n_frames)) if count >= n_frames else (0,))
        return
    for k, index in enumerate(got):
        exact = Fraction(k * (n_frames - 1), count - 1)
        # A float a hair below an integer truncates to the one before: what the peer does, so do we.
        assert index == int(exact) or (exact.denominator == 1 and index == exact - 1)


@given(frames, counts)
def test_interior_equals_exact_fractions_away_from_rounding(n_frames, count):
    got = frame_indices(n_frames, count, rule="interior")
    if count >= n_frames:
        assert got == tuple(range(n_frames))
        return
    for k, index in enumerate(got, start=1):
        exact = Fraction(k * n_frames, count + 1)
        assert index == int(exact) or (exact.denominator == 1 and index == exact - 1)


@given(frames, counts, st.sampled_from(SAMPLING_RULES), st.floats(0.5, 120), st.floats(0.1, 120))
def test_indices_are_ascending_unique_and_in_range(n_frames, count, rule, fps, target_fps):
    got = frame_indices(n_frames, count, rule=rule, fps=fps, target_fps=target_fps)
    assert list(got) == sorted(set(got))
    assert got[0] >= 0
    assert got[-1] < n_frames
    assert all(type(index) is int for index in got)
    if rule == "fps":
        assert len(got) <= count
    else:
        assert len(got) == min(n_frames, count)


@given(st.integers(1, 5000), st.floats(0.5, 120), st.floats(0.05, 200))
def test_fps_indices_are_ascending_unique_and_in_range(n_frames, fps, target_fps):
    got = fps_indices(n_frames, fps, target_fps)
    assert list(got) == sorted(set(got))
    assert got[0] == 0
    assert got[-1] < n_frames


@given(
    n_frames=st.integers(1, 300),
    fps=st.sampled_from([5.0, 23.976, 25.0, 29.97, 30.0, 60.0]),
    target_fps=st.sampled_from([0.1, 0.5, 1.0, 2.0, 3.0, 4.0]),
)
def test_at_a_constant_rate_times_choose_the_frames_of_the_rate(n_frames, fps, target_fps):
    times = [frame / fps for frame in range(n_frames)]
    by_rate, by_time = fps_indices(n_frames, fps, target_fps), timed_indices(times, target_fps)
    # On which side of a frame's very beginning a time falls is a matter of rounding.
    assert abs(len(by_time) - len(by_rate)) <= 1
    assert all(abs(one - other) <= 1 for one, other in zip(by_time, by_rate, strict=False))


def test_uneven_times_choose_what_is_on_the_screen():
    times = [0.0, 0.1, 0.2, 0.3, 2.0, 2.1, 2.2]
    # 2.2 * 7 / 6 = 2.57 s at 2 a second: 0, 0.5, 1, 1.5, 2 s; frame 3 is shown at three of them.
    assert timed_indices(times, 2.0) == (0, 3, 4)
    assert frame_indices(7, 8, rule="fps", fps=2.73, target_fps=2.0, times=times) == (0, 3, 4)
    assert frame_indices(7, 2, rule="fps", fps=2.73, target_fps=2.0, times=times) == (0, 6)
    assert timed_indices([0.0], 2.0) == (0,)
    with pytest.raises(SpecError, match="positive"):
        timed_indices(times, 0.0)


def test_every_nth_of_the_paper():
    # Key frame and one motion token every 6 frames.
    assert every_nth(16, 6) == (0, 6, 12)
    assert every_nth(13, 6) == (0, 6, 12)
    assert every_nth(12, 6) == (0, 6)
    assert every_nth(4, 1) == (0, 1, 2, 3)
    assert every_nth(1, 6) == (0,)


def test_every_nth_counts_from_the_key_frame():
    assert every_nth(16, 6, "middle") == (8, 2, 14)
    assert every_nth(16, 6, 7) == (7, 1, 13)
    assert every_nth(16, 100, 7) == (7,)


@given(st.integers(1, 500), st.integers(1, 40), st.data())
def test_every_nth_properties(n_frames, stride, data):
    key = data.draw(st.integers(0, n_frames - 1))
    got = every_nth(n_frames, stride, key)
    assert got[0] == key
    assert set(got) == {frame for frame in range(n_frames) if (frame - key) % stride == 0}
    assert list(got[1:]) == sorted(set(got) - {key})


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: frame_indices(10, 4, rule="linspaced"), UnknownNameError, "did you mean 'linspace'"),
        (lambda: frame_indices(10, 0, rule="linspace"), SpecError, "at least 1 frame"),
        (lambda: frame_indices(0, 4, rule="linspace"), SpecError, "at least 1 frame"),
        (lambda: frame_indices(10, 4, rule="fps"), SpecError, "target_fps"),
        (lambda: fps_indices(10, 0.0, 1.0), SpecError, "fps must be positive"),
        (lambda: fps_indices(10, 25.0, float("nan")), SpecError, "target_fps must be positive"),
        (lambda: every_nth(10, 0), SpecError, "stride"),
        (lambda: every_nth(10, 2, 10), SpecError, "key frame 10 is not in a clip of 10 frames"),
        (lambda: every_nth(10, 2, -1), SpecError, "key frame -1"),
        (lambda: every_nth(10, 2, "midle"), UnknownNameError, "did you mean 'middle'"),
    ],
)
def test_bad_requests_are_one_clear_line(call, error, says):
    with pytest.raises(error, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
