"""Tokenizers on benchmarks of questions: the probe's training data, leakage, training, scores."""

from __future__ import annotations

import csv
import io
import json
import tarfile

import pytest
import torch

from benchmarks.understanding.questions.benchmark import QuestionAnswering
from benchmarks.understanding.questions.catalogue import find_description, shipped_names
from benchmarks.understanding.questions.data.leakage import shared_clips
from benchmarks.understanding.questions.probe.network import ChoiceProbe, best
from benchmarks.understanding.questions.probe.reading import Vocabulary
from benchmarks.understanding.questions.probe.training_data import read_training_file
from benchmarks.understanding.questions.question import VideoQuestion
from tests.benchmarks.understanding.questions.own_description import MINE
from tests.benchmarks.understanding.questions.tiny_answerers import RightAnswerer, evaluate, scores_of
from tests.benchmarks.understanding.questions.tiny_training import (
    MeanColours,
    NoTokens,
    evaluate_tokenizer,
    write_training,
)
from vtok_eval.data import Clip, Clips, Tokens
from vtok_eval.errors import DataError, SuiteError, UnknownNameError
from vtok_eval.probes.attentive import AttentionShape
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness, RunSettings
from vtok_eval.run.suite import parse_suite
from vtok_eval.systems import System
from vtok_eval.video.encode import encode

QUICK = {"epochs": 1, "width": 16, "heads": 2, "learning_rates": [0.03]}
LABELS = ("A", "B", "C", "D", "E", "1", "2", "yes", "no")
TOKENIZER = System("tokens", "test", "tokenizer", NoTokens())
OPEN = ("activitynetqa", "msvdqa", "msrvttqa")


@pytest.fixture
def mine(tmp_path, other_clip_bytes):
    """A training file about four clips beside it: questions with options, or open-ended ones."""

    def make(*, free: bool = False):
        folder = tmp_path / "mine"
        rows = []
        for i, data in enumerate(other_clip_bytes):
            (folder / "clips").mkdir(parents=True, exist_ok=True)
            (folder / f"clips/own_{i}.mp4").write_bytes(data)
            row = {
                "video": f"clips/own_{i}.mp4",
                "question": "what moves?",
                "answer": ("ball", "star")[i % 2],
            }
            rows.append(row if free else {**row, "options": ["star", "ball"]})
        return write_training(folder / "train.jsonl", rows)

    return make


@pytest.mark.parametrize("name", shipped_names())
def test_every_benchmark_tests_a_tokenizer_with_a_users_training_file(name, tiny, mine, tiny_bert, tmp_path):
    data = tiny(name)
    benchmark = QuestionAnswering(
        name,
        data=str(data.folder),
        frames=4,
        short_side=16,
        train=str(mine(free=name in OPEN)),
        text=f"minilm:{tiny_bert}",
        probe=QUICK,
    )
    tokenizer = MeanColours()
    records = evaluate_tokenizer(benchmark, tokenizer, tmp_path / "job")
    assert [record.reason for record in records if record.reason] == []
    scores = scores_of(benchmark, records)
    assert scores["unparsed"].value == 0.0
    for headline in find_description(name).headline:
        assert 0.0 <= scores[headline].value <= 1.0
    answered = evaluate(QuestionAnswering(name, data=str(data.folder), frames=1), RightAnswerer(data.right))
    assert [record.sample_id for record in records] == [record.sample_id for record in answered]
    assert {key for record in records for key in record.values} <= {m.name for m in benchmark.metrics()}
    assert all(record.cost["tokens"] >= 4 for record in records)
    # What is read is a legal answer, and what was expected is what the data say.
    for record in records:
        for entry in record.outputs.get("answers", [record.outputs]):
            identity = entry.get("id", record.sample_id)
            assert entry["read"] in (("ball", "star") if name in OPEN else LABELS)
            if name not in OPEN:
                assert entry["expected"] == data.right[identity]


@pytest.fixture
def coloured(tmp_path, monkeypatch, tiny_bert):
    """A benchmark whose clips are of one colour, and a training file.

    Two questions a clip: whether it is red or blue, which only the clip tells, and one whose words tell it.
    """
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))

    def rows(folder, prefix: str, count: int, levels: range) -> list[dict]:
        made = []
        (folder / "videos").mkdir(parents=True, exist_ok=True)
        for i in range(count):
            red = 2 * i % 13 % 2 == 0  # 7 of 13, in no simple order
            frames = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
            frames[:, 0 if red else 2] = levels[i]  # far enough apart that no two files are equal
            encode(Clip(frames, 2.0), folder / f"videos/{prefix}{i}.mp4")
            options = ["red", "blue"] if i % 3 else ["blue", "red"]
            video = f"videos/{prefix}{i}.mp4"
            made.append((video, "which colour?", options, "red" if red else "blue"))
            word = ("longer", "shorter")[i // 2 % 2]
            made.append((video, f"the {word} one?", options[::-1], "red" if word == "longer" else "blue"))
        return [
            {"video": video, "question": text, "options": options, "answer": answer}
            for video, text, options, answer in made
        ]

    data, train = tmp_path / "data", tmp_path / "train"
    tested = rows(data, "t", 24, range(150, 250, 4))
    for number, row in enumerate(tested):
        row.update(id=str(number), kind=row["question"].split()[0])
    (data / "rows.json").write_text(json.dumps(tested))
    write_training(train / "train.jsonl", rows(train, "own", 60, range(22, 146, 2)))
    (tmp_path / "mine.yaml").write_text(COLOURS)

    def make(**options) -> QuestionAnswering:
        return QuestionAnswering(
            str(tmp_path / "mine.yaml"),
            **{
                "data": str(data),
                "train": str(train / "train.jsonl"),
                "frames": 2,
                "short_side": None,
                "text": f"minilm:{tiny_bert}",
                "probe": {"epochs": 10, "width": 32, "heads": 2, "batch_size": 16, "learning_rates": [0.03]},
                **options,
            },
        )

    return make


COLOURS = """
name: colours
title: Colours
version: "1"
summary: Which colour.
citation: none
url: none
licence: null
source: {repository: none, split: test, fetch: nothing}
size: null
fields: {id: id, video: video, question: question, options: options, answer: answer, meta: {kind: kind}}
tables: [{files: [rows.json]}]
tasks:
  main:
    type: multiple-choice
    prompt: "{question}\\n{options}"
    answer_is: text
    extraction: [letter]
groupings: [{field: kind, title: Kind}]
"""


def test_a_probe_reads_the_tokens_and_without_them_what_the_words_tell(coloured, tmp_path):
    benchmark = coloured(circular=True)
    seeing = scores_of(benchmark, evaluate_tokenizer(benchmark, MeanColours(), tmp_path / "a"))
    assert seeing["kind=which"].value == 1.0
    assert seeing["kind=the"].value == 1.0
    # The order of options changes nothing, whatever a probe has learnt.
    assert seeing["circular"].value == seeing["rotation_mean"].value == seeing["accuracy"].value == 1.0
    blind = scores_of(benchmark, evaluate_tokenizer(benchmark, NoTokens(), tmp_path / "b"))
    assert blind["kind=the"].value == 1.0
    # All questions of this kind have the same words, so it says the same of every clip; 14 of 24 are red.
    assert round(24 * blind["kind=which"].value, 6) in {14, 10}
    assert blind["unparsed"].value == 0.0


def test_scores_depend_neither_on_the_batch_nor_on_being_interrupted(coloured, tmp_path, monkeypatch):
    quick = {"epochs": 2, "width": 16, "heads": 2, "learning_rates": [0.03], "seeds": 2}
    found = []
    for size in (1, 7):
        tokenizer = MeanColours()
        records = evaluate_tokenizer(coloured(probe=quick), tokenizer, tmp_path / str(size), batch_size=size)
        found.append([(record.sample_id, record.values, record.outputs) for record in records])
        # Each of 60 training and 24 tested clips is encoded once, with two questions about each.
        assert tokenizer.n_encoded == 84
    assert found[0] == found[1]
    assert len(found[0][0][1]["accuracy"]) == 2  # one value per probe

    def untrained(*args, **options):
        raise AssertionError("the probes are there already")

    monkeypatch.setattr("vtok_eval.probes.preparation.train_reader", untrained)
    records = evaluate_tokenizer(coloured(probe=quick), MeanColours(), tmp_path / "7")
    assert [(record.sample_id, record.values, record.outputs) for record in records] == found[1]
    with pytest.raises(AssertionError, match="there already"):  # other sentences, other probes
        evaluate_tokenizer(coloured(probe={**quick, "epochs": 3}), MeanColours(), tmp_path / "7")


def test_all_tokenizers_learn_from_the_same_clips_and_are_described_by_them(coloured, tmp_path):
    benchmark = coloured(probe=QUICK)
    evaluate_tokenizer(benchmark, MeanColours(), tmp_path / "a")
    evaluate_tokenizer(benchmark, NoTokens(), tmp_path / "b")
    accounts = [json.loads((tmp_path / job / "training.json").read_text()) for job in "ab"]
    assert [account["training_clips"] for account in accounts] == [54, 54]
    assert [account["validation_clips"] for account in accounts] == [6, 6]  # one in ten
    encoder = json.loads((tmp_path / "a/sentences.json").read_text())
    assert (encoder["name"], len(encoder["weights_sha256"])) == ("tiny", 64)
    described = benchmark.describe()
    assert described["probe"]["questions"] == 120
    assert described["probe"]["training"] == "file train.jsonl"
    assert json.loads(json.dumps(dict(described))) == described
    assert "trained on 120 questions about 54 clips from file train.jsonl" in " ".join(described["notes"])
    assert any("60 training clips through each tokenizer" in line for line in described["cost"])


def test_a_tokenizers_own_projection_is_trained_with_the_probe(coloured, tmp_path):
    from safetensors.torch import load_file

    class Projection(torch.nn.Module):
        def __init__(self, seed: int) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(seed)
            self.weight = torch.nn.Parameter(torch.randn(6, 5, generator=generator))

        def forward(self, groups) -> Tokens:
            joined = Tokens.concatenate(groups)
            return Tokens(joined.values @ self.weight.T, joined.mask, joined.kind, joined.frame)

    class Trainable(MeanColours):
        trainable = True

        def features(self, clips: Clips) -> tuple[Tokens, ...]:
            return (super().encode(clips),)

        def encode(self, clips: Clips) -> Tokens:
            raise AssertionError("what is trained is what is read")

        def new_projection(self, *, seed: int) -> Projection:
            drawn.append(seed)
            return Projection(seed)

    drawn: list[int] = []
    records = evaluate_tokenizer(coloured(), Trainable(), tmp_path / "job")
    kept = load_file(tmp_path / "job/probe-0.safetensors")
    assert not torch.allclose(kept["weights.projection.weight"], Projection(drawn[0]).weight, atol=1e-3)
    assert scores_of(coloured(), records)["kind=which"].value == 1.0


def test_training_clips_that_fail_are_left_out_and_named(coloured, tmp_path):
    (tmp_path / "train/videos/own7.mp4").write_bytes(b"no video")
    (tmp_path / "train/videos/own8.mp4").unlink()
    evaluate_tokenizer(coloured(probe=QUICK), NoTokens(), tmp_path / "job")
    account = json.loads((tmp_path / "job/training.json").read_text())
    failed = {**account["failed_training_clips"], **account["failed_validation_clips"]}
    assert sorted(failed) == ["videos/own7.mp4", "videos/own8.mp4"]
    assert account["training_clips"] + account["validation_clips"] == 58


class TestLeakage:
    def test_clips_under_test_are_refused_with_their_number(self, coloured, tmp_path):
        for i in (3, 5):  # the same bytes under another name
            source = (tmp_path / f"data/videos/t{i}.mp4").read_bytes()
            (tmp_path / f"train/videos/own{i}.mp4").write_bytes(source)
        benchmark = coloured(probe=QUICK)
        with pytest.raises(SuiteError) as caught:
            evaluate_tokenizer(benchmark, MeanColours(), tmp_path / "job")
        assert "2 of 60 training videos are also under test (the first: videos/own3.mp4)" in str(caught.value)
        dropped = coloured(probe=QUICK, leakage="drop")
        evaluate_tokenizer(dropped, MeanColours(), tmp_path / "job")
        assert dropped.describe()["probe"]["clips_left_out_as_tested"] == 2
        assert dropped.describe()["probe"]["questions"] == 2 * 58

    def test_one_video_encoded_twice_is_known_by_its_name(self, tiny, mine, tiny_bert):
        data = tiny("nextqa")
        path = mine()
        row = {"video": "4000.mp4", "question": "?", "options": ["a", "b"], "answer": "a"}
        (path.parent / "4000.mp4").write_bytes((path.parent / "clips/own_0.mp4").read_bytes())
        write_training(path, [*map(json.loads, path.read_text().splitlines()), row])
        benchmark = QuestionAnswering(
            "nextqa", data=str(data.folder), train=str(path), text=f"minilm:{tiny_bert}"
        )
        with pytest.raises(SuiteError, match="1 of 5 training videos are also under test"):
            benchmark.samples(TOKENIZER)
        # Answerers learn nothing from them.
        assert benchmark.describe()["probe"] is None
        assert len(evaluate(benchmark, RightAnswerer(data.right))) == 4

    def test_clips_in_archives(self, tiny, tmp_path):
        data = tiny("mlvu")
        path = write_training(
            tmp_path / "mine/train.jsonl",
            [
                {"video": f"{name}.mp4", "question": "?", "options": ["a", "b"], "answer": "a"}
                for name in ("copy", "other")
            ],
        )
        with tarfile.open(tmp_path / "mine/clips.tar", "w") as tar:
            for name, content in (("copy", data.clips[1]), ("other", data.clips[1][:-1])):
                info = tarfile.TarInfo(f"{name}.mp4")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        benchmark = QuestionAnswering("mlvu", data=str(data.folder), train=str(path))
        with pytest.raises(SuiteError, match=r"1 of 2 training videos .* \(the first: copy\.mp4\)"):
            benchmark.samples(TOKENIZER)

    def test_what_is_not_there_is_no_leak(self, tmp_path):
        from benchmarks.understanding.questions.data.video_library import MissingVideo

        missing = MissingVideo("a.mp4", "gone")
        assert shared_clips({"a.mp4": missing}, {"b.mp4": missing}) == frozenset()
        assert shared_clips({"x/a.mp4": missing}, {"a.avi": missing}) == {"x/a.mp4"}


def test_a_smoke_test_learns_from_fewer_clips(tiny, tmp_path):
    rows = [
        {"video": f"own_{i}.mp4", "question": "?", "options": ["a", "b"], "answer": "a"} for i in range(80)
    ]
    path = write_training(tmp_path / "mine/train.jsonl", rows)
    whole = QuestionAnswering("nextqa", data=str(tiny("nextqa").folder), train=str(path))
    kept = []
    for benchmark in (whole, whole.with_less_training(0.5), whole.with_less_training(0.01), whole):
        probe = benchmark.describe()["probe"]
        kept.append(probe["training_clips"] + probe["validation_clips"])
    assert kept == [80, 40, 32, 80]


class TestOwnSplit:
    def test_nextqa(self, tiny, tiny_bert, tmp_path, other_clip_bytes):
        data = tiny("nextqa")
        without = QuestionAnswering("nextqa", data=str(data.folder))
        assert without.accepts == {"answerer"}
        assert "its training split is not there" in without.why_not["tokenizer"]
        rows = [
            {"video": 100 + i // 2, "question": "why", "type": "CW", "answer": i % 5, "qid": i}
            | {f"a{k}": f"reason {k}" for k in range(5)}
            for i in range(6)
        ]
        with (data.folder / "train.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        for i in range(3):
            (data.folder / f"NExTVideo/{100 + i}.mp4").write_bytes(other_clip_bytes[i])
        benchmark = QuestionAnswering(
            "nextqa", data=str(data.folder), frames=2, text=f"minilm:{tiny_bert}", probe=QUICK
        )
        assert benchmark.accepts == {"answerer", "tokenizer"}
        records = evaluate_tokenizer(benchmark, MeanColours(), tmp_path / "job")
        assert scores_of(benchmark, records)["accuracy"].n == 4
        assert benchmark.describe()["probe"]["questions"] == 6
        assert benchmark.describe()["probe"]["validation_clips"] == 1

    def test_open_ended_answers_come_from_the_training(self, tiny, tiny_bert, tmp_path, other_clip_bytes):
        data = tiny("msrvttqa")  # one question, "what do they do?", "run"
        answers = ["jump", "jump", "Run", "sit", "run", "jump", "sit"]
        rows = [
            {"answer": answer, "category_id": 1, "id": i, "question": "what do they do?", "video_id": i % 3}
            for i, answer in enumerate(answers)
        ]
        data.json("train_qa.json", rows)
        for i in range(3):
            (data.folder / "TrainValVideo").mkdir(exist_ok=True)
            (data.folder / f"TrainValVideo/video{i}.mp4").write_bytes(other_clip_bytes[i])
        options = {"data": str(data.folder), "frames": 2, "text": f"minilm:{tiny_bert}"}
        # "jump" 3 times, "run" and "sit" twice each: of the two most frequent, one is the right answer.
        benchmark = QuestionAnswering("msrvttqa", probe={**QUICK, "vocabulary": 2}, **options)
        assert benchmark.describe()["probe"]["answers_in_vocabulary"] == 1
        records = evaluate_tokenizer(benchmark, MeanColours(), tmp_path / "job")
        assert records[0].outputs["read"] in {"jump", "run"}
        assert records[0].outputs["expected"] == "run"
        one = QuestionAnswering("msrvttqa", probe={**QUICK, "vocabulary": 1}, **options)
        assert "hold 0 of 1 right ones" in " ".join(one.describe()["notes"])
        records = evaluate_tokenizer(one, MeanColours(), tmp_path / "one")
        assert (records[0].outputs["read"], records[0].values["accuracy"]) == ("jump", (0.0,))


def test_the_vocabulary_is_what_was_answered_most():
    free = ["a Dog", "dog", "dog", "two", "2", "cat", "the", "bee"]
    questions = [
        VideoQuestion(str(i), "", "", "v", (), "?", (), (), free_answer=answer)
        for i, answer in enumerate(free)
    ]
    vocabulary = Vocabulary.of(questions, size=3)
    # dog 3, 2 twice, then bee before cat; "the" is nothing. Of equally frequent wordings the first in order.
    assert vocabulary.answers == ("dog", "2", "bee")
    assert vocabulary.by_normalised == {"dog": 0, "2": 1, "bee": 2}


class TestTrainingFile:
    def read(self, tmp_path, name: str, text: str):
        (tmp_path / name).write_text(text)
        return read_training_file(tmp_path / name)

    def test_csv_with_options_in_columns(self, tmp_path):
        text = "video,question,answer,option0,option1,option2\nv.mp4,Which?,two,one,two,\n"
        (question,) = self.read(tmp_path, "a[1].csv", text)
        assert (question.options, question.answer, question.free_answer) == (("one", "two"), 1, None)

    def test_no_options_is_open_ended(self, tmp_path):
        (question,) = self.read(tmp_path, "a.json", '[{"video": 7, "question": "Who?", "answer": 3}]')
        assert (question.video, question.free_answer, question.options) == ("7", "3", ())

    @pytest.mark.parametrize(
        ("row", "says"),
        [
            ({"question": "?", "answer": "a"}, "has no video"),
            ({"video": "v", "question": "", "answer": "a"}, "has no question"),
            ({"video": "v", "question": "?", "options": ["a", "b"]}, "has no answer"),
            ({"video": "v", "question": "?", "options": ["a", "b"], "answer": "A"}, "none of the options"),
            ({"video": "v", "question": "?", "options": "a;b", "answer": "a"}, "must be a list"),
            ({"video": "v", "question": "?", "options": ["a"], "answer": "a"}, "has 1 options"),
        ],
    )
    def test_bad_rows_are_named(self, tmp_path, row, says):
        with pytest.raises(DataError, match=says) as caught:
            self.read(tmp_path, "a.json", json.dumps([row]))
        assert "a.json, row 0" in str(caught.value)


class TestRefusals:
    def test_one_line_says_what_is_missing(self, tiny, tmp_path):
        data = tiny("mvbench")
        suite = parse_suite(
            f"name: t\nlabel: t\nsetting: custom\nsystems: [blind]\n"
            f"benchmarks: [{{name: mvbench, options: {{data: {data.folder}}}}}]",
            origin="t",
        )
        harness = Harness(suite, RunSettings(device="cpu"), cache=tmp_path / "cache")
        with pytest.raises(SuiteError, match="mvbench publishes no training split") as caught:
            harness.plan()
        assert "--set train=FILE" in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"train": "/nowhere/x.jsonl"}, "train=/nowhere/x.jsonl: no such file"),
            ({"blind": True}, "blind asks without clips"),
            ({"compat": "lmms-eval"}, "reads texts"),
            ({"frames": None}, "--set frames=16"),
        ],
    )
    def test_why_not(self, tiny, options, says):
        benchmark = QuestionAnswering("tomato", data=str(tiny("tomato").folder), **options)
        assert "tokenizer" not in benchmark.accepts
        assert says in benchmark.why_not["tokenizer"]
        assert benchmark.describe()["probe"] is None

    @pytest.mark.parametrize(
        ("options", "error", "says"),
        [
            ({"probe": {"epoch": 3}}, UnknownNameError, "did you mean 'epochs'"),
            ({"probe": {"width": 20}}, SuiteError, "must be a multiple of heads"),
            ({"probe": 3}, SuiteError, "must be a mapping"),
            ({"leakage": "keep"}, UnknownNameError, "way with leakage 'keep'"),
            ({"text": "bert"}, UnknownNameError, "sentence encoder 'bert'"),
        ],
    )
    def test_bad_options(self, options, error, says):
        with pytest.raises(error, match=says):
            QuestionAnswering("tomato", **options)

    def test_questions_of_another_kind(self, tiny, mine):
        data = tiny("tomato")
        benchmark = QuestionAnswering("tomato", data=str(data.folder), train=str(mine(free=True)))
        with pytest.raises(DataError, match="has questions with options about 0 videos"):
            benchmark.samples(TOKENIZER)


def test_the_order_of_options_changes_their_order_only():
    torch.manual_seed(0)
    shape = AttentionShape(token_width=5, n_slots=2, n_frames=3, width=16, heads=4)
    probe = ChoiceProbe(shape, text_width=6).eval()
    tokens = Tokens.of(torch.randn(2, 4, 5), frame=torch.tensor([0, 1, 2, 2]))
    slot = torch.zeros(2, 4, dtype=torch.int64)
    question, options = torch.randn(2, 6), torch.randn(2, 3, 6)
    with torch.no_grad():
        scores = probe.choose(tokens, slot, question, options)
        turned = probe.choose(tokens, slot, question, options[:, [2, 0, 1]])
        other_clip = probe.choose(
            Tokens.of(torch.randn(2, 4, 5), frame=torch.tensor([0, 1, 2, 2])), slot, question, options
        )
        named = probe.name(tokens, slot, question, options[0])
    assert torch.allclose(turned, scores[:, [2, 0, 1]], atol=1e-5)
    assert not torch.allclose(other_clip, scores, atol=1e-3)
    assert named.shape == (2, 3)
    assert best(torch.tensor([[1.0, 3.0, 3.0], [0.0, -1.0, -2.0]])) == [1, 0]


def test_end_to_end_with_an_answerer_beside(tiny, mine, tiny_bert, tmp_path):
    data = tiny("tvbench")
    (tmp_path / "answers.json").write_text(json.dumps(data.right))
    (tmp_path / "colours.py").write_text(
        "import torch\nfrom vtok_eval.data import Tokens\nclass Colours:\n"
        "    def encode(self, clips):\n        return Tokens.of(clips.frames.float().mean(dim=(3, 4)))\n"
    )
    suite = parse_suite(
        f"""
name: t
label: t
setting: custom
systems:
  - {{name: mine, spec: "{tmp_path}/colours.py:Colours"}}
  - blind
  - {{name: answers, spec: "replay:{tmp_path}/answers.json"}}
baseline: blind
benchmarks:
  - name: tvbench
    options:
      {{data: "{data.folder}", frames: 2, train: "{mine()}", text: "minilm:{tiny_bert}", probe: {QUICK}}}
""",
        origin="t",
    )
    settings = RunSettings(device="cpu", batch_size=3)
    summary = Harness(suite, settings, cache=tmp_path / "cache").run(tmp_path / "run")
    assert summary.complete
    folder = RunFolder.open(tmp_path / "run")
    found = {(score.system, score.metric.name): score for score in folder.scores()}
    assert found["answers", "accuracy"].value == 1.0
    assert found["mine", "accuracy"].n == found["blind", "accuracy"].n == 10
    assert found["mine", "unparsed"].value == found["blind", "unparsed"].value == 0.0
    again = Harness(suite, settings, cache=tmp_path / "cache").run(tmp_path / "run")
    assert again.new_samples == 0


def test_a_users_own_yaml_may_have_a_training_split(tmp_path):
    text = MINE + "\ntrain: {tables: [{files: [train.json], task: man}], fetch: nothing}\n"
    (tmp_path / "mine.yaml").write_text(text)
    from vtok_eval.errors import DescriptionError

    with pytest.raises(DescriptionError, match="did you mean 'main'"):
        find_description(str(tmp_path / "mine.yaml"))
