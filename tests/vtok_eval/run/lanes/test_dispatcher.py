"""The dispatcher: every sample once, whatever dies; what fails, waits or runs alone."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.vtok_eval.run.lanes.scripted_lanes import ScriptedLanes
from vtok_eval.benchmark import NoResult
from vtok_eval.errors import LaneError
from vtok_eval.run.lanes.dispatcher import Dispatcher, JobDone
from vtok_eval.run.lanes.job_queue import LaneJob
from vtok_eval.run.lanes.messages import CannotRun, Interrupted, Prepared, Results, Started


def jobs(n_jobs: int = 3, n_samples: int = 100, *, parallel: bool = True) -> list[LaneJob]:
    return [
        LaneJob(f"b/{job}", f"system{job}", "b", [f"{job}:{i}" for i in range(n_samples)], parallel=parallel)
        for job in range(n_jobs)
    ]


def run(lanes: ScriptedLanes, work: list[LaneJob]) -> tuple[dict[str, str | None], Sequence[object]]:
    """Every sample's failure (None where it went well), and all events."""
    events = list(Dispatcher(lanes, work).run())
    results = [pair for event in events if isinstance(event, Results) for pair in event.results]
    assert max(Counter(name for name, _ in results).values()) == 1
    return {name: r.reason if isinstance(r, NoResult) else None for name, r in results}, events


@pytest.mark.parametrize("n_lanes", [1, 2, 5])
@pytest.mark.parametrize("seed", range(10))
def test_every_sample_has_one_result_whichever_lanes_die(n_lanes, seed):
    chance = random.Random(seed)
    left = [12]

    def dies() -> bool:
        left[0] -= (death := left[0] > 0 and chance.random() < 0.015)
        return death

    results, events = run(ScriptedLanes(n_lanes, dies=dies, seed=seed), jobs())
    assert set(results) == {f"{job}:{i}" for job in range(3) for i in range(100)}
    # Lanes that die by chance make no sample fail.
    assert not any(results.values())
    assert sorted(event.job for event in events if isinstance(event, JobDone)) == ["b/0", "b/1", "b/2"]


class Told(ScriptedLanes):
    """Notes which shards each lane gets."""

    def __init__(self, n_lanes: int, **options) -> None:
        super().__init__(n_lanes, **options)
        self.shards: dict[int, list] = {lane: [] for lane in range(n_lanes)}

    def send(self, lane, shard) -> None:
        self.shards[lane].append(shard)
        super().send(lane, shard)


def test_a_lane_is_told_which_samples_come_next():
    lanes = Told(1)
    run(lanes, jobs(2, 100))
    sent = lanes.shards[0]
    assert [len(shard.samples) for shard in sent] == [32, 32, 32, 4] * 2
    for shard, following in itertools.pairwise(sent):
        assert shard.then == (following.samples if following.job == shard.job else ())
    assert sent[-1].then == ()


@pytest.mark.parametrize("seed", range(5))
def test_what_a_lane_was_told_goes_to_another_only_at_the_end(seed):
    lanes = Told(3, seed=seed)
    results, _ = run(lanes, jobs(1, 1000))
    assert len(results) == 1000
    for sent in lanes.shards.values():
        told = [(shard.then, following.samples) for shard, following in itertools.pairwise(sent)]
        # Only where nothing else is left does a lane get what another one expects.
        assert sum(then != came for then, came in told) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_shard_that_is_given_again_says_what_comes_after_it_now(seed):
    chance = random.Random(seed)
    lanes = Told(2, dies=lambda: chance.random() < 0.003, seed=seed)
    results, _ = run(lanes, jobs(2, 400))
    assert len(results) == 800
    everything = {f"{job}:{i}" for job in range(2) for i in range(400)}
    for shard in [shard for sent in lanes.shards.values() for shard in sent]:
        assert set(shard.then) <= everything - set(shard.samples)


def test_a_sample_that_kills_its_lane_fails_alone():
    lanes = ScriptedLanes(2, killers={"0:7", "1:33", "1:34"})
    results, _ = run(lanes, jobs())
    assert {name for name, reason in results.items() if reason} == {"0:7", "1:33", "1:34"}
    assert results["0:7"] == "its worker process died 4 times (killed by SIGKILL)"
    # Two lanes died with each shard, then two with each killer alone; 1:33 and 1:34 share a shard's deaths.
    assert lanes.starts == 2 + 4 + 4 + 2


def test_a_lost_shard_costs_itself_only():
    work = jobs(1, 64)
    results, _ = run(ScriptedLanes(1, killers=()), work)
    lanes = ScriptedLanes(1, dies=iter([False] * 10 + [True] + [False] * 500).__next__)
    again, _ = run(lanes, work)
    assert again == results
    # What was reported before the death is not evaluated again.
    assert len(lanes.evaluated) == 64


@pytest.mark.parametrize(("deaths", "failed"), [(2, 0), (3, 40)])
def test_a_job_whose_preparation_kills_lanes_fails_after_the_third(deaths, failed):
    results, events = run(ScriptedLanes(2, dies_preparing=deaths), jobs(1, 40))
    assert sum(reason is not None for reason in results.values()) == failed
    assert {type(event) for event in events} >= {Prepared, JobDone}
    if failed:
        assert results["0:0"] == "could not be prepared: its worker process died 3 times (while preparing)"


def test_where_one_lane_has_the_job_another_that_dies_preparing_leaves_it_to_the_first():
    lanes = ScriptedLanes(2)
    send = lanes.send

    def dies_on_lane_1(lane, shard):
        send(lane, shard)
        if lane == 1:
            lanes.says[1].clear()
            lanes.says[1].extend(ScriptedLanes(1, dies_preparing=1)._answers(0, shard))

    lanes.send = dies_on_lane_1
    results, _ = run(lanes, jobs(1, 300))
    assert len(results) == 300
    assert not any(results.values())


def test_lanes_that_do_not_start_are_left_out_and_none_at_all_is_an_error():
    lanes = ScriptedLanes(1, dies_starting=2)
    assert len(run(lanes, jobs())[0]) == 300
    with pytest.raises(LaneError, match=r"no lane could be started \(the last: at its start\).*logs"):
        run(ScriptedLanes(2, dies_starting=99), jobs())


def test_what_one_machine_lacks_another_does_and_what_all_lack_is_not_run():
    results, events = run(ScriptedLanes(3, hosts=["a", "b", "a"], lacking={"a"}), jobs())
    assert len(results) == 300
    assert not [event for event in events if isinstance(event, CannotRun)]
    events = list(Dispatcher(ScriptedLanes(2, hosts=["a", "b"], lacking={"a", "b"}), jobs()).run())
    assert [event for event in events if isinstance(event, CannotRun)] == [
        CannotRun(f"b/{job}", "no such package") for job in range(3)
    ]


def test_what_measures_cost_runs_with_nothing_beside_it():
    work = [*jobs(2, 50, parallel=False), LaneJob("c/9", "system9", "c", [f"9:{i}" for i in range(200)])]
    lanes = ScriptedLanes(3)
    results, _ = run(lanes, work)
    assert len(results) == 300
    alone = [together for together in lanes.running if together & {"b/0", "b/1"}]
    assert alone == [{"b/0"}, {"b/1"}]


def test_different_systems_are_prepared_in_different_lanes():
    lanes = ScriptedLanes(3)
    run(lanes, jobs())
    assert lanes.running[2] == {"b/0", "b/1", "b/2"}


def test_a_lane_that_cannot_be_reached_for_a_while_has_not_died():
    lanes = ScriptedLanes(2)
    wait, left = lanes.wait, [6]

    def interrupted(timeout_s):
        ((lane, message),) = wait(timeout_s)
        if not isinstance(message, Results) or not left[0]:
            return [(lane, message)]
        left[0] -= 1
        # The message is lost, the worker lives and still has its job; it answers again later.
        lanes.evaluated.pop()
        lanes.says[lane].clear()
        lanes.busy.pop(lane, None)
        lanes.says[lane].append(Started({"lane": lane, "device": "cpu", "host": "here"}))
        return [(lane, Interrupted("the actor is temporarily unavailable"))]

    lanes.wait = interrupted
    dispatcher = Dispatcher(lanes, jobs(2, 100))
    results = [pair for event in dispatcher.run() if isinstance(event, Results) for pair in event.results]
    assert sorted(name for name, _ in results) == sorted(f"{job}:{i}" for job in range(2) for i in range(100))
    assert not any(isinstance(result, NoResult) for _, result in results)
    assert (dispatcher.deaths, lanes.starts, left) == (0, 2, [0])


@pytest.mark.parametrize("hosts", [("a", "a"), ("a", "b")])
def test_a_limit_that_is_reached_in_the_middle_ends_the_job_and_keeps_what_came(hosts):
    lanes = ScriptedLanes(2, hosts=hosts)
    wait, told = lanes.wait, [0]

    def limited(timeout_s):
        ((lane, message),) = wait(timeout_s)
        told[0] += isinstance(message, Results)
        if not isinstance(message, Results) or told[0] <= 150 or message.job != "b/0":
            return [(lane, message)]
        lanes.says[lane].clear()
        lanes.busy.pop(lane, None)
        return [(lane, CannotRun("b/0", "the limit is reached"))]

    lanes.wait = limited
    events = list(Dispatcher(lanes, jobs(1, 400)).run())
    results = [name for event in events if isinstance(event, Results) for name, _ in event.results]
    assert len(results) == len(set(results)) == 150
    assert [event for event in events if isinstance(event, CannotRun)] == [
        CannotRun("b/0", "the limit is reached")
    ]
