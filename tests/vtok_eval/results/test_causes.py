"""Failures by cause: once, with a count, whatever names of samples stand in the reasons."""

from __future__ import annotations

from vtok_eval.results.causes import failure_causes, not_run_lines
from vtok_eval.results.columns.run_columns import Failure
from vtok_eval.run.plan import NotRun


def failures(system: str, reason: str, n: int) -> list[Failure]:
    return [Failure(system, "scenes", f"clip-{i}", reason.format(f"clip-{i}")) for i in range(n)]


def test_one_reason_is_said_once_for_each_job():
    found = failure_causes(
        failures("mine", "T must be 1+4k, got 16", 800) + failures("theirs", "T must be 1+4k, got 16", 2)
    )
    assert [(cause.system, cause.count, cause.example) for cause in found] == [
        ("mine", 800, "clip-0"),
        ("theirs", 2, "clip-0"),
    ]
    assert found[0].text == "scenes/mine, 800 samples (the first: clip-0): T must be 1+4k, got 16"


def test_a_samples_own_name_does_not_part_causes_but_other_words_do():
    assert [cause.count for cause in failure_causes(failures("mine", "{} is too dark", 5))] == [5]
    mixed = failures("mine", "too dark", 2) + failures("mine", "too bright", 1)
    assert [cause.text.rpartition(": ")[2] for cause in failure_causes(mixed)] == ["too dark", "too bright"]
    assert failure_causes(mixed)[1].text == "scenes/mine, clip-0: too bright"
    assert failure_causes([]) == []


def test_what_is_not_run_is_said_once_for_each_reason():
    entries = [
        NotRun("a", "vbench", "needs vbench"),
        NotRun("b", "vbench", "needs vbench"),
        NotRun("c", "scenes", "cannot take 16 frames"),
        NotRun("c", "read", "cannot take 16 frames"),
    ]
    assert not_run_lines(entries) == [
        "vbench on a, b: needs vbench",
        "scenes, read on c: cannot take 16 frames",
    ]
    many = not_run_lines(NotRun(f"s{i}", "vbench", "needs vbench") for i in range(9))
    assert many == ["vbench on s0, s1, s2, s3, s4, s5 and 3 more: needs vbench"]


def test_numbers_part_a_few_causes_but_not_many():
    few = [*failures("mine", "the server said 404", 2), *failures("mine", "the server said 500", 1)]
    assert [cause.count for cause in failure_causes(few)] == [2, 1]
    many = [
        failure
        for number in range(40)
        for failure in failures(
            "mine", f"frame {number} of {number + 7} at 0x7f{number:x} took {number}.5 s", 1
        )
    ]
    (cause,) = failure_causes(many)
    assert (cause.count, cause.reason) == (40, "frame 0 of 7 at 0x7f0 took 0.5 s")
    assert [cause.count for cause in failure_causes([*many, *failures("mine", "too dark", 2)])] == [40, 2]
