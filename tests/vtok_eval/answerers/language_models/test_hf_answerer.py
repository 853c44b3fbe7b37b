"""Video language models of the real classes against transformers used by hand."""

from __future__ import annotations

import json
import weakref

import pytest
import torch

pytest.importorskip("transformers", minversion="5.0")

from tests.vtok_eval.answerers.language_models import tiny_models
from vtok_eval.answerers.language_models.hf import TransformersAnswerer, build_hf
from vtok_eval.answerers.request import AnswerRequest, BatchAnswerer
from vtok_eval.answerers.shown_frames import FrameRule, show
from vtok_eval.data import Clip
from vtok_eval.errors import MissingDependencyError, SpecError
from vtok_eval.systems import Answerer

NAMES = tuple(tiny_models.MODELS)
FRAMES = 4


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder(name: str):
        if name not in made:
            made[name] = tiny_models.MODELS[name](tmp_path_factory.mktemp(name))
        return made[name]

    return folder


@pytest.fixture
def answerer(folders):
    def make(name: str, **options) -> TransformersAnswerer:
        return TransformersAnswerer(model=str(folders(name)), frames=FRAMES, max_new_tokens=5, **options)

    return make


class ByHand:
    """Model and processor as a user of transformers would call them: one whole text at a time."""

    def __init__(self, folder) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = AutoProcessor.from_pretrained(folder)

    def prompt(self, question: str) -> str:
        content = [{"type": "video"}, {"type": "text", "text": question}]
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )

    def inputs(self, text: str, clip: Clip):
        shown = show(clip, FrameRule(count=FRAMES))
        metadata = {
            "fps": clip.fps,
            "total_num_frames": len(clip.frames),
            "frames_indices": list(shown.indices),
        }
        return self.processor(
            text=[text],
            videos=[shown.frames],
            video_metadata=[metadata],
            do_sample_frames=False,
            return_tensors="pt",
        ).data

    @torch.no_grad()
    def log_likelihood(self, clip: Clip, question: str, text: str) -> float:
        prompt = self.prompt(question)
        whole = prompt + ("" if prompt[-1].isspace() else " ") + text
        inputs = self.model_inputs(self.inputs(whole, clip))
        # The tiny tokenizer has one token per byte, so added tokens can be counted.
        n_added = len(whole.encode()) - len(prompt.encode())
        logits = self.model(**inputs).logits[0].double()
        probabilities = logits.softmax(-1)
        ids = inputs["input_ids"][0]
        steps = range(len(ids) - n_added, len(ids))
        return sum(float(probabilities[step - 1, ids[step]].log()) for step in steps)

    @torch.no_grad()
    def text(self, clip: Clip, question: str) -> str:
        inputs = self.model_inputs(self.inputs(self.prompt(question), clip))
        ids = self.model.generate(**inputs, max_new_tokens=5, do_sample=False)
        new = ids[0, inputs["input_ids"].shape[1] :]
        return self.processor.tokenizer.decode(new, skip_special_tokens=True).strip()

    @staticmethod
    def model_inputs(data):
        return {name: value for name, value in data.items() if name != "video_metadata"}


@pytest.fixture(scope="module")
def by_hand(folders):
    made = {}

    def get(name: str) -> ByHand:
        if name not in made:
            made[name] = ByHand(folders(name))
        return made[name]

    return get


def requests_about(*clips: Clip | None) -> list[AnswerRequest]:
    questions = (("What is it?", ("red ball", "a", "it's blue")), ("Who?", ("ab", "c")))
    return [AnswerRequest(clip, text, options) for clip in clips for text, options in questions]


@pytest.mark.parametrize("name", NAMES)
class TestEveryModel:
    @pytest.mark.parametrize("scoring", ["labels", "options"])
    def test_scores_are_log_likelihoods(self, name, scoring, answerer, by_hand, random_clip):
        clips = [random_clip(1), random_clip(2)]
        requests = requests_about(*clips)
        expected = [
            [by_hand(name).log_likelihood(request.clip, request.question, text) for text in candidates]
            for request in requests
            for candidates in [request.labels if scoring == "labels" else request.options]
        ]
        answers = answerer(name, scoring=scoring).answer_batch(requests)
        for answer, scores in zip(answers, expected, strict=True):
            assert answer.scores == pytest.approx(scores, abs=2e-3)
        # Which clip is shown matters, or the test would show nothing.
        assert expected[0] != pytest.approx(expected[2], abs=1e-2)

    def test_generated_text(self, name, answerer, by_hand, random_clip):
        requests = requests_about(random_clip(1), random_clip(2))
        answers = answerer(name).answer_batch(requests)
        assert [answer.text for answer in answers] == [
            by_hand(name).text(request.clip, request.question) for request in requests
        ]
        assert [answer.is_cut for answer in answers] == [True] * len(requests)  # no end within five tokens

    def test_an_answer_that_ends_is_not_cut(self, name, answerer, random_clip):
        """Every token becomes an end-of-text token, so that the first one ends the text."""
        one = answerer(name)
        request = requests_about(random_clip(1))[0]
        one.model.generation_config.eos_token_id = list(
            range(one.model.get_input_embeddings().num_embeddings)
        )
        assert one.answer_batch([request])[0].is_cut is False

    def test_a_clip_passes_the_tower_once_and_company_changes_nothing(self, name, answerer, random_clip):
        requests = requests_about(random_clip(1), None, random_clip(2))
        one = answerer(name, scoring="options")
        together = one.answer_batch(requests)
        assert one.vision.tower_calls == 2
        assert [one.answer_batch([request])[0] for request in requests] == together
        assert list(reversed(one.answer_batch(requests[::-1]))) == together

    def test_the_last_clip_is_kept_for_the_next_call(self, name, answerer, random_clip):
        first, second = random_clip(1), random_clip(2)
        one = answerer(name, scoring="labels")
        expected = [one.answer_batch([request])[0] for request in requests_about(first, second)]
        assert one.vision.tower_calls == one.prefix.prefix_passes == 2
        # Its frames alone do not make it the same clip: what is known by identity is never mistaken.
        again = answerer(name, scoring="labels")
        copy = Clip(first.frames, first.fps)
        assert again.answer_batch(requests_about(first, second, copy)) == [*expected, *expected[:2]]
        assert again.vision.tower_calls == 3

    def test_batches_of_prompts_give_the_same_up_to_rounding(self, name, answerer, random_clip):
        requests = requests_about(random_clip(1), random_clip(2))
        scored = answerer(name, scoring="options").answer_batch(requests)
        wide = answerer(name, scoring="options", batch_size=4)
        for answer, expected in zip(wide.answer_batch(requests), scored, strict=True):
            assert answer.scores == pytest.approx(expected.scores, abs=2e-3)
        assert wide.vision.tower_calls == 2
        texts = [answer.text for answer in answerer(name).answer_batch(requests)]
        wide = answerer(name, batch_size=4)
        assert [answer.text for answer in wide.answer_batch(requests)] == texts
        assert wide.vision.tower_calls == 2

    def test_a_prefix_passes_once_and_changes_no_answer(self, name, answerer, random_clip, caplog):
        requests = requests_about(random_clip(1), None, random_clip(2))
        for scoring in ("generate", "options"):
            whole = answerer(name, scoring=scoring, share_prefix=False).answer_batch(requests)
            one = answerer(name, scoring=scoring)
            for answer, expected in zip(one.answer_batch(requests), whole, strict=True):
                assert answer.text == expected.text
                assert answer.cost == expected.cost
                if expected.scores is not None:
                    assert answer.scores == pytest.approx(expected.scores, abs=2e-3)
            # Two clips; of the prompts without one nothing is shared.
            assert one.prefix.prefix_passes == 2
        assert "kept prefix" not in caplog.text

    def test_images_instead_of_a_video(self, name, answerer, random_clip):
        requests = requests_about(random_clip(1))
        one = answerer(name, scoring="options", show_as="images", batch_size=3)
        together = one.answer_batch(requests)
        assert one.vision.tower_calls == 1
        alone = answerer(name, scoring="options", show_as="images")
        for request, answer in zip(requests, together, strict=True):
            assert answer.scores == pytest.approx(alone.answer_batch([request])[0].scores, abs=2e-3)

    def test_blind(self, name, answerer, random_clip):
        one = answerer(name, scoring="labels")
        nothing = Clip(random_clip(1).frames[:0], 6.0)
        blind, empty, seeing = one.answer_batch(
            [AnswerRequest(clip, "Who?", ("a", "b")) for clip in (None, nothing, random_clip(1))]
        )
        assert blind == empty != seeing
        assert blind.cost["visual_tokens"] == 0
        assert "frames" not in blind.cost


def test_a_prefix_that_the_model_loses_is_noticed(answerer, random_clip, caplog):
    requests = requests_about(random_clip(1), random_clip(2))
    whole = answerer("qwen2.5-vl", scoring="options", share_prefix=False).answer_batch(requests)
    one = answerer("qwen2.5-vl", scoring="options")
    computed = one.prefix._computed

    def of_other_pixels(prompt):
        vision = {k: -v if k.startswith("pixel") else v for k, v in prompt.vision.items()}
        one.vision.forget()
        cache = computed(type(prompt)(prompt.rendered, prompt.text, vision))
        one.vision.forget()
        return cache

    one.prefix._computed = of_other_pixels
    assert one.answer_batch(requests) == whole
    assert "cannot go on from a kept prefix (log-probabilities move by up to" in caplog.text


def test_visual_tokens_are_counted(answerer, random_clip):
    # LLaVA-NeXT-Video: 28 / 7 = 4 patches a side, halved by the resampler: 4 tokens a frame.
    cost = answerer("llava-next-video").answer_batch([AnswerRequest(random_clip(1), "?")])[0].cost
    assert (cost["visual_tokens"], cost["frames"], cost["pixels"]) == (16, 4, 4 * 40 * 60)
    # Qwen2.5-VL: cells of 14 pixels, two frames each. 40 x 60 is rounded to 42 x 56: 3 * 4 * 2 = 24 cells.
    one = answerer("qwen2.5-vl")
    assert one.answer_batch([AnswerRequest(random_clip(1), "?")])[0].cost["visual_tokens"] == 24
    # 28 x 42 = 1176 pixels are 2 x 3 cells: 12 in all.
    small = answerer("qwen2.5-vl", max_pixels=1176)
    cost = small.answer_batch([AnswerRequest(random_clip(1), "?")])[0].cost
    assert (cost["visual_tokens"], cost["pixels"]) == (12, 4 * 28 * 42)


def test_the_protocols_one_call(answerer, random_clip):
    one = answerer("llava-onevision", scoring="labels")
    assert isinstance(one, Answerer)
    scores = one.answer(random_clip(1), "Who?", ["a", "b"])
    assert scores == one.answer_batch([AnswerRequest(random_clip(1), "Who?", ("a", "b"))])[0].scores
    assert isinstance(one.answer(random_clip(1), "Who?", []), str)  # open-ended: always a text


def test_mean_per_token(answerer, random_clip):
    request = AnswerRequest(random_clip(1), "What?", ("abcd", "x"))
    total, mean = (
        answerer("qwen2.5-vl", scoring="options", per_token=per_token).answer_batch([request])[0].scores
        for per_token in (False, True)
    )
    # The template ends in a line break: no space is added, and a letter is a token.
    assert mean == pytest.approx([total[0] / 4, total[1]])


def test_description(answerer, folders):
    description = answerer("qwen3-vl", scoring="labels", max_pixels=999).describe()
    assert json.loads(json.dumps(dict(description))) == description
    assert description["architectures"] == ["Qwen3VLForConditionalGeneration"]
    assert (description["frames"], description["max_pixels"], description["scoring"]) == (4, 999, "labels")
    assert description["weights_sha256"] != answerer("qwen2.5-vl").describe()["weights_sha256"]


def test_from_a_spec(folders, random_clip):
    lazy = [
        build_hf(f"{folders(name)},frames=4,scoring=labels", device=torch.device("cpu"))
        for name in ("qwen2.5-vl", "llava-onevision")
    ]
    assert isinstance(lazy[0], BatchAnswerer)
    assert lazy[0].describe() == lazy[0].loaded().describe().with_facts({"revision": None})
    request = AnswerRequest(random_clip(1), "Who?", ("a", "b"))
    first = weakref.ref(lazy[0].loaded().model)
    scores = lazy[0].answer_batch([request])
    assert lazy[1].answer_batch([request]) != scores
    assert first() is None  # loading the second released the first
    assert lazy[0].answer_batch([request]) == scores


class TestBadInput:
    def test_no_such_folder(self):
        with pytest.raises(SpecError, match=r"no folder '\./nowhere'"):
            TransformersAnswerer(model="./nowhere")

    def test_a_folder_of_something_else(self, tmp_path):
        with pytest.raises(SpecError, match=r"it has no config\.json"):
            TransformersAnswerer(model=str(tmp_path))
        (tmp_path / "config.json").write_text('{"model_type": "bert"}')
        with pytest.raises(SpecError, match="does not load as a vision language model"):
            TransformersAnswerer(model=str(tmp_path))

    def test_a_hub_model_that_is_not_here(self, monkeypatch, tmp_path):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        with pytest.raises(MissingDependencyError, match="vtok-eval fetch hf:nobody/nothing"):
            TransformersAnswerer(model="nobody/nothing")

    def test_an_old_transformers(self, monkeypatch):
        monkeypatch.setattr("importlib.metadata.version", lambda name: "4.33.2")
        with pytest.raises(MissingDependencyError, match=r"here is 4.33.2 .*second environment"):
            TransformersAnswerer(model="any/model")

    def test_no_chat_template(self, folders, tmp_path):
        import shutil

        folder = tmp_path / "copy"
        shutil.copytree(folders("qwen2.5-vl"), folder)
        (folder / "chat_template.jinja").unlink()
        with pytest.raises(SpecError, match="has no chat template"):
            TransformersAnswerer(model=str(folder))
