"""How far a run is, and when it will end."""

from __future__ import annotations

import pytest

from vtok_eval.run.display.state import JobSize, Phase, RunState, duration

JOBS = [JobSize(f"{benchmark}/{n}", benchmark, 10) for benchmark in ("slow", "fast") for n in range(3)]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_estimate_is_of_the_same_benchmark_where_it_has_an_ended_job():
    state = RunState(JOBS, clock=Clock())
    assert state.seconds_left() is None
    state.end("slow/0", seconds=100.0)
    assert state.seconds_left() == 500.0
    state.end("fast/0", seconds=2.0)
    assert state.seconds_left() == 2 * 100.0 + 2 * 2.0


def test_lanes_share_what_is_left_but_no_more_lanes_than_jobs():
    state = RunState(JOBS, n_lanes=4, clock=Clock())
    state.end("slow/0", seconds=100.0)
    assert state.seconds_left() == pytest.approx(500.0 / 4)
    for job in JOBS[1:5]:
        state.end(job.id, seconds=100.0)
    assert state.seconds_left() == 100.0


def test_a_job_under_way_counts_by_its_samples_and_before_them_by_the_clock():
    clock = Clock()
    state = RunState(JOBS[:2], clock=clock)
    state.end("slow/0", seconds=100.0)
    state.run(["slow/1"])
    clock.now = 30.0
    assert state.seconds_left() == pytest.approx(70.0)
    clock.now = 300.0
    assert state.seconds_left() == 0.0
    state.add_samples("slow/1", 4)
    assert state.seconds_left() == pytest.approx(60.0)


def test_jobs_that_took_no_time_tell_nothing():
    state = RunState(JOBS, clock=Clock())
    state.end("slow/0", seconds=0.0)
    assert state.seconds_left() is None


def test_running_jobs_say_their_samples_and_the_piece_of_work():
    state = RunState(JOBS, clock=Clock())
    state.run(["slow/0", "fast/0", "slow/0"], preparing=["fast/0"])
    state.add_samples("slow/0", 4)
    assert state.running() == ["slow/0: 4 of 10 samples", "fast/0: being prepared"]
    state.run(["fast/0"])
    own, inner = Phase("fast/0", 10, "clip"), Phase("training", 1, "step")
    state.begin_phase(own)  # the job's own samples are counted already
    assert state.running() == ["fast/0"]
    state.begin_phase(inner)
    inner.remark = "loss 0.1"
    assert state.running() == ["fast/0: training, 0 of 1 step, loss 0.1"]
    state.end_phase(inner)
    state.end("fast/0", seconds=1.0)
    assert state.running() == []
    assert state.text() == "1 of 6 jobs, 14 of 60 samples, about 5 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (99.4, "99 s"), (100.0, "2 min"), (5940.0, "99 min"), (6060.0, "1 h 41 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
