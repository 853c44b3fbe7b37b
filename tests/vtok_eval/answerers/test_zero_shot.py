"""Similarity of options to frames, with tiny random towers of open_clip."""

from __future__ import annotations

import json

import pytest
import torch

from vtok_eval.answerers.request import AnswererError, AnswerRequest, BatchAnswerer
from vtok_eval.answerers.zero_shot import build_zero_shot
from vtok_eval.errors import SpecError, UnknownNameError

open_clip = pytest.importorskip("open_clip")
CPU = torch.device("cpu")
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module", autouse=True)
def tiny_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    (folder / "tiny-both.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder)
    yield
    open_clip.factory._MODEL_CONFIGS.pop("tiny-both")


@pytest.fixture(scope="module")
def answerer(tiny_model):
    return build_zero_shot("tiny-both:random=0,frames=3", device=CPU)


def test_scores_are_scaled_mean_cosines(answerer, random_clip):
    """By open_clip's own way: its transform on PIL pictures, cosines by hand."""
    from PIL import Image

    clip = random_clip(0, n_frames=5, size=(32, 32))
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-both").eval()
    transform = open_clip.image_transform(32, is_train=False)
    tokenizer = open_clip.get_tokenizer("tiny-both")
    options = ("a red ball", "two blue cubes", "nothing")
    pictures = torch.stack(
        [transform(Image.fromarray(clip.frames[i].permute(1, 2, 0).numpy())) for i in (0, 2, 4)]
    )
    with torch.no_grad():
        frames, texts = model.encode_image(pictures), model.encode_text(tokenizer(list(options)))
        cosines = torch.nn.functional.cosine_similarity(frames[:, None], texts[None], dim=-1)
        expected = (cosines.mean(0) * model.logit_scale.exp()).tolist()
    scores = answerer.answer(clip, "What is there?", options)
    assert scores == pytest.approx(expected, abs=1e-3)
    assert len(set(scores)) == 3


def test_the_order_of_options_does_not_matter_and_equal_texts_tie(answerer, random_clip):
    scores = answerer.answer(random_clip(0), "?", ["red", "blue", "red"])
    assert scores[0] == scores[2] != scores[1]
    assert answerer.answer(random_clip(0), "?", ["blue", "red"]) == (scores[1], scores[0])


def test_the_question_can_be_put_before_the_option(answerer, random_clip):
    both = build_zero_shot("tiny-both:random=0,frames=3,text=question+option", device=CPU)
    assert both.answer(random_clip(0), "Which colour?", ["red"]) == answerer.answer(
        random_clip(0), "?", ["Which colour? red"]
    )


def test_company_changes_nothing(answerer, random_clip):
    assert isinstance(answerer, BatchAnswerer)
    clips = [random_clip(0), random_clip(1)]
    requests = [AnswerRequest(clip, "?", options) for options in (("a", "b"), ("c",)) for clip in clips]
    together = answerer.answer_batch(requests)
    assert [answerer.answer_batch([request])[0] for request in requests] == together
    assert together[0].scores != together[1].scores
    assert together[0].cost["frames"] == 3


def test_what_it_cannot_answer(answerer, random_clip):
    with pytest.raises(AnswererError, match="open-ended"):
        answerer.answer(random_clip(0), "What?", [])
    with pytest.raises(AnswererError, match="blindly"):
        answerer.answer_batch([AnswerRequest(None, "?", ("a", "b"))])


def test_description_says_random(answerer):
    description = answerer.describe()
    assert json.loads(json.dumps(dict(description))) == description
    assert description["weights"] == "random weights (seed 0)"


@pytest.mark.parametrize(
    ("spec", "error", "complaint"),
    [
        ("tiny-both", SpecError, "must name either weights"),
        ("tiny-bot/openai", UnknownNameError, "did you mean 'tiny-both'"),
        ("tiny-both:random=0,text=both", SpecError, "text=both is not valid"),
        ("", SpecError, "does not say which model"),
    ],
)
def test_bad_specs(spec, error, complaint):
    with pytest.raises(error, match=complaint):
        build_zero_shot(spec, device=CPU)
