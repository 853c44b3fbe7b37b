"""Circular, blind and lmms-eval's reading; replayed answers; a user's own YAML file, end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.understanding.questions.answering.evaluator import turned_question
from benchmarks.understanding.questions.answering.grading import grade, normalised
from benchmarks.understanding.questions.answering.lmms_eval_extraction import read_as_peer
from benchmarks.understanding.questions.benchmark import QuestionAnswering
from benchmarks.understanding.questions.catalogue import find_description
from benchmarks.understanding.questions.question import VideoQuestion
from tests.benchmarks.understanding.questions.own_description import MINE
from tests.benchmarks.understanding.questions.tiny_answerers import RightAnswerer, evaluate, scores_of
from vtok_eval.answerers.replay import NamedRequest, build_replay
from vtok_eval.answerers.request import Answer, AnswererError
from vtok_eval.errors import SpecError
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness, RunSettings
from vtok_eval.run.suite import parse_benchmark, parse_suite
from vtok_eval.specs.systems import kind_of

ROOT = Path(__file__).parents[4]


def question(*options: str, answer: int = 0, labels: str = "", **more) -> VideoQuestion:
    names = tuple(labels or "ABCDEFG"[: len(options)])
    return VideoQuestion("q", "", "main", "v", (), "Which?", options, names, answer=answer, **more)


class TwoSeeds(RightAnswerer):
    """A reader that is always right, and one of another seed that always says A."""

    n_replicates = 2

    def answer_replicates(self, requests):
        answers = self.answer_batch(requests)
        return [answers, [Answer(text="A", cost=answer.cost) for answer in answers]]


class TestReplicates:
    def test_each_seed_has_a_value_and_the_cost_is_stated_once(self, tiny):
        data = tiny("tvbench")  # two options, the second is right
        benchmark = QuestionAnswering("tvbench", data=str(data.folder), circular=True, frames=1)
        records = evaluate(benchmark, TwoSeeds(data.right, always="blue"))
        assert all(record.values["accuracy"] == (1.0, 0.0) for record in records)
        assert all(record.values["rotation_mean"] == (1.0, 0.5) for record in records)
        assert all(record.meta["training_seeds"] == 2 for record in records)
        assert records[0].outputs["answer"] == "blue"
        assert [seed["answer"] for seed in records[0].outputs["seeds"]] == ["A"]
        assert records[0].cost == {"calls": 2.0}
        assert scores_of(benchmark, records)["accuracy"].value == 0.5

    def test_pairs(self, tiny):
        data = tiny("vinoground")
        benchmark = QuestionAnswering("vinoground", data=str(data.folder), frames=1)
        records = evaluate(benchmark, TwoSeeds(data.right))
        assert all(len(record.values["group"]) == 2 for record in records)
        assert all(record.values["group"][0] == 1.0 for record in records)

    def test_a_seed_that_answers_too_little(self, tiny):
        class Short(TwoSeeds):
            def answer_replicates(self, requests):
                return [self.answer_batch(requests), []]

        data = tiny("tvbench")
        benchmark = QuestionAnswering("tvbench", data=str(data.folder), frames=1)
        records = evaluate(benchmark, Short(data.right))
        assert all("gave 0 answers" in record.reason for record in records)


class TestCircular:
    def test_an_answerer_that_always_says_a_is_found_out(self, tiny):
        data = tiny("tvbench")  # two options, the second is right
        benchmark = QuestionAnswering("tvbench", data=str(data.folder), circular=True, frames=1)
        scores = scores_of(benchmark, evaluate(benchmark, RightAnswerer(data.right, always="A")))
        assert scores["accuracy"].value == 0.0
        assert scores["rotation_mean"].value == 0.5
        assert scores["circular"].value == 0.0
        assert scores["circular"].metric.chance == 0.25  # (1/2)^2
        assert scores["first_option"].value == 1.0

    def test_an_answerer_that_knows_the_text_is_right_in_every_rotation(self, tiny):
        data = tiny("tvbench")
        benchmark = QuestionAnswering("tvbench", data=str(data.folder), circular=True, frames=1)
        answerer = RightAnswerer(data.right, always="blue")
        records = evaluate(benchmark, answerer)
        scores = scores_of(benchmark, records)
        assert scores["circular"].value == 1.0
        # Over both rotations the text stands first once: no liking for a position.
        assert scores["first_option"].value == 0.5
        assert len(answerer.asked) == 2 * len(data.right)
        assert answerer.requests[0].options == ("red", "blue")
        assert answerer.requests[1].options == ("blue", "red")
        assert (
            answerer.requests[1].question
            == "Which first?\nA. blue\nB. red\nAnswer with the option letter only."
        )
        assert records[0].cost == {"calls": 2.0}

    @given(st.integers(2, 7), st.integers(0, 6), st.integers(0, 6))
    def test_turning_keeps_the_right_option(self, n, answer, turn):
        options = tuple(f"option {i}" for i in range(n))
        asked = question(*options, answer=answer % n)
        turned = turned_question(asked, turn % n)
        assert turned.options[turned.answer] == options[answer % n]
        assert sorted(turned.options) == sorted(options)

    def test_options_listed_in_the_text_are_turned_too(self, tiny):
        data = tiny("tempcompass")
        benchmark = QuestionAnswering("tempcompass", data=str(data.folder), circular=True, frames=1)
        answerer = RightAnswerer(data.right, always="x")
        evaluate(benchmark, answerer)
        prompts = [p for p in answerer.prompts if "Sentence" in p]
        assert "Sentence A: It goes right.\nSentence B: It goes left." in prompts[1]
        assert sum(p.startswith("Does it go right?") for p in answerer.prompts) == 1  # yes and no stay


class TestBlind:
    def test_no_clip_is_opened(self, tiny):
        data = tiny("videomme")
        for archive in data.folder.glob("*.zip"):
            archive.unlink()
        benchmark = QuestionAnswering("videomme", data=str(data.folder), blind=True)
        answerer = RightAnswerer(data.right)
        assert scores_of(benchmark, evaluate(benchmark, answerer))["accuracy"].value == 1.0
        assert set(answerer.clips) == {None}
        assert any("blind" in note for note in benchmark.describe()["notes"])

    def test_pairs(self, tiny):
        data = tiny("vinoground")
        answerer = RightAnswerer(data.right)
        evaluate(QuestionAnswering("vinoground", data=str(data.folder), blind=True), answerer)
        assert set(answerer.clips) == {None}


class TestGrading:
    def task(self, name: str):
        return find_description(name).tasks["main"]

    def test_scores_choose_the_highest_and_equal_ones_choose_nothing(self):
        asked = question("x", "y", "z", answer=1)
        assert grade(self.task("tomato"), asked, (0.1, 0.9, 0.2)).correct == 1.0
        assert grade(self.task("tomato"), asked, (0.9, 0.9, 0.2)).read is None
        with pytest.raises(ValueError, match="3 finite scores"):
            grade(self.task("tomato"), asked, (0.1, float("nan"), 0.2))
        with pytest.raises(ValueError, match="3 finite scores"):
            grade(self.task("tomato"), asked, (0.1, 0.2))

    @pytest.mark.parametrize(
        ("answer", "reference", "right"),
        [
            ("A dog.", "dog", True),
            ("the DOG", "dog", True),
            ("two", "2", True),
            ("The answer is: two dogs", "2 dogs", True),
            ("dogs", "dog", False),  # no stemming: said so in the docs
            ("hot-dog", "hot dog", True),
            ("man's", "mans", True),
            ("", "dog", False),
            ("the", "the", False),  # nothing is left of it
            ("**Dog**", "dog", True),
        ],
    )
    def test_free_answers(self, answer, reference, right):
        asked = VideoQuestion("q", "", "main", "v", (), "What?", (), (), free_answer=reference)
        assert grade(self.task("msvdqa"), asked, answer).correct == float(right)

    @given(st.text(max_size=60))
    def test_normalising_twice_changes_nothing(self, text):
        assert normalised(normalised(text)) in {normalised(text), normalised(normalised(normalised(text)))}


class TestPeer:
    """The expected values are lmms-eval's own rules worked through by hand."""

    @pytest.mark.parametrize(
        ("rule", "answer", "expected"),
        [
            ("letter-word", "B. two", "B"),
            ("letter-word", "(C) three", "C"),
            ("letter-word", "a man walks to D", "A"),  # the article
            ("letter-word", "two", None),
            ("ranked", "The answer is (B).", "B"),
            ("ranked", "(A) is wrong, B", "B"),  # at the end (9) beats "(X)" (6)
            ("ranked", "A. one is wrong, B", "A"),  # at the start (10) beats the end
            ("ranked", "either A) or B) fits", "B"),  # the later of one form
            ("ranked", "Because", "B"),  # a letter in a word
            ("ranked", "none of it", None),
            ("mmmu", "(A) no, (C)", "C"),
            ("mmmu", "PLAN A is it", "A"),
            ("mmmu", "both A and B are", "B"),
            ("mmmu", "b", None),
            ("mmmu", "I think that it must be two here", "B"),  # by text, more than five words
            ("mmmu-earliest", "(B) rather than (A)", "B"),
            ("mmmu-earliest", "B", "B"),
            ("first-letter", "The answer is C", "C"),
            ("first-letter", "Certainly B", "C"),  # in a word
            ("first-letter", "b", None),
            ("first-letter-word", "A man in B", "A"),
            ("first-letter-word", "Dog", None),
            ("any-capital", "Dog", "D"),
            ("any-capital", "B or C", "B"),  # no brackets: the first in order
            ("any-capital", "(B), not (C)", "C"),
            ("letter-or-text", "it is a ball", "A"),
            ("letter-or-text", "blue", "B"),  # a leading letter, of a word
            ("letter-or-text", "it is two", "B"),  # "I" is no option's letter; then the text
            ("exact-or-prefix", "B. two", "B"),
            ("exact-or-prefix", "B) no", "B"),
            ("exact-or-prefix", " B", None),
            ("exact-or-prefix", "b", None),
            ("first-character", "Both", "B"),
            ("first-character", "", None),
        ],
    )
    def test_rules(self, rule, answer, expected):
        asked = question("one", "two", "three", "four")
        position = read_as_peer(rule, answer, asked, None)
        assert (None if position is None else "ABCD"[position]) == expected

    def test_captions(self):
        asked = question("It goes left.", "It goes right.", leads=("Sentence ", "Sentence "))
        for answer in (
            "Sentence B: It goes right.",
            "It goes right.",
            "B",
            "Sentence B.",
            "x) It goes right.",
        ):
            assert read_as_peer("caption", answer, asked, None) == 1
        assert read_as_peer("caption", "sentence b", asked, None) is None

    def test_yes_and_no(self):
        asked = VideoQuestion("q", "", "m", "v", (), "?", ("yes", "no"), ("yes", "no"), answer=0)
        assert read_as_peer("yes-no-prefix", "Yes, it does", asked, None) == 0
        assert read_as_peer("yes-no-prefix", "not sure", asked, None) == 1  # begins with "no"
        assert read_as_peer("yes-no-prefix", "the answer is yes", asked, None) is None

    def test_empty_answers_leave_mvbenchs_denominator(self, tiny):
        data = tiny("mvbench")
        options = {"data": str(data.folder), "subsets": ["action_count"], "blind": True}
        answers = RightAnswerer({"action_count/0": data.right["action_count/0"], "action_count/1": ""})
        ours = QuestionAnswering("mvbench", **options)
        assert scores_of(ours, evaluate(ours, answers))["accuracy"].value == 0.5
        theirs = QuestionAnswering("mvbench", compat="lmms-eval", **options)
        score = scores_of(theirs, evaluate(theirs, answers))["accuracy"]
        assert (score.value, score.n) == (1.0, 1)

    def test_random_choices_count_as_their_expectation(self, tiny):
        data = tiny("nextqa")
        benchmark = QuestionAnswering("nextqa", data=str(data.folder), compat="lmms-eval", blind=True)
        scores = scores_of(benchmark, evaluate(benchmark, RightAnswerer({}, always="-")))
        assert scores["accuracy"].value == pytest.approx(1 / 5)
        assert scores["unparsed"].value == 1.0

    def test_tomato_falls_back_to_a(self, tiny):
        data = tiny("tomato")  # the right answers are A and B
        benchmark = QuestionAnswering("tomato", data=str(data.folder), compat="lmms-eval", blind=True)
        assert (
            scores_of(benchmark, evaluate(benchmark, RightAnswerer({}, always="-")))["accuracy"].value == 0.5
        )


def test_the_answers_of_a_run_are_written_for_the_server(tiny, tmp_path):
    from benchmarks.understanding.questions.submission import write_answers_of_run
    from vtok_eval.errors import UnknownNameError

    data = tiny("egoschema")
    answers = {"Subset/0": "A", "Subset/1": "B", "GENERATION/0": "(E)", "GENERATION/1": "?"}
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    suite = parse_suite(
        json.dumps(
            {
                "name": "t",
                "label": "t",
                "setting": "custom",
                "systems": [f"replay:{tmp_path}/answers.json"],
                "benchmarks": [
                    {"name": "egoschema", "options": {"data": str(data.folder)}},
                    {
                        "name": "egoschema",
                        "id": "all",
                        "options": {"data": str(data.folder), "subsets": "Subset,GENERATION"},
                    },
                ],
            }
        ),
        origin="t",
    )
    Harness(suite, RunSettings(device="cpu"), cache=tmp_path / "cache").run(tmp_path / "run")
    # Of both subsets only the questions without published answers are the server's: E is 4, "?" is nothing.
    assert write_answers_of_run(tmp_path / "run", "all", None, tmp_path / "out.json") == (2, 1)
    assert json.loads((tmp_path / "out.json").read_text()) == {"v0": 4, "v1": -1}
    with pytest.raises(SpecError, match="are published"):
        write_answers_of_run(tmp_path / "run", "egoschema", None, tmp_path / "out.json")
    with pytest.raises(UnknownNameError, match="did you mean 'egoschema'"):
        write_answers_of_run(tmp_path / "run", "egoscheme", None, tmp_path / "out.json")
    with pytest.raises(UnknownNameError, match="system of all 'mine'"):
        write_answers_of_run(tmp_path / "run", "all", "mine", tmp_path / "out.json")


class TestReplay:
    def request(self, **more) -> NamedRequest:
        return NamedRequest(
            None, "prompt", ("x", "y"), benchmark="bench", id="q/1", text="Which  one?", **more
        )

    def replay(self, path):
        return build_replay(str(path), device=torch.device("cpu"))

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("a.csv", 'id,answer\nq/1,"B, I think"\n', Answer("B, I think")),
            ("a.json", '{"q/1": "B"}', Answer("B")),
            ("a.json", '[{"sample_id": "q/1", "answer": [0.5, 0.25]}]', Answer(scores=(0.5, 0.25))),
            ("a.TSV", "ID\tAnswer\nq/1\ta\u2028b\n", Answer("a\u2028b")),
            ("a.jsonl", '{"id": "q/1", "benchmark": "bench", "answer": ""}\n', Answer("")),
            ("m_samples_task.jsonl", '{"doc_id": 4, "filtered_resps": ["B"], "target": "A"}\n', Answer("B")),
            ("2026_samples_task.jsonl", '{"doc_id": 4, "resps": [["B"]], "doc": {}}\n', Answer("B")),
            (
                "samples_task.jsonl",
                '{"doc_id": 4, "filtered_resps": [""], "input": "... Which one? ..."}',
                Answer(""),
            ),
        ],
    )
    def test_formats(self, tmp_path, name, text, expected):
        (tmp_path / name).write_text(text)
        for path in (tmp_path / name, tmp_path):
            assert self.replay(path).answer_batch([self.request(peer_task="task", peer_row=4)]) == [expected]

    def test_whole_numbers_and_a_peers_nan(self, tmp_path):
        (tmp_path / "a.jsonl").write_text('{"id": 1.0, "answer": "B"}')
        (tmp_path / "samples_task.jsonl").write_text('{"doc_id": 4.0, "doc": {"x": NaN}, "resps": [["A"]]}')
        read = self.replay(tmp_path).entries
        assert {key: entry.answer.text for key, entry in read.items()} == {
            ("", "1"): "B",
            ("lmms-eval:task", "4"): "A",
        }

    def test_a_log_of_other_data_is_noticed(self, tmp_path):
        (tmp_path / "x_samples_task.jsonl").write_text(
            '{"doc_id": 4, "resps": [["B"]], "input": "Who is it?"}'
        )
        with pytest.raises(AnswererError, match="answers another question than q/1"):
            self.replay(tmp_path).answer_batch([self.request(peer_task="task", peer_row=4)])

    def test_what_is_not_there_is_told(self, tmp_path):
        (tmp_path / "a.json").write_text('{"q/2": "B"}')
        with pytest.raises(AnswererError, match="no answer for q/1"):
            self.replay(tmp_path / "a.json").answer_batch([self.request()])
        with pytest.raises(AnswererError, match="no answer for q/1#2"):
            self.replay(tmp_path / "a.json").answer_batch([self.request(rotation=2)])
        with pytest.raises(AnswererError, match="use answer_batch"):
            self.replay(tmp_path / "a.json").answer(None, "?", ())

    @pytest.mark.parametrize(
        ("name", "text", "says"),
        [
            ("a.json", "{", "not JSON"),
            ("a.json", "3", "must hold a list of rows, not a number"),
            ("a.jsonl", "[1]", "a.jsonl, line 1: must be an object"),
            ("a.jsonl", '{"id": 1}', "needs id and answer"),
            ("a.jsonl", '{"id": 1, "answer": 3}', "answer must be a text, or a list"),
            ("a.jsonl", '{"id": 1, "answer": "a"}\n{"id": 1, "answer": "b"}', "was answered before, at"),
            ("a.json", '{"q1": "A", "q1": "B"}', "line 1: the key 'q1' is there twice"),
            (
                "a.json",
                '[{"id": 1, "answer": [0.5, true]}]',
                "row 0 (line 1): answer must be a text, or a list",
            ),
            ("a.csv", "id,answer\nq1,A, or B\n", "line 2: has 3 cells, the header has 2 columns"),
            ("a.csv", "id,answer\n,A\n", "line 2: id must be a text or a whole number, not ''"),
            ("a.csv", "id,reply\nq1,A\n", "line 2: needs id and answer"),
            ("a.jsonl", '{"id": 1.5, "answer": "A"}', "id must be a text or a whole number, not 1.5"),
            ("a.txt", "x", "tables are read from"),
            (
                "x_samples_t.jsonl",
                '{"doc_id": 1, "resps": [[[-1.5, true]]]}',
                "other outputs are not replayed",
            ),
        ],
    )
    def test_bad_files(self, tmp_path, name, text, says):
        (tmp_path / name).write_text(text)
        with pytest.raises(SpecError) as caught:
            self.replay(tmp_path / name)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_no_file(self, tmp_path):
        with pytest.raises(SpecError, match="no such file"):
            self.replay(tmp_path / "none.json")
        with pytest.raises(SpecError, match="no file of answers in this folder"):
            self.replay(tmp_path)

    def test_lmms_evals_rows_are_found_for_every_benchmark_that_it_has(self, tiny, tmp_path):
        data = tiny("vinoground")
        rows = [row.split(",")[0] for row in (data.folder / "lmmseval.csv").read_text().splitlines()[1:]]
        lines = []
        for doc_id, index in enumerate(rows):
            pair, side, kind = index.split("_")
            lines.append(
                json.dumps({"doc_id": doc_id, "filtered_resps": [data.right[f"{kind}/{pair}_{side}"]]})
            )
        (tmp_path / "20260101_samples_vinoground.jsonl").write_text("\n".join(lines))
        benchmark = QuestionAnswering("vinoground", data=str(data.folder))
        scores = scores_of(
            benchmark, evaluate(benchmark, self.replay(tmp_path / "20260101_samples_vinoground.jsonl"))
        )
        assert scores["group"].value == 1.0


class TestThroughTheHarness:
    def test_a_suite_with_an_answerer_and_a_users_own_benchmark(self, tiny, tmp_path):
        data = tiny("tomato")
        folder = tmp_path / "own"
        folder.mkdir()
        (folder / "clip.mp4").write_bytes(data.clips[0])
        row = {"clip": "clip", "q": "Q?", "choices": ["x", "y"], "right": "B", "kind": "k"}
        (folder / "questions.jsonl").write_text(json.dumps(row))
        (tmp_path / "mine.yaml").write_text(MINE)
        answers = [{"benchmark": "tomato", "id": key, "answer": value} for key, value in data.right.items()]
        answers.append({"benchmark": "mine", "id": "0", "answer": "The answer is A"})
        (tmp_path / "answers.json").write_text(json.dumps(answers))
        suite = parse_suite(
            "name: t\nlabel: l\nsetting: custom\n"
            f"systems: ['replay:{tmp_path}/answers.json']\n"
            "benchmarks:\n"
            f"  - {{name: tomato, options: {{data: {data.folder}}}}}\n"
            f"  - {{name: {tmp_path}/mine.yaml, options: {{data: {folder}}}}}\n",
            origin="s.yaml",
        )
        assert [entry.id for entry in suite.benchmarks] == ["tomato", "mine"]
        harness = Harness(suite, RunSettings(device="cpu"), cache=tmp_path / "cache")
        summary = harness.run(tmp_path / "run")
        assert summary.complete
        scores = {(s.benchmark, s.metric.name): s.value for s in RunFolder.open(tmp_path / "run").scores()}
        assert scores["tomato", "accuracy"] == 1.0
        assert scores["mine", "accuracy"] == 0.0
        again = Harness(suite, RunSettings(device="cpu"), cache=tmp_path / "cache").run(tmp_path / "run")
        assert again.new_samples == 0

    def test_names_on_the_command_line(self, tmp_path, monkeypatch):
        suite = parse_suite(
            "name: t\nlabel: l\nsetting: c\nsystems: [frames-2]\nbenchmarks: [efficiency]\n", origin="s.yaml"
        )
        assert parse_benchmark("mvbench:action_count,moving_count", suite=suite).options == {
            "subsets": ["action_count", "moving_count"]
        }
        entry = parse_benchmark("some/mine.yaml", suite=suite)
        assert (entry.name, entry.id, entry.options) == (
            "question-answering",
            "mine",
            {"description": "some/mine.yaml"},
        )
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))
        (tmp_path / "benchmarks").mkdir()
        (tmp_path / "benchmarks/shared.yaml").write_text(MINE)
        assert parse_benchmark("shared", suite=suite).options["description"].endswith("shared.yaml")

    def test_kinds_of_system(self):
        assert kind_of("replay:x.json") == "answerer"
        assert kind_of("videos:shipped") == "videos"
        assert kind_of("vtok:grid=4") == "tokenizer"

    def test_imports_are_cheap(self):
        code = (
            "import sys, vtok_eval.answerers.replay\n"
            "from vtok_eval.registry import BENCHMARKS\n"
            "import benchmarks.understanding.questions.data.report\n"
            "BENCHMARKS.resolve('mvbench')()\n"
            "heavy = {'torch', 'pandas', 'pyarrow', 'PIL', 'av'} & set(sys.modules)\n"
            "sys.exit(f'loads {sorted(heavy)}' if heavy else 0)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        assert done.returncode == 0
