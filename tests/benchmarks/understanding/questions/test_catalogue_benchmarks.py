"""Every benchmark of the catalogue on tiny data in its real layout: loader, prompt, reader, scorer."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from benchmarks.understanding.questions.benchmark import QuestionAnswering
from benchmarks.understanding.questions.catalogue import find_description, shipped_names
from benchmarks.understanding.questions.data.report import catalogue_lines, check_data
from tests.benchmarks.understanding.questions.tiny_answerers import (
    RightAnswerer,
    evaluate,
    one_score,
    scores_of,
)
from tests.benchmarks.understanding.questions.tiny_layouts import LAYOUTS
from vtok_eval.registry import BENCHMARKS


def test_every_benchmark_of_the_issue_is_there_and_registered():
    assert set(shipped_names()) == set(LAYOUTS)
    for name in shipped_names():
        assert BENCHMARKS.resolve(name)().name == name
        assert BENCHMARKS.summary(name) == find_description(name).summary.removesuffix(".")


def test_the_names_are_known_before_their_code_is_imported():
    """Listing and spelling errors need no benchmark; the YAML files are the only list of these names."""
    code = (
        "import sys; from vtok_eval.registry import BENCHMARKS; print(*BENCHMARKS)\n"
        "assert not [name for name in sys.modules if name.startswith(('benchmarks', 'yaml', 'torch'))]"
    )
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(shipped_names()) < set(listed.split())


@pytest.mark.parametrize("name", shipped_names())
def test_right_answers_score_one_and_every_clip_is_decoded(tiny, name):
    data = tiny(name)
    benchmark = QuestionAnswering(name, data=str(data.folder), frames=4)
    answerer = RightAnswerer(data.right)
    records = evaluate(benchmark, answerer)
    assert [record.reason for record in records if record.reason] == []
    scores = scores_of(benchmark, records)
    for headline in find_description(name).headline:
        assert scores[headline].value == 1.0
    assert scores["unparsed"].value == 0.0
    # All that was asked has a right answer in the data, and was asked once, with its clip.
    assert sorted(answerer.asked) == sorted(data.right)
    assert all(clip is not None and clip.frames.shape[0] == 4 for clip in answerer.clips)


@pytest.mark.parametrize("name", shipped_names())
def test_unreadable_answers_count_as_wrong_and_are_told(tiny, name):
    data = tiny(name)
    benchmark = QuestionAnswering(name, data=str(data.folder), frames=1)
    records = evaluate(benchmark, RightAnswerer(data.right, always="..."))
    scores = scores_of(benchmark, records)
    n = len(records)
    for headline in find_description(name).headline:
        assert scores[headline].value == 0.0
    assert scores["unparsed"].value == 1.0
    assert scores["accuracy"].n == n  # the denominator does not change


@pytest.mark.parametrize("name", ["tomato", "vinoground"])
def test_answers_cut_at_the_token_limit_are_counted_where_that_is_known(tiny, name):
    data = tiny(name)
    benchmark = QuestionAnswering(name, data=str(data.folder), frames=1)
    cut = sorted(data.right)[:1]
    records = evaluate(benchmark, RightAnswerer(data.right, cut=cut))
    score = scores_of(benchmark, records)["cut_at_token_limit"]
    assert score.value == pytest.approx(1 / len(data.right))
    assert score.metric.group == scores_of(benchmark, records)["unparsed"].metric.group
    unknown = scores_of(benchmark, evaluate(benchmark, RightAnswerer(data.right)))
    assert "cut_at_token_limit" not in unknown or unknown["cut_at_token_limit"].value is None
    if name == "tomato":
        assert [record.outputs.get("cut_at_token_limit") for record in records].count(True) == 1


@pytest.mark.parametrize("name", shipped_names())
def test_the_data_are_checked_before_anything_runs(tiny, name):
    data = tiny(name)
    report = check_data(name, data.folder)
    assert not report.missing
    assert not report.broken
    assert report.n_questions > 0
    assert "all videos are there" in report.render()
    assert "for tokenizers: " in report.render()
    assert ("publishes no training split" in report.render()) == (find_description(name).train is None)


@pytest.mark.parametrize("name", shipped_names())
def test_nothing_there_says_what_to_fetch(tmp_path, name):
    report = check_data(name, tmp_path)
    assert report.problem is not None
    assert find_description(name).source.repository in report.render()
    assert not report.is_complete


def test_one_folder_may_hold_the_data_of_all(tiny):
    made = [tiny(name) for name in shipped_names()]
    parent = str(made[0].folder.parent)
    for data in made:
        name = data.folder.name
        benchmark = QuestionAnswering(name, data=parent, blind=True)
        asked = RightAnswerer(data.right)
        evaluate(benchmark, asked)
        assert sorted(asked.asked) == sorted(data.right), name


def test_the_list_says_where_data_are(tiny):
    data = tiny("tomato")
    lines = {line.name: line for line in catalogue_lines(str(data.folder.parent))}
    assert lines["tomato"].data == data.folder
    assert lines["tomato"].size == 1484
    assert lines["mvbench"].data is None
    assert all(line.citation and line.licence and line.headline for line in lines.values())


def test_missing_and_broken_videos_are_named(tiny):
    data = tiny("tomato")
    (data.folder / "videos/object/0.mp4").unlink()
    (data.folder / "videos/object/1.mp4").write_bytes(data.clips[1][:700])
    report = check_data("tomato", data.folder)
    assert list(report.missing) == ["videos/object/0.mp4"]
    assert list(report.broken) == ["videos/object/1.mp4"]
    assert "1 videos missing" in report.render()
    assert "1 videos broken" in report.render()


def test_failed_clips_are_failed_samples_that_count_in_their_own_groups(tiny):
    data = tiny("videomme")
    (data.folder / "videos_chunked_02.zip").unlink()  # the long video's
    benchmark = QuestionAnswering("videomme", data=str(data.folder), frames=2)
    records = evaluate(benchmark, RightAnswerer(data.right))
    assert sum(record.status == "failed" for record in records) == 3
    assert "no video 'data/clip-1.mp4'" in next(record.reason for record in records if record.reason)
    scores = scores_of(benchmark, records)
    assert scores["accuracy"].value == 0.5  # 3 of 6
    assert scores["duration=short"].value == 1.0
    assert (scores["duration=short"].n, scores["duration=short"].n_failed) == (3, 0)
    assert scores["duration=long"].value == 0.0
    assert (scores["duration=long"].n, scores["duration=long"].n_failed) == (3, 3)
    assert scores["accuracy"].n_clusters == 2  # intervals resample videos, not questions


def test_groupings_of_video_mme(tiny):
    data = tiny("videomme")
    benchmark = QuestionAnswering("videomme", data=str(data.folder), frames=1)
    right = dict(data.right)
    right["001-1"] = "no letter here"
    scores = scores_of(benchmark, evaluate(benchmark, RightAnswerer(right)))
    assert scores["duration=short"].value == 1.0
    assert scores["duration=long"].value == pytest.approx(2 / 3, abs=1e-9)
    assert scores["domain=Sports Competition"].value == pytest.approx(2 / 3, abs=1e-9)
    assert scores["accuracy"].metric.chance == 0.25
    assert scores["unparsed"].value == pytest.approx(1 / 6, abs=1e-9)


def test_mlvu_is_a_mean_over_task_types(tiny):
    data = tiny("mlvu")
    benchmark = QuestionAnswering("mlvu", data=str(data.folder), frames=1)
    right = {**data.right, "dev/1": "A"}  # one of two questions of type order
    scores = scores_of(benchmark, evaluate(benchmark, RightAnswerer(right)))
    assert scores["mean:task_type"].value == 0.75  # (1/1 + 1/2) / 2
    assert scores["accuracy"].value == pytest.approx(2 / 3, abs=1e-9)


def test_both_of_a_pair_must_be_right(tiny):
    data = tiny("vinoground")
    benchmark = QuestionAnswering("vinoground", data=str(data.folder), frames=1)
    right = {**data.right, "text/0_neg": "A"}
    scores = scores_of(benchmark, evaluate(benchmark, RightAnswerer(right)))
    # Pair 0: one of two captions wrong, videos right. Pair 1: all right.
    assert (scores["text"].value, scores["video"].value, scores["group"].value) == (0.5, 1.0, 0.5)
    assert scores["accuracy"].value == 7 / 8
    assert scores["text:major=object"].value == 0.0
    assert scores["group:minor=spatial"].value == 1.0
    assert scores["group:minor=spatial"].n == 1
    assert scores["text"].metric.chance == 0.25


def test_a_pair_whose_clip_is_missing_fails_as_one_sample(tiny):
    data = tiny("vinoground")
    (data.folder / "vinoground_videos/1_neg.mp4").unlink()
    benchmark = QuestionAnswering("vinoground", data=str(data.folder), frames=1)
    records = evaluate(benchmark, RightAnswerer(data.right))
    assert [(record.sample_id, str(record.status)) for record in records] == [
        ("pair/0", "ok"),
        ("pair/1", "failed"),
    ]
    assert scores_of(benchmark, records)["group"].value == 0.5


def test_tempcompass_captions_are_read_by_the_option_they_hold(tiny):
    data = tiny("tempcompass")
    benchmark = QuestionAnswering("tempcompass", data=str(data.folder), subsets="captioning", frames=1)
    answerer = RightAnswerer({"captioning/0": "The ball goes to the right."})
    scores = scores_of(benchmark, evaluate(benchmark, answerer))
    assert scores["accuracy"].value == 1.0
    assert answerer.prompts == ["Describe how it moves."]  # the options are not shown
    wrong = RightAnswerer({"captioning/0": "It goes left, then right."})
    assert scores_of(benchmark, evaluate(benchmark, wrong))["accuracy"].value == 0.0


def test_pictures_are_a_clip_in_the_order_of_their_numbers(tiny):
    data = tiny("mvbench")
    benchmark = QuestionAnswering("mvbench", data=str(data.folder), subsets=["episodic_reasoning"], frames=3)
    answerer = RightAnswerer(data.right)
    evaluate(benchmark, answerer)
    # Pictures 1.jpg to 11.jpg have greys 0, 10, ..., 100; 0, 5 and 10 are chosen (10.jpg is not the second).
    greys = answerer.clips[0].frames.float().mean(dim=(1, 2, 3))
    assert torch.allclose(greys, torch.tensor([0.0, 50.0, 100.0]), atol=2)
    assert answerer.clips[0].fps == pytest.approx(3 * 3 / 11)


def test_questions_of_one_clip_share_one_object(tiny):
    data = tiny("videomme")
    answerer = RightAnswerer(data.right)
    evaluate(QuestionAnswering("videomme", data=str(data.folder), frames=2), answerer)
    assert answerer.asked[:3] == ["000-1", "000-2", "000-3"]
    assert len({id(clip) for clip in answerer.clips[:3]}) == 1


def test_questions_of_one_clip_share_it_across_batches_and_it_is_decoded_once(tiny, monkeypatch):
    from vtok_eval.video.sources import VideoFile

    decoded = []
    load = VideoFile.load
    monkeypatch.setattr(VideoFile, "load", lambda self: decoded.append(self.path) or load(self))
    data = tiny("videomme")
    answerer = RightAnswerer(data.right)
    # Six questions on two clips in batches of two: the second batch has the end of one, and of the next.
    evaluate(QuestionAnswering("videomme", data=str(data.folder), frames=2), answerer, batch_size=2)
    assert len({id(clip) for clip in answerer.clips[:3]}) == 1
    assert len({id(clip) for clip in answerer.clips}) == 2
    assert answerer.clips[0].frames.untyped_storage().nbytes() == answerer.clips[0].frames.numel()
    assert len(decoded) == 2


def test_prompts(tiny):
    def first_prompt(name: str) -> str:
        data = tiny(name)
        answerer = RightAnswerer(data.right)
        evaluate(QuestionAnswering(name, data=str(data.folder), frames=4), answerer)
        return answerer.prompts[answerer.asked.index(sorted(data.right)[0])]

    assert first_prompt("mvbench") == (
        "Question:Where does it go in action_antonym?\nOption:\n(A) left\n(B) right\n(C) up\n(D) down\n"
        "Only give the best option."
    )
    assert first_prompt("videomme") == (
        "Select the best answer to the following multiple-choice question based on the video. Respond with "
        "only the letter (A, B, C or D) of the correct option.\nHow many are there, 0?\nA. One.\nB. Two.\n"
        "C. Three.\nD. Four.\nThe best answer is:"
    )
    assert first_prompt("activitynetqa") == (
        "Is the ball red? Answer the question using a single word or phrase."
    )
    assert first_prompt("tempcompass") == (
        "Which sentence better matches?\nSentence A: It goes left.\nSentence B: It goes right.\n"
        "Please directly give the best option:"
    )
    assert "These 4 frames" in first_prompt("tomato")


def test_the_hidden_answers_are_written_for_the_server(tiny, tmp_path):
    from benchmarks.understanding.questions.submission import write_submission
    from vtok_eval.errors import DataError

    data = tiny("egoschema")
    benchmark = QuestionAnswering("egoschema", data=str(data.folder), subsets="GENERATION", frames=1)
    answerer = RightAnswerer({"GENERATION/0": "C", "GENERATION/1": "???"})
    records = evaluate(benchmark, answerer)
    scores = scores_of(benchmark, records)
    assert scores["accuracy"].value is None
    assert scores["unparsed"].value == 0.5
    questions = [members[0] for members in benchmark.questions_by_sample.values()]
    unread = write_submission(benchmark.description, questions, records, tmp_path / "answers.json")
    assert json.loads((tmp_path / "answers.json").read_text()) == {"v0": 2, "v1": -1}
    assert unread == 1
    with pytest.raises(DataError, match="GENERATION/1 has no answer yet"):
        write_submission(benchmark.description, questions, records[:1], tmp_path / "answers.json")


def test_the_cost_is_told_before_the_run(tiny):
    data = tiny("videomme")
    benchmark = QuestionAnswering("videomme", data=str(data.folder), frames=8, short_side=96, circular=True)
    lines = benchmark.describe()["cost"]
    assert lines[0] == "6 questions on 2 clips with at most 8 frames, 24 answers asked for of each answerer"
    # 3 x 96 x 96 x 16/9 x 8 bytes = 393,216 = 0.375 MiB
    assert lines[1] == "about 0.4 MiB of frames for each clip in memory, if it is 16:9"
    assert "are taken out of archives" in lines[2]
    before = benchmark.describe()
    evaluate(benchmark, RightAnswerer(data.right))
    assert benchmark.describe() == before  # else a run could not be continued


def test_scores_do_not_depend_on_the_batch(tiny):
    data = tiny("nextqa")
    benchmark = QuestionAnswering("nextqa", data=str(data.folder), frames=2)
    found = [evaluate(benchmark, RightAnswerer(data.right), batch_size=size) for size in (1, 2, 16)]
    values = [{record.sample_id: record.values for record in records} for records in found]
    assert values[0] == values[1] == values[2]
    assert one_score(benchmark, found[0], "accuracy").value == 1.0
