"""The clip judge: captions and hard negatives from questions, and verdicts of a tiny random-weight model."""

from __future__ import annotations

import itertools
import json
import math

import pytest
import torch

from tv_align.judges.clip.judge import ClipJudge
from tv_align.judges.clip.statements import caption_of, hard_negatives
from tv_align.judges.registry import build_judge
from tv_align.prompts.load import load_prompts
from vtok_eval.data import Clip
from vtok_eval.errors import SpecError, UnknownNameError

open_clip = pytest.importorskip("open_clip")

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
QUESTIONS = [
    "Are there exactly two kites?",
    "Is the kite red?",
    "Are there exactly three kites?",
    "Is the kite blue?",
]


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    (folder / "tiny-judge.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder)
    yield build_judge("clip:tiny-judge:random=0,frames=4")
    open_clip.factory._MODEL_CONFIGS.pop("tiny-judge")


def clip_of(seed: int, n_frames: int = 6) -> Clip:
    generator = torch.Generator().manual_seed(seed)
    return Clip(torch.randint(0, 256, (n_frames, 3, 40, 56), generator=generator, dtype=torch.uint8), 4.0)


class TestStatements:
    @pytest.mark.parametrize(
        ("question", "caption"),
        [
            ("Are there exactly two kites?", "exactly two kites"),
            ("Is there an orange star?", "an orange star"),
            ("Does the dog run to the left?", "the dog run to the left"),
            ("Is the ring cyan?", "the ring cyan"),
            ("Does any shape disappear?", "any shape disappear"),
            ("Whose dog is it?", "Whose dog is it"),
        ],
    )
    def test_captions(self, question: str, caption: str) -> None:
        assert caption_of(question) == caption

    def test_alike_questions_are_set_against_each_other(self) -> None:
        assert hard_negatives(QUESTIONS) == [2, 3, 0, 1]

    def test_order_has_no_say(self) -> None:
        wanted = {QUESTIONS[i]: QUESTIONS[j] for i, j in enumerate(hard_negatives(QUESTIONS))}
        for order in itertools.permutations(QUESTIONS):
            found = hard_negatives(order)
            assert {order[i]: order[j] for i, j in enumerate(found)} == wanted

    def test_one_alone_has_none_and_an_odd_one_its_nearest(self) -> None:
        assert hard_negatives(QUESTIONS[:1]) == [None]
        assert hard_negatives([]) == []
        # The third is left over; it shares more words with the first ("are there kites") than the second.
        assert (
            hard_negatives(["Are there two kites?", "Are there two birds?", "Are there red kites?"])[2] == 0
        )

    @pytest.mark.parametrize(("suite", "least"), [("open", 0.97), ("scenes", 0.97)])
    def test_in_the_shipped_prompts_nearly_all_pairs_are_a_fact_and_its_counterfactual(
        self, suite: str, least: float
    ) -> None:
        against = asked = 0
        for prompt in load_prompts(suite).prompts:
            answers = [question.answer for question in prompt.questions]
            rivals = hard_negatives([question.text for question in prompt.questions])
            against += sum(answers[i] != answers[j] for i, j in enumerate(rivals))
            asked += len(answers)
        assert against / asked >= least


class TestVerdicts:
    def test_probability_is_the_models_own(self, judge: ClipJudge) -> None:
        """Worked out again with open_clip's own call: softmax over the pair of scaled mean cosines."""
        clip = clip_of(0, n_frames=4)
        verdicts = judge.judge(clip, QUESTIONS)
        model = judge._model.model
        texts = open_clip.get_tokenizer("tiny-judge")(["a video of the kite red", "a video of the kite blue"])
        from vtok_eval.tokenizers.backbones.open_clip import preprocessed, preprocessing

        with torch.inference_mode():
            frames = model.encode_image(
                preprocessed(clip.frames, preprocessing(model.visual)), normalize=True
            )
            cosines = frames @ model.encode_text(texts, normalize=True).T
            expected = (model.logit_scale.exp() * cosines.mean(dim=0)).softmax(dim=0)
        assert verdicts[1].probability == pytest.approx(float(expected[0]), abs=1e-5)
        assert verdicts[3].probability == pytest.approx(float(expected[1]), abs=1e-5)
        assert verdicts[1].raw["hard_negative"] == "a video of the kite blue"

    def test_of_a_pair_one_gets_a_yes(self, judge: ClipJudge) -> None:
        for seed in range(5):
            verdicts = judge.judge(clip_of(seed), QUESTIONS)
            for one, other in ((0, 2), (1, 3)):
                assert {verdicts[one].reply, verdicts[other].reply} == {"yes", "no"}
                assert math.isclose(verdicts[one].probability + verdicts[other].probability, 1, abs_tol=1e-9)

    def test_a_question_alone_is_unsure(self, judge: ClipJudge) -> None:
        (verdict,) = judge.judge(clip_of(0), QUESTIONS[:1])
        assert (verdict.reply, verdict.probability) == ("unsure", None)
        assert "no other question" in verdict.raw["unsure"]

    def test_the_same_question_twice_is_unsure(self, judge: ClipJudge) -> None:
        assert [v.reply for v in judge.judge(clip_of(0), QUESTIONS[:1] * 2)] == ["unsure", "unsure"]

    def test_company_and_order_change_no_verdict(self, judge: ClipJudge) -> None:
        alone = [judge.judge(clip_of(seed), QUESTIONS) for seed in range(3)]
        after = [judge.judge(clip_of(seed), QUESTIONS[::-1])[::-1] for seed in (2, 1, 0)][::-1]
        for one, other in zip(alone, after, strict=True):
            assert [v.probability for v in one] == [v.probability for v in other]

    def test_random_weights_are_called_so(self, judge: ClipJudge) -> None:
        described = judge.describe()
        assert described["weights"] == "random weights (seed 0)"
        assert len(described["weights_sha256"]) == 64


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("clip", SpecError, "does not say which model: write judge clip:MODEL"),
        ("clip:tiny-judge", SpecError, "must name either weights"),
        ("clip:no-such-model/openai", UnknownNameError, "unknown open_clip model"),
        ("clip:tiny-judge:random=0,frames=0", SpecError, "frames must be at least 1"),
        ("clip:tiny-judge:random=0,template=nothing", SpecError, "has no {} for the caption"),
        ("clip:tiny-judge:random=0,frame=3", UnknownNameError, "did you mean 'frames'"),
    ],
)
def test_bad_specs(judge: ClipJudge, spec: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build_judge(spec)
