"""What the driver keeps of what lanes tell: one record for each sample; jobs entered and closed."""

import pytest

from tests.vtok_eval.run.lanes.scripted_lanes import ScriptedLanes
from vtok_eval.benchmark import NoResult, Outcome, Sample
from vtok_eval.results.journal import Journal
from vtok_eval.results.records import Metric, Status
from vtok_eval.run.display import endings
from vtok_eval.run.lanes.driver import LaneReport, run_in_lanes
from vtok_eval.run.lanes.messages import Results
from vtok_eval.run.plan import PlannedJob
from vtok_eval.systems import System


class Counting:
    """As much of a benchmark as the driver asks for."""

    parallel = True

    def metrics(self):
        return [Metric("i", "Number", unit="frames")]


class CostMeasuring(Counting):
    parallel = False


def planned(name: str, n_samples: int = 40, benchmark: object = None) -> PlannedJob:
    samples = [Sample(id=f"{name}{i}", cluster=f"{name}{i}", meta={"i": i}) for i in range(n_samples)]
    return PlannedJob(
        f"b/{name}", System(name, name, "tokenizer", None), "b", benchmark or Counting(), samples
    )


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def test_every_sample_is_journaled_and_every_job_closed(journal):
    jobs = [planned("x"), planned("y", 3, benchmark=CostMeasuring()), planned("z", 70)]
    report = LaneReport()
    run_in_lanes(ScriptedLanes(2, killers={"x7"}), journal, jobs, report)
    records = list(journal.records())
    assert sorted(r.sample_id for r in records) == sorted(s.id for job in jobs for s in job.samples)
    failed = [(r.sample_id, r.reason, r.meta) for r in records if r.status is Status.FAILED]
    assert failed == [("x7", "its worker process died 4 times (killed by SIGKILL)", {"i": 7})]
    assert {job.id: job.state for job in journal.jobs()} == {job.id: "done" for job in jobs}
    assert report.new_samples == 113
    assert report.job_seconds.keys() == {job.id for job in jobs}
    assert sorted(report.lanes) == [0, 1]


def test_each_job_that_ends_is_one_line(journal, caplog, monkeypatch):
    jobs = [planned("x", 9), planned("y", 3, benchmark=CostMeasuring()), planned("z", 7)]
    with caplog.at_level("INFO"):
        run_in_lanes(ScriptedLanes(2, killers={"x7"}), journal, jobs, LaneReport())
    lines = [record.message for record in caplog.records if record.message.startswith("[")]
    assert [line[:5] for line in lines] == ["[1/3]", "[2/3]", "[3/3]"]
    (failing,) = (line for line in lines if "b/x" in line)
    assert "(9 samples, 1 failed, " in failing
    assert failing.endswith(": 1 x its worker process died 4 times (killed by SIGKILL)")
    monkeypatch.setattr(endings, "MOST_READ", 5)
    caplog.clear()
    with caplog.at_level("INFO"):
        run_in_lanes(ScriptedLanes(1), journal, [planned("w", 6)], LaneReport())
    assert any("b/w  done (6 samples, 0 failed, " in record.message for record in caplog.records)


def test_only_samples_without_a_record_are_sent(journal):
    job = planned("x")
    run_in_lanes(ScriptedLanes(1), journal, [job], LaneReport())
    more = planned("y")
    lanes, report = ScriptedLanes(1), LaneReport()
    run_in_lanes(lanes, journal, [job, more], report)
    assert set(lanes.evaluated) == {sample.id for sample in more.samples}
    assert report.new_samples == 40


def test_a_result_that_cannot_be_kept_fails_its_sample_alone(journal):
    lanes = ScriptedLanes(1)
    wait = lanes.wait

    def with_nan(timeout_s):
        ((lane, message),) = wait(timeout_s)
        if isinstance(message, Results):
            bad = Outcome(values={"level": (float("nan"),)})
            broken = {"x3": bad, "x4": NoResult("cannot be read")}
            message = Results(message.job, tuple((name, broken.get(name, r)) for name, r in message.results))
        return [(lane, message)]

    lanes.wait = with_nan
    run_in_lanes(lanes, journal, [planned("x", 6)], LaneReport())
    reasons = {record.sample_id: record.reason for record in journal.records()}
    assert reasons["x4"] == "cannot be read"
    assert "values of metric 'level' must be finite" in reasons["x3"]
    assert [reasons[name] for name in ("x0", "x1", "x2", "x5")] == [None] * 4


def test_a_job_that_no_lane_can_run_leaves_no_trace(journal):
    report = LaneReport()
    run_in_lanes(ScriptedLanes(2, lacking={"here"}), journal, [planned("x")], report)
    assert report.cannot_run == {"b/x": "no such package"}
    assert journal.jobs() == []


def test_jobs_can_be_put_in_order_whichever_was_entered_first(journal):
    for name in ("c", "old", "a", "b"):
        run_in_lanes(ScriptedLanes(1), journal, [planned(name, 2)], LaneReport())
    journal.order_jobs(["b/a", "b/none", "b/b", "b/c"])
    assert [job.system for job in journal.jobs()] == ["old", "a", "b", "c"]
    assert [record.sample_id for record in journal.records()] == [
        f"{name}{i}" for name in ("old", "a", "b", "c") for i in range(2)
    ]
