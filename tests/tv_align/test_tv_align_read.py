"""The track read: a probe reads planted truth from tokens and nothing from none; small parts by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tv_align.prompts.schema import CATEGORIES
from tv_align.scenes.fact_questions import ask
from tv_align.scenes.prompts import scene_prompts
from tv_align.scenes.words import VOCABULARY
from tv_align.tracks.tokens.benchmark import TVAlignRead
from tv_align.tracks.tokens.probe import QuestionProbe
from tv_align.tracks.tokens.questions import QuestionTable, bags_of_words, drawn_questions
from tv_align.tracks.tokens.reading import QuestionReading
from vtok_eval.benchmark import Context, NoResult, Outcome
from vtok_eval.data import Clips, Tokens
from vtok_eval.errors import SuiteError
from vtok_eval.probes.attentive import AttentionShape
from vtok_eval.probes.features import ClipFeatures, build_table
from vtok_eval.probes.training_clips.splits import Split
from vtok_eval.run.runners.runner import Runner
from vtok_eval.scenes.dataset import SceneClip, SceneSet
from vtok_eval.scenes.vocabulary import CAMERA_MOTIONS, DIRECTIONS, PATHS
from vtok_eval.systems import System

SMALL: dict[str, Any] = {
    "train_clips": 96, "validation_clips": 24, "per_level": 2, "clip_size": 32, "n_frames": 3,
    "width": 32, "heads": 4, "epochs": 2, "batch_size": 32,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class NoTokens:
    """Blind."""

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(torch.zeros(len(clips), 0, 5))


class MeanColours:
    """One token a frame."""

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(clips.frames.float().mean(dim=(3, 4)) / 255, frame=torch.arange(clips.n_frames))


class Planted:
    """One token that holds camera, path, direction and number of shapes, known by a clip's pixels."""

    def __init__(self, benchmark: TVAlignRead) -> None:
        clips = [sample.clip for sample in benchmark.samples(system(self))]
        options = benchmark.options
        for split, count in (("train", options.train_clips), ("validation", options.validation_clips)):
            clips += SceneSet(options.data_seed, split, count, size=32, n_frames=3).clips()
        self.codes = {clip.load().frames.numpy().tobytes(): self.code(clip) for clip in clips}

    @staticmethod
    def code(clip: SceneClip) -> torch.Tensor:
        scene = clip.scene
        code = torch.zeros(9 + 3 + 9 + 4)
        code[CAMERA_MOTIONS.index(scene.camera.motion)] = 1
        code[9 + PATHS.index(scene.motion.path)] = 1
        code[12 + (8 if scene.motion.direction is None else DIRECTIONS.index(scene.motion.direction))] = 1
        code[20 + sum(item.appears_at is None for item in scene.objects)] = 1
        return code

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(
            torch.stack([self.codes[frames.numpy().tobytes()] for frames in clips.frames])[:, None]
        )


def system(tokenizer: object, name: str = "it") -> System:
    return System(name, "spec", "tokenizer", tokenizer)


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., Context]:
    def make(*, batch_size: int = 16, folder: str = "artifacts") -> Context:
        (tmp_path / folder).mkdir(exist_ok=True)
        cpu = torch.device("cpu")
        return Context(
            runner=Runner(device=cpu, batch_size=batch_size), device=cpu, seed=0,
            artifacts=tmp_path / folder, cache=tmp_path / "cache",
        )  # fmt: skip

    return make


def outcomes(benchmark: TVAlignRead, tokenizer: object, context: Context) -> dict[str, Outcome]:
    under_test = system(tokenizer)
    evaluator = benchmark.prepare(under_test, context)
    samples = benchmark.samples(under_test)
    found: dict[str, Outcome] = {}
    for sample, outcome in context.runner.map(samples, evaluator.evaluate, description="test"):
        assert not isinstance(outcome, NoResult), outcome
        found[sample.id] = outcome
    return {sample.id: found[sample.id] for sample in samples}


def mean(found: dict[str, Outcome], metric: str) -> float:
    values = [outcome.values[metric][0] for outcome in found.values() if metric in outcome.values]
    return sum(values) / len(values)


class TestFromClipsToOutcomes:
    def test_planted_facts_are_read_and_others_are_not(self, context: Callable[..., Context]) -> None:
        benchmark = TVAlignRead(**{**SMALL, "train_clips": 400, "per_level": 10, "epochs": 8})
        found = outcomes(benchmark, Planted(benchmark), context())
        # Camera and path are in the token; of colours and relations it holds nothing.
        assert mean(found, "question_accuracy:camera") > 0.9
        assert mean(found, "prompt_accuracy:camera") > 0.7
        assert mean(found, "question_accuracy:manner") > 0.75
        for category in ("attribute", "spatial"):
            # Of 60 questions: a standard error of 6.5 points.
            assert 0.3 < mean(found, f"question_accuracy:{category}") < 0.7

    def test_without_tokens_half_of_the_questions_are_right(self, context: Callable[..., Context]) -> None:
        benchmark = TVAlignRead(**{**SMALL, "per_level": 12})
        found = outcomes(benchmark, NoTokens(), context())
        # 576 questions: a standard error of 2.1 points.
        assert abs(mean(found, "question_accuracy") - 0.5) < 0.085
        assert all(outcome.cost["tokens"] == 0 for outcome in found.values())

    def test_what_an_outcome_holds(self, context: Callable[..., Context]) -> None:
        benchmark = TVAlignRead(**SMALL, probe_seeds=2)
        found = outcomes(benchmark, MeanColours(), context())
        assert list(found) == [item.entry.id for item in scene_prompts(per_level=2)]
        metrics = {metric.name for metric in benchmark.metrics()}
        for item in scene_prompts(per_level=2):
            outcome = found[item.entry.id]
            assert set(outcome.values) < metrics
            assert all(len(values) == 2 for values in outcome.values.values())
            verdicts = outcome.outputs["verdicts"]
            assert {each["question"]: each["expected"] for each in verdicts} == item.entry.questions
            right = [each["reply"] == each["expected"] for each in verdicts]
            assert outcome.values["question_accuracy"][0] == sum(right) / len(right)
            assert outcome.values["prompt_accuracy"][0] == all(right)
            assert all((each["probability"] > 0.5) == (each["reply"] == "yes") for each in verdicts)
            assert outcome.cost["tokens"] == 3
            json.dumps(outcome.outputs)

    def test_each_sample_names_its_photo(self) -> None:
        samples = TVAlignRead(**SMALL).samples(system(NoTokens()))
        assert {sample.meta["photo"] for sample in samples} == {
            item.scene.backdrop.photo for item in scene_prompts(per_level=2)
        }

    def test_the_same_from_disk_and_in_other_batches(self, context: Callable[..., Context]) -> None:
        benchmark = TVAlignRead(**SMALL)
        first = outcomes(benchmark, MeanColours(), context())
        again = outcomes(TVAlignRead(**SMALL), MeanColours(), context(batch_size=3))
        anew = outcomes(TVAlignRead(**SMALL), MeanColours(), context(batch_size=5, folder="other"))
        assert first == again == anew


class TestRidge:
    def test_planted_facts_are_read_and_others_are_not(self, context: Callable[..., Context]) -> None:
        benchmark = TVAlignRead(**{**SMALL, "train_clips": 200, "per_level": 10}, reader="ridge")
        made = context()
        found = outcomes(benchmark, Planted(benchmark), made)
        assert mean(found, "question_accuracy:camera") > 0.9
        assert mean(found, "question_accuracy:manner") > 0.75
        for category in ("attribute", "spatial"):
            assert 0.3 < mean(found, f"question_accuracy:{category}") < 0.7
        assert all(outcome.training_seeds == 0 for outcome in found.values())
        facts = json.loads((made.artifacts / "training.json").read_text())
        assert (facts["seeds"], facts["steps"], facts["recipe"]) == ([], 0, None)
        assert 0.6 < facts["ridge_validation_score"] < 0.95

    def test_without_tokens_half_of_the_questions_are_right(self, context: Callable[..., Context]) -> None:
        benchmark = TVAlignRead(**{**SMALL, "train_clips": 32, "per_level": 12}, reader="ridge")
        found = outcomes(benchmark, NoTokens(), context())
        assert abs(mean(found, "question_accuracy") - 0.5) < 0.085

    def test_it_is_deterministic_and_company_changes_nothing(self, context: Callable[..., Context]) -> None:
        first = outcomes(TVAlignRead(**SMALL, reader="ridge"), MeanColours(), context())
        again = outcomes(
            TVAlignRead(**SMALL, reader="ridge"), MeanColours(), context(batch_size=3, folder="b")
        )
        assert first == again

    def test_it_says_what_it_is(self) -> None:
        about = TVAlignRead(**SMALL, reader="ridge").describe()
        assert about["reader"] == "ridge"
        assert "kernel ridge regression" in about["notes"][0]
        assert not any("seed" in note for note in about["notes"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reader": "ridge", "probe_seeds": 2}, "reader ridge has one solution: leave out probe_seeds"),
        ({"reader": "svm"}, "option reader: .*'probe' or 'ridge'"),
        ({"train_clips": 0}, "tv-align-read: option train_clips: .*greater than or equal to 1.*given: 0"),
        ({"optimizer": "sgd"}, "option optimizer: .*'muon' or 'adamw'"),
        ({"width": 30, "heads": 4}, r"width \(30\) must be a multiple of heads \(4\)"),
        ({"learning_rates": []}, "option learning_rates"),
        ({"per_level": 2.5}, "option per_level"),
    ],
)
def test_bad_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SuiteError, match=words):
        TVAlignRead(**options)


def test_the_description_names_what_the_numbers_depend_on() -> None:
    about = TVAlignRead(**SMALL).describe()
    json.dumps(about.to_json())
    assert about["prompts"]["suite"] == "tv-align-scenes"
    assert len(about["prompts"]["sha256"]) == 64
    assert set(about["data"]) == {"train", "validation"}
    assert "re-creation" in " ".join(about["notes"])


class TestQuestions:
    def test_bags_by_hand(self) -> None:
        asked, claimed = bags_of_words(["Does the camera pan left?", "Does the camera zoom in?"])
        assert [VOCABULARY[row] for row in claimed[0].nonzero()[:, 0]] == [
            "CameraDoes", "CameraDoes.motion=pan left", "motion=pan left",
        ]  # fmt: skip
        assert asked[0].tolist() == asked[1].tolist()
        with pytest.raises(ValueError, match="'Is a dog there"):
            bags_of_words(["Is a dog there?"])

    def test_the_table_holds_the_drawn_questions(self) -> None:
        scenes = [SceneClip(3, "train", index).scene for index in range(40)]
        table = QuestionTable.of(scenes, per_fact=2)
        for row, scene in enumerate(scenes):
            drawn = drawn_questions(scene, per_fact=2)
            assert int((table.category[row] >= 0).sum()) == len(drawn)
            for column, (category, group) in enumerate(drawn):
                assert list(CATEGORIES)[int(table.category[row, column])] == category
                assert int(table.there[row, column].sum()) == 1 + len(group.false)
                asked, claimed = bags_of_words([ask(fact) for fact in (group.true, *group.false)])
                here = table.there[row, column]
                looks = table.looks[row][table.look[row, column][here]]
                assert torch.equal(table.asked[looks].float(), asked)
                assert torch.equal(table.claimed[table.claim[row, column][here]].float(), claimed)

    def test_categories_and_their_types_of_fact_weigh_the_same(self) -> None:
        scenes = [SceneClip(3, "train", index).scene for index in range(120)]
        table = QuestionTable.of(scenes, per_fact=2)
        for number in range(len(CATEGORIES)):
            assert float(table.weight[table.category == number].sum()) == pytest.approx(120 / 8, rel=1e-4)
        assert not bool(table.weight[table.category < 0].any())

    def test_counting_has_two_types_of_fact_of_the_same_weight(self) -> None:
        scenes = [SceneClip(3, "train", index).scene for index in range(120)]
        weight = {"Count": 0.0, "Has": 0.0}
        table = QuestionTable.of(scenes, per_fact=2)
        for row, scene in enumerate(scenes):
            for column, (_, group) in enumerate(drawn_questions(scene, per_fact=2)):
                if type(group.true).__name__ in weight:
                    weight[type(group.true).__name__] += float(table.weight[row, column])
        assert weight["Count"] == pytest.approx(120 / 16, rel=1e-4)
        assert weight["Has"] == pytest.approx(120 / 16, rel=1e-4)


class Fixed(torch.nn.Module):
    """A reader whose logit is the same for every question but a claim that it knows."""

    def __init__(self, known: int, logit: float) -> None:
        super().__init__()
        self.known, self.logit = known, logit
        self.probe = self

    def find(self, groups: object, slot: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(slot), asked.shape[1], 1)

    def agree(self, found: torch.Tensor, claimed: torch.Tensor) -> torch.Tensor:
        logits = torch.where(claimed[:, self.known] > 0, self.logit, -self.logit)
        return logits.expand(*found.shape[:2], -1)


class TestObjective:
    def objective(self, n: int = 30) -> Any:
        scenes = [SceneClip(3, "train", index).scene for index in range(n)]
        table = QuestionTable.of(scenes, per_fact=1)
        empty = Tokens.of(torch.zeros(1, 0, 1, dtype=torch.float16))
        features = build_table(
            [ClipFeatures((empty,), (None,), bits=0.0)] * n, [str(row) for row in range(n)]
        )
        split = Split(features, [{"row": row} for row in range(n)])
        reading = QuestionReading(table, table)
        return table, reading.objective(training=split, validation=split, device=torch.device("cpu"))

    def test_a_coin_toss_costs_one(self) -> None:
        _, objective = self.objective()
        assert float(objective.loss(Fixed(0, 0.0), torch.arange(30))) == pytest.approx(1.0, rel=1e-5)

    def test_loss_and_score_by_hand(self) -> None:
        """Yes to "pan left" alone, at logit 2: worked out from the groups."""
        known = VOCABULARY.index("CameraDoes.motion=pan left")
        table, objective = self.objective()
        sure, wrong = math.log1p(math.exp(-2.0)), math.log1p(math.exp(2.0))
        loss, right, weights = 0.0, 0.0, 0.0
        camera = list(CATEGORIES).index("camera")
        for row in range(30):
            for column in range(table.category.shape[1]):
                if table.category[row, column] < 0:
                    continue
                claims = table.claim[row, column][table.there[row, column]]
                says_yes = (table.claimed[claims][:, known] > 0).tolist()
                own = sure if says_yes[0] else wrong
                others = [wrong if yes else sure for yes in says_yes[1:]]
                weight = float(table.weight[row, column])
                loss += weight * (own + sum(others) / len(others)) / (2 * math.log(2)) / 30
                if table.category[row, column] == camera:
                    denied = 1 - sum(says_yes[1:]) / len(others)
                    right += weight * (says_yes[0] + denied) / 2
                    weights += weight
        assert float(objective.loss(Fixed(known, 2.0), torch.arange(30))) == pytest.approx(loss, rel=1e-5)
        score, scores = objective.validate(Fixed(known, 2.0))
        assert scores["camera"] == pytest.approx(right / weights, rel=1e-6)
        assert score == pytest.approx(sum(scores.values()) / 8)
        # It denies all else: half of what is right in the other categories.
        assert scores["attribute"] == pytest.approx(0.5)


class TestProbe:
    @pytest.fixture
    def probe(self) -> QuestionProbe:
        torch.manual_seed(0)
        shape = AttentionShape(token_width=5, n_slots=4, n_frames=3, width=16, heads=4)
        return QuestionProbe(shape, n_words=len(VOCABULARY)).eval()

    def test_questions_do_not_see_each_other(self, probe: QuestionProbe) -> None:
        asked, claimed = bags_of_words(
            ["Does the camera pan left?", "Is there a red star?", "Is there exactly one shape?"]
        )
        tokens, slot = Tokens.of(torch.randn(2, 4, 5)), torch.arange(4).expand(2, 4)

        def logits(rows: list[int]) -> torch.Tensor:
            found = probe.find(tokens, slot, asked[rows].expand(2, len(rows), -1))
            return probe.agree(found, claimed[rows]).diagonal(dim1=1, dim2=2)

        together = logits([0, 1, 2])
        assert torch.allclose(logits([2, 0]), together[:, [2, 0]], atol=1e-6)
        assert not torch.allclose(together[0], together[1])

    def test_without_tokens_all_clips_are_the_same(self, probe: QuestionProbe) -> None:
        asked, _ = bags_of_words(["Does the camera pan left?"])
        found = probe.find(
            Tokens.of(torch.zeros(3, 0, 5)), torch.zeros(3, 0, dtype=torch.int64), asked.expand(3, 1, -1)
        )
        assert torch.equal(found[0], found[1])
        assert bool(found.isfinite().all())
