"""The miniature reader end to end, as small as it can be: trained, kept, asked, scored."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks.understanding.reader.options import MiniatureOptions
from vtok_eval.benchmark import Context
from vtok_eval.errors import MissingDependencyError, SuiteError
from vtok_eval.registry import BENCHMARKS
from vtok_eval.results.description import Caveat
from vtok_eval.run.runners.runner import Runner
from vtok_eval.scenes.vocabulary import ATTRIBUTES
from vtok_eval.systems import System, SystemKind
from vtok_eval.tokenizers.controls import Blind

TINY = {
    "train_clips": 24, "validation_clips": 8, "test_clips": 4, "clip_size": 32, "n_frames": 4, "layers": 1,
    "width": 16, "heads": 2, "steps": 4, "batch_size": 4, "validated_clips": 2,
}  # fmt: skip
CPU = torch.device("cpu")


class MeanColours:
    """One token for each frame: its mean colour."""

    def encode(self, clips):
        from vtok_eval.data import Tokens

        values = clips.frames.float().mean(dim=(3, 4)) / 255
        return Tokens.of(values, frame=torch.arange(clips.n_frames))


def context(folder) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(Runner(device=CPU, batch_size=4), CPU, seed=0, artifacts=folder, cache=folder)


@pytest.fixture
def training_packages():
    from vtok_eval.answerers.training.steps.stage_run import need_training_packages

    try:
        need_training_packages()
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"width": 20, "heads": 4}, "must be a multiple of twice heads"),
        ({"steps": 0}, "option steps"),
        ({"clip_size": 8}, "option clip_size"),
        ({"epochs": 3}, "option epochs"),
    ],
)
def test_a_wrong_option_is_one_line(wrong, said):
    with pytest.raises(SuiteError, match=said) as raised:
        BENCHMARKS.resolve("understanding-reader")(**wrong)
    assert "\n" not in str(raised.value)


def test_without_the_packages_it_says_in_one_line_what_to_install(monkeypatch):
    import importlib.metadata

    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(MissingDependencyError, match=r"pip install 'vtok-eval\[train\]'") as raised:
        BENCHMARKS.resolve("understanding-reader")()
    assert "\n" not in str(raised.value)


def test_a_smoke_test_has_fewer_clips_and_steps():
    few = MiniatureOptions(train_clips=1000, validation_clips=100, steps=100).limited(0.1)
    assert (few.train_clips, few.validation_clips, few.steps) == (100, 32, 10)


def test_its_metrics_are_the_probes_and_one_over_all(training_packages):
    reader = BENCHMARKS.resolve("understanding-reader")(**TINY)
    probe = BENCHMARKS.resolve("understanding-scenes")(test_clips=4)
    own = {metric.name: metric for metric in reader.metrics()}
    assert all(own[metric.name] == metric for metric in probe.metrics())
    overall = reader.metrics()[0]
    assert overall.headline
    assert overall.chance == pytest.approx(sum(item.chance for item in ATTRIBUTES) / 12)
    described = reader.describe()
    assert described.caveats == (Caveat.MINIATURE,)
    same = {"train_clips": 24, "validation_clips": 8, "test_clips": 4, "clip_size": 32, "n_frames": 4}
    assert described.data == BENCHMARKS.resolve("understanding-scenes")(**same).describe().data


def prepared(benchmark, tokenizer, folder):
    system = System("it", "spec", SystemKind.TOKENIZER, tokenizer)
    return benchmark.prepare(system, context(folder)), benchmark.samples(system)


def evaluated(evaluator, samples, *, batch_size):
    from vtok_eval.data import Clips

    found = []
    for start in range(0, len(samples), batch_size):
        part = samples[start : start + batch_size]
        found += evaluator.evaluate(part, Clips.stack([sample.clip.load() for sample in part]))
    return found


def test_readers_are_trained_kept_and_read_again(training_packages, tmp_path):
    benchmark = BENCHMARKS.resolve("understanding-reader")(**TINY)
    evaluator, samples = prepared(benchmark, MeanColours(), tmp_path / "job")
    outcomes = evaluated(evaluator, samples, batch_size=4)
    for sample, outcome in zip(samples, outcomes, strict=True):
        assert outcome.values.keys() == {*sample.target, "unparsed"}
        assert all(len(values) == 2 for values in outcome.values.values())
        assert outcome.training_seeds == 2
        assert outcome.cost["tokens"] == 4
        assert {len(texts) for texts in outcome.outputs.values()} == {2}
    # Another batch size changes nothing, and readers taken from disk answer the same.
    assert [o.outputs for o in evaluated(evaluator, samples, batch_size=1)] == [o.outputs for o in outcomes]
    stamps = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "job").iterdir()}
    again, _ = prepared(benchmark, MeanColours(), tmp_path / "job")
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "job").iterdir()} == stamps
    assert [o.outputs for o in evaluated(again, samples, batch_size=4)] == [o.outputs for o in outcomes]
    facts = json.loads((tmp_path / "job/training.json").read_text())
    assert facts["reader"] == "the miniature language model"
    assert facts["steps"] == 4
    assert len(facts["validation_score"]) == len(facts["training_loss"]) == 2
    curves = json.loads((tmp_path / "job/learning_curves.json").read_text())["curves"]
    assert [curve["points"][-1]["step"] for curve in curves] == [4, 4]
    assert all(curve["points"][-1]["validation_loss"] > 0 for curve in curves)


def test_readers_start_alike_for_every_tokenizer_and_not_for_every_seed(training_packages):
    from benchmarks.understanding.reader.miniature import new_language_model
    from benchmarks.understanding.reader.words import word_tokenizer

    options, words = MiniatureOptions(**TINY), word_tokenizer()
    first, again, other = (new_language_model(options, words, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


def test_a_blind_reader_answers_every_clip_alike(training_packages, tmp_path):
    benchmark = BENCHMARKS.resolve("understanding-reader")(**{**TINY, "reader_seeds": 1})
    evaluator, samples = prepared(benchmark, Blind(), tmp_path / "job")
    outcomes = evaluated(evaluator, samples, batch_size=4)
    for name in (item.name for item in ATTRIBUTES):
        assert len({str(outcome.outputs[name]) for outcome in outcomes if name in outcome.outputs}) <= 1
    assert {outcome.cost["tokens"] for outcome in outcomes} == {0}


def test_words_are_single_tokens_and_come_back(training_packages):
    from benchmarks.understanding.reader.wording import QUESTIONS, answer_words
    from benchmarks.understanding.reader.words import word_tokenizer

    tokenizer = word_tokenizer()
    for text in [*QUESTIONS.values(), *(answer_words(item.labels) for item in ATTRIBUTES)]:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert len(ids) == len(text.split())
        assert tokenizer.decode(ids) == text


def test_what_is_learnt_is_the_answers_and_their_ends(training_packages):
    """Of a conversation of two turns, by hand: words and <end>, at the places that predict them."""
    from benchmarks.understanding.reader.words import END, word_tokenizer
    from vtok_eval.answerers.training.conversations import Conversation
    from vtok_eval.answerers.training.encoding import NOT_LEARNT, ConversationEncoder

    tokenizer = word_tokenizer()
    encoder = ConversationEncoder(tokenizer, template="chat", ends={tokenizer.eos_token_id})
    pairs = [("how many", "2"), ("where is the largest", "top left")]
    encoded = encoder.encode(Conversation.asked("c", clip="c", pairs=pairs), shown=True)
    learnt = [int(i) for i, label in zip(encoded.ids, encoded.labels, strict=True) if label != NOT_LEARNT]
    assert tokenizer.convert_ids_to_tokens(learnt) == ["2", END, "top", "left", END]
    assert encoded.visual_at == 1


def test_the_run_suite_is_whole():
    from vtok_eval.run.suite import load_suite

    suite = load_suite("reader-mini")
    assert suite.setting == "miniature"
    assert suite.label.startswith("miniature")
    reader, probe = suite.benchmarks
    shared = ("validation_clips", "test_clips")
    assert all(reader.options[name] == probe.options[name] for name in shared)
    assert reader.options["train_clips"] >= probe.options["train_clips"]
    assert reader.options["reader_seeds"] >= 2
    assert {entry.name for entry in suite.systems} >= {
        "vtok-mean",
        "vtok-grid",
        "frames-2",
        "frames-8",
        "keyframe",
        "blind",
    }
