"""A run packed and verified; and every way in which a file can claim what its records do not give."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from reports.submission.archive import CEILINGS, MANIFEST, RECORDS, read_archive, write_archive
from reports.submission.pack import submit
from reports.submission.schema import ComparisonEntry, MetricEntry, RecordEntry, ScoreEntry
from reports.submission.verify import verify
from tests.reports.leaderboard.small_runs import LABEL, add_job, quiz_records, run_json, session, write_run
from vtok_eval.errors import RunFolderError, SubmissionError
from vtok_eval.results.records import Comparison, Metric, Record, Score
from vtok_eval.results.store import RunFolder

Files = dict[str, Any]


@pytest.fixture(scope="module")
def packed(finished: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return submit(
        finished.path,
        tmp_path_factory.mktemp("submissions") / "small.vtok-run.zip",
        submitter="A. Person",
        notes="two lines\nof notes",
        links=[("the paper", "https://arxiv.org/abs/2602.04202")],
    )


def changed(packed: Path, out: Path, change: Callable[[Files], None]) -> Path:
    """The submission with other contents, and a manifest that fits them."""
    files: Files = {}
    for name, content in read_archive(packed).files.items():
        lines = content.decode().splitlines()
        files[name] = [json.loads(line) for line in lines] if name == RECORDS else json.loads(content)
    change(files)
    texts = {
        name: b"".join(json.dumps(line).encode() + b"\n" for line in content)
        if name == RECORDS
        else json.dumps(content).encode()
        for name, content in files.items()
    }
    for name, entry in files[MANIFEST]["files"].items():
        entry["sha256"] = hashlib.sha256(texts[name]).hexdigest()
        entry["bytes"] = len(texts[name])
    texts[MANIFEST] = json.dumps(files[MANIFEST]).encode()
    write_archive(out, texts)
    return out


def test_a_packed_run_is_verified_and_keeps_its_numbers(finished, packed):
    verified = verify(packed)
    assert list(verified.scores) == finished.scores()
    assert list(verified.comparisons) == finished.comparisons()
    assert verified.manifest.notes == "two lines\nof notes"
    assert verified.sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()
    expected = finished.raw_records("quiz/like-fair")
    assert verified.records["quiz", "like-fair"] == expected


def test_the_same_run_gives_the_same_bytes(finished, tmp_path):
    first = submit(finished.path, tmp_path / "a.zip")
    second = submit(finished.path, tmp_path / "b.zip")
    assert first.read_bytes() == second.read_bytes()


def test_an_untouched_rewrite_is_accepted(packed, tmp_path):
    assert verify(changed(packed, tmp_path / "same.zip", lambda files: None)).scores


def test_the_default_name_lies_beside_the_run(tmp_path):
    folder = write_run(tmp_path / "mine", names=("fair",))
    assert submit(folder.path) == tmp_path / "mine.vtok-run.zip"


def test_the_folder_that_the_run_was_started_in_stays_at_home(packed):
    files = read_archive(packed).files
    assert not any(b"/home/somebody" in content for content in files.values())


def test_half_finished_and_empty_runs_are_not_packed(tmp_path):
    folder = RunFolder.create(tmp_path / "run", run_json())
    with pytest.raises(RunFolderError, match="has done nothing yet"):
        submit(folder.path)
    records = quiz_records("good", 0.5, 31)
    add_job(folder, records[:10], planned=40)
    with pytest.raises(RunFolderError, match=r"half-finished \(1 of 1 jobs are open, the first is quiz/good"):
        submit(folder.path)
    with folder.journal() as journal:
        journal.add(records[10:])
        journal.close_job("quiz/good")
    with pytest.raises(RunFolderError, match="no scores yet"):
        submit(folder.path)
    with pytest.raises(RunFolderError, match="there is no run folder"):
        submit(tmp_path / "nothing")
    assert list(tmp_path.glob("*.zip")) == []


def test_a_run_whose_scores_do_not_follow_cannot_be_packed(tmp_path):
    folder = write_run(tmp_path / "run", names=("fair",))
    content = json.loads((folder.path / "scores.json").read_text())
    content["scores"][0]["value"] = 0.99
    (folder.path / "scores.json").write_text(json.dumps(content))
    with pytest.raises(SubmissionError, match=r"run cannot be submitted: scores.json: value of"):
        submit(folder.path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "//evil.example",
        "https://user:pass@evil.example/",
        'https://a.example/"onmouseover=alert(1)',
        "https://",
        "JaVaScRiPt:alert(1)",
        "https://a.example/\u202egpj",
        " https://a.example",
    ],
)
def test_only_plain_web_links_are_taken(finished, tmp_path, link):
    with pytest.raises(SubmissionError, match=r"links\.0\.url"):
        submit(finished.path, tmp_path / "x.zip", links=[("title", link)])


@pytest.mark.parametrize("text", ["a\u202eb", "a\u200bb", "\x1b[31mred", "a\x00b", "x" * 5000])
def test_hidden_characters_and_endless_notes_are_refused(finished, tmp_path, text):
    with pytest.raises(SubmissionError, match="cannot be submitted: notes"):
        submit(finished.path, tmp_path / "x.zip", notes=text)


def put(path: str, value: Any) -> Callable[[Files], None]:
    """A change at a path like "scores.json/scores/0/value"; "-" as the last part of a list appends."""

    def change(files: Files) -> None:
        *parts, last = path.split("/")
        place: Any = files
        for part in parts:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value

    return change


def remove(path: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        *parts, last = path.split("/")
        place: Any = files
        for part in parts:
            place = place[int(part)] if isinstance(place, list) else place[part]
        del place[int(last) if isinstance(place, list) else last]

    return change


def repeat(path: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        place: Any = files
        for part in path.split("/"):
            place = place[part]
        place.append(json.loads(json.dumps(place[0])))

    return change


def in_place(function: Callable[[Files], Any]) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        function(files)

    return change


CLAIMS = {
    "a higher score": (put("scores.json/scores/0/value", 0.999), "value of"),
    "a narrower interval": (put("scores.json/scores/0/low", 0.899), "low of"),
    "fewer failures": (put("scores.json/scores/6/n_failed", 0), "n_failed of"),
    "more samples": (put("scores.json/scores/0/n", 4000), "n of"),
    "another label": (put("scores.json/scores/0/label", "the paper's setting"), "label of"),
    "its own method": (put("scores.json/scores/0/method", "exact"), "method of"),
    "a score left out": (remove("scores.json/scores/0"), "scores.json lacks"),
    "a score twice": (repeat("scores.json/scores"), "twice"),
    "a metric defined twice": (put("scores.json/scores/3/metric/failed_as", None), "defined in two ways"),
    "a smaller p": (put("comparisons.json/comparisons/1/p_corrected", 0.0001), "p_corrected of"),
    "a larger difference": (put("comparisons.json/comparisons/0/difference", 0.9), "difference of"),
    "a comparison left out": (remove("comparisons.json/comparisons/0"), "comparisons.json lacks"),
    "another answer": (
        in_place(lambda files: files[RECORDS][0].update(values={"left": [0.5], "right": [1.0]})),
        "but the records give",
    ),
    "a record left out": (remove(f"{RECORDS}/0"), "39 records for 40 samples"),
    "a record twice": (repeat(RECORDS), "occurs twice"),
    "a record of no job": (put(f"{RECORDS}/0/job", "quiz/none"), "no job"),
    "a failure with values": (put(f"{RECORDS}/0/status", "failed"), "must have a reason and no values"),
    "no values at all": (put(f"{RECORDS}/0/values", {"left": []}), "must be finite numbers"),
    "replicates of one sample only": (
        put(f"{RECORDS}/0/values", {"left": [1.0, 1.0], "right": [1.0]}),
        "different numbers of replicates",
    ),
    "a system twice": (repeat("run.json/systems"), "the system 'good' occurs twice"),
    "a benchmark twice": (repeat("run.json/benchmarks"), "the benchmark 'quiz' occurs twice"),
    "a job twice": (repeat("manifest.json/jobs"), "occurs twice"),
    "a job of a stranger": (put("manifest.json/jobs/0/system", "stranger"), "run.json does not have"),
    "a baseline that is not there": (put("run.json/baseline", "nobody"), "the baseline 'nobody'"),
    "a newer schema": (put("scores.json/schema_version", 2), "newer vtok-eval"),
    "a newer form": (put("manifest.json/form_version", 2), "newer vtok-eval"),
    "no schema version": (remove("run.json/schema_version"), "no valid schema version"),
    "a version that is true": (put("run.json/schema_version", True), "no valid schema version"),
    "another form": (put("manifest.json/form", "zip"), "manifest.json: form"),
    "text for a number": (put("scores.json/scores/0/value", "0.5"), r"scores\.0\.value"),
    "true for a number": (put("scores.json/scores/0/n", True), r"scores\.0\.n"),
    "a negative count": (put("scores.json/scores/0/n", -1), r"scores\.0\.n"),
    "a p of two": (put("comparisons.json/comparisons/0/p", 2.0), r"comparisons\.0\.p"),
    "an object for a list": (put("run.json/systems", {}), "systems"),
    "a name of 300 characters": (put("run.json/systems/0/name", "x" * 300), r"systems\.0\.name"),
    "a name that turns around": (put("run.json/systems/0/name", "\u202egnp.exe"), "U\\+202E"),
    "a name in two lines": (put("run.json/systems/0/name", "a\nb"), "one line"),
    "an empty name": (put("run.json/systems/0/name", ""), r"systems\.0\.name"),
    "a mean of nothing known": (put("scores.json/scores/0/metric/mean_of", ["x"]), "scores"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_what_the_records_do_not_give_is_refused(packed, tmp_path, name):
    change, message = CLAIMS[name]
    path = changed(packed, tmp_path / "claim.zip", change)
    with pytest.raises(SubmissionError, match=message) as caught:
        verify(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


OBJECTS = [
    "manifest.json",
    "manifest.json/files/run.json",
    "manifest.json/jobs/0",
    "manifest.json/links/0",
    "run.json",
    "run.json/systems/0",
    "run.json/benchmarks/0",
    "run.json/sessions/0",
    "run.json/sessions/0/git",
    "scores.json",
    "scores.json/scores/0",
    "scores.json/scores/0/metric",
    "comparisons.json",
    "comparisons.json/comparisons/0",
    f"{RECORDS}/0",
]


@pytest.mark.parametrize("place", OBJECTS)
def test_unknown_keys_are_refused_everywhere(packed, tmp_path, place):
    path = changed(packed, tmp_path / "key.zip", put(f"{place}/surprise", "<script>"))
    with pytest.raises(SubmissionError, match="surprise: unknown key"):
        verify(path)


@pytest.mark.parametrize("name", [name for name in CEILINGS if name != MANIFEST])
def test_a_file_that_is_not_the_hashed_one_is_refused(packed, tmp_path, name):
    files = dict(read_archive(packed).files)
    place = files[name].index(b"made-up" if name == "run.json" else b"clip" if name == RECORDS else b"0.")
    path = tmp_path / "other.zip"
    write_archive(path, {**files, name: files[name][:place] + b"1" + files[name][place + 1 :]})
    with pytest.raises(SubmissionError, match=f"{name} is not the file that the manifest's hash"):
        verify(path)
    write_archive(path, {**files, name: files[name] + b"\n"})
    with pytest.raises(SubmissionError, match=f"{name} has .* bytes; the manifest says"):
        verify(path)


def test_another_versions_intervals_are_replaced_and_its_values_are_not(packed, tmp_path):
    def older(files: Files) -> None:
        files["run.json"]["sessions"] = [session(vtok_eval="0.0.1", folder=None)]
        files["scores.json"]["scores"][0]["low"] = 0.0
        files["comparisons.json"]["comparisons"][0]["p_corrected"] = 1e-9

    verified = verify(changed(packed, tmp_path / "old.zip", older))
    assert list(verified.scores) == list(verify(packed).scores)
    assert list(verified.comparisons) == list(verify(packed).comparisons)

    def lying(files: Files) -> None:
        older(files)
        files["scores.json"]["scores"][0]["value"] = 1.0

    with pytest.raises(SubmissionError, match="value of"):
        verify(changed(packed, tmp_path / "lie.zip", lying))


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_RECORDS", 50, "more than 50 records"),
        ("MAX_LINE_BYTES", 100, "a line of more than 100 bytes"),
        ("MAX_CELLS", 100, "489 values .records x metrics. are more than the 100"),
    ],
)
def test_what_would_take_too_much_memory_or_time_is_refused(packed, monkeypatch, limit, value, message):
    # 4 systems x 40 clips x 3 metrics + 3 videos x 3 metrics = 489
    monkeypatch.setattr(f"reports.submission.verify.{limit}", value)
    with pytest.raises(SubmissionError, match=message):
        verify(packed)


@pytest.mark.parametrize(
    ("model", "data"),
    [(MetricEntry, Metric), (ScoreEntry, Score), (ComparisonEntry, Comparison)],
)
def test_the_schema_has_every_field_of_the_results(model, data):
    assert set(model.model_fields) == {field.name for field in fields(data)}


def test_a_record_line_has_every_field_that_does_not_follow_from_its_job():
    assert set(RecordEntry.model_fields) | {"system", "benchmark"} == {field.name for field in fields(Record)}


def test_a_run_of_the_real_harness_can_be_submitted(tmp_path, monkeypatch):
    from tests.vtok_eval.run.mean_colour_runs import BENCHMARK, MODULE
    from vtok_eval.registry import BENCHMARKS
    from vtok_eval.run.harness import Harness, RunSettings
    from vtok_eval.run.suite import BenchmarkEntry, Suite, SystemEntry

    monkeypatch.setitem(BENCHMARKS.built_in, "mean-colour", BENCHMARK)
    suite = Suite(
        name="test",
        label=LABEL,
        setting="custom",
        baseline="one",
        systems=(SystemEntry(spec=f"{MODULE}:MeanColourTokenizer", name="one"),),
        benchmarks=(BenchmarkEntry(name="mean-colour"),),
    )
    settings = RunSettings(device="cpu", command=("vtok-eval", "run"))
    Harness(suite, settings, cache=tmp_path / "cache").run(tmp_path / "run")
    verified = verify(submit(tmp_path / "run"))
    assert [score.system for score in verified.scores] == ["one"]
