"""The paper's reading path: a tiny random LLaMA that reads tokens."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("transformers", minversion="5.0")

from tests.vtok_eval.answerers.language_models import tiny_models
from vtok_eval.answerers.language_models.text_prompt import VISUAL, TextPrompts
from vtok_eval.answerers.language_models.token_language_model import TokenLanguageModel
from vtok_eval.answerers.language_models.visual_projection import VisualProjection, save_reader
from vtok_eval.answerers.language_models.vtok_llava import build_vtok_llava
from vtok_eval.answerers.request import AnswerRequest, BatchAnswerer
from vtok_eval.data import Tokens
from vtok_eval.errors import MissingDependencyError, SpecError, TokenizerError, UnknownNameError
from vtok_eval.results.description import Description
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.frames import FrameSampling
from vtok_eval.tokenizers.vtok import VTok

CPU = torch.device("cpu")


class Pixels(Backbone):
    """The map is the picture itself."""

    channels = 3

    def __init__(self) -> None:
        self.device = CPU

    def describe(self) -> Description:
        return Description(facts={"name": "pixels"})

    def _forward(self, frames: Tensor) -> Tensor:
        return frames.float() / 255


class Fixed:
    """Always the same tokens; counts how often it is asked."""

    def __init__(self, values: Tensor, mask: Tensor | None = None) -> None:
        self.tokens = Tokens.of(values[None])
        if mask is not None:
            self.tokens = Tokens(self.tokens.values, mask[None], self.tokens.kind, self.tokens.frame)
        self.calls = 0

    def encode(self, clips) -> Tokens:
        self.calls += 1
        return self.tokens


class Through(nn.Module):
    """A projection that changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(1, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def llama(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def reader(llama):
    def make(tokenizer, projection=None, **options) -> TokenLanguageModel:
        model, text_tokenizer = llama
        return TokenLanguageModel(
            tokenizer=tokenizer,
            language_model=model,
            text_tokenizer=text_tokenizer,
            projection=projection or VisualProjection(tokenizer.width, 32, seed=0),
            **options,
        )

    return make


def seen_embeddings(model: nn.Module, ask) -> list[Tensor]:
    """`inputs_embeds` of each pass of the transformer inside the language model, while `ask` runs."""
    seen: list[Tensor] = []
    hook = model.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["inputs_embeds"].clone()), with_kwargs=True
    )
    ask()
    hook.remove()
    return seen


@pytest.mark.parametrize(
    ("tokenizer", "n_visual"),
    [
        # 9 frames, every one sampled: S + (T - 1) = 4 + 8.
        (VTok(backbone=Pixels(), grid=2, stride=1, width=16), 4 + 8),
        # Every second one: frames 0, 2, 4, 6, 8: 4 + 4.
        (VTok(backbone=Pixels(), grid=2, stride=2, pool="grid", width=16), 4 + 4),
        # The paper's baseline: K * S = 3 * 4.
        (FrameSampling(backbone=Pixels(), count=3, grid=2, width=16), 3 * 4),
    ],
    ids=["vtok", "vtok-stride-2", "frames-3"],
)
def test_the_language_model_has_one_position_for_each_token(tokenizer, n_visual, reader, llama, random_clip):
    model, text_tokenizer = llama
    one = reader(tokenizer)
    request = AnswerRequest(random_clip(0), "Which?", ("red", "blue"))
    answers = []
    (seen,) = seen_embeddings(model, lambda: answers.extend(one.answer_batch([request])))
    before = "<|im_start|>user\n"
    after = "\nWhich?<|im_end|>\n<|im_start|>assistant\n"
    n_before, n_after = (len(text_tokenizer(text)["input_ids"]) for text in (before, after))
    assert seen.shape == (1, n_before + n_visual + n_after, 32)
    from vtok_eval.data import Clips

    tokens = tokenizer.encode(Clips.stack([request.clip])).values[0]
    visual = seen[0, n_before : n_before + n_visual]
    torch.testing.assert_close(visual, one.projection(tokens))
    text = model.get_input_embeddings()(torch.tensor(text_tokenizer(before + after)["input_ids"]))
    torch.testing.assert_close(torch.cat([seen[0, :n_before], seen[0, n_before + n_visual :]]), text)
    assert answers[0].cost["visual_tokens"] == n_visual
    assert answers[0].cost["prompt_tokens"] == n_before + n_visual + n_after


class TestReadingTokensThatAreWords:
    """Tokens that equal the embeddings of "ab cd": the answer must be the plain language model's."""

    WORDS = "ab cd"
    QUESTION = "Which?"

    @pytest.fixture
    def words(self, llama) -> Tensor:
        model, text_tokenizer = llama
        ids = torch.tensor(text_tokenizer(self.WORDS)["input_ids"])
        return model.get_input_embeddings()(ids).detach()

    @property
    def text(self) -> str:
        return f"<|im_start|>user\n{self.WORDS}\n{self.QUESTION}<|im_end|>\n<|im_start|>assistant\n"

    @torch.no_grad()
    def log_likelihood(self, llama, continuation: str) -> float:
        model, text_tokenizer = llama
        ids = torch.tensor(text_tokenizer(self.text + continuation)["input_ids"])[None]
        probabilities = model(ids).logits[0].double().softmax(-1)
        start = ids.shape[1] - len(continuation)
        return sum(float(probabilities[i - 1, ids[0, i]].log()) for i in range(start, ids.shape[1]))

    @pytest.mark.parametrize("scoring", ["labels", "options"])
    def test_scores(self, scoring, words, reader, llama, random_clip):
        options = ("red ball", "x", "blue")
        request = AnswerRequest(random_clip(0), self.QUESTION, options)
        expected = [self.log_likelihood(llama, text) for text in (options if scoring == "options" else "ABC")]
        one = reader(Fixed(words), Through(), scoring=scoring)
        assert one.answer_batch([request])[0].scores == pytest.approx(expected, abs=2e-3)
        mean = reader(Fixed(words), Through(), scoring=scoring, per_token=True)
        lengths = [len(text) for text in (options if scoring == "options" else "ABC")]
        assert mean.answer_batch([request])[0].scores == pytest.approx(
            [total / n for total, n in zip(expected, lengths, strict=True)], abs=2e-3
        )

    @torch.no_grad()
    def test_generation(self, words, reader, llama, random_clip):
        model, text_tokenizer = llama
        ids = torch.tensor(text_tokenizer(self.text)["input_ids"])[None]
        generated = model.generate(ids, max_new_tokens=6, do_sample=False)[0, ids.shape[1] :]
        one = reader(Fixed(words), Through(), scoring="generate", max_new_tokens=6)
        assert (
            one.answer(random_clip(0), self.QUESTION, ["a", "b"]) == text_tokenizer.decode(generated).strip()
        )

    def test_tokens_under_a_false_mask_are_left_out(self, words, reader, random_clip):
        junk = torch.cat([words[:2], torch.full((3, 32), 7.0), words[2:]])
        mask = torch.tensor([True] * 2 + [False] * 3 + [True] * (len(words) - 2))
        request = AnswerRequest(random_clip(0), self.QUESTION, ("red", "blue"))
        plain = reader(Fixed(words), Through()).answer_batch([request])
        assert reader(Fixed(junk, mask), Through()).answer_batch([request]) == plain


def test_a_clip_is_tokenized_once_and_company_changes_nothing(reader, random_clip):
    tokenizer = VTok(backbone=Pixels(), grid=2, stride=2, width=16)
    one = reader(tokenizer, scoring="options")
    assert isinstance(one, BatchAnswerer)
    clips = [random_clip(0), random_clip(1), None]
    requests = [AnswerRequest(clip, text, ("red ball", "no")) for text in ("What?", "Who?") for clip in clips]
    together = one.answer_batch(requests)
    assert [one.answer_batch([request])[0] for request in requests] == together
    assert together[0].scores != together[1].scores != together[2].scores
    fixed = Fixed(torch.randn(3, 32, generator=torch.Generator().manual_seed(0)))
    one = reader(fixed, Through())
    one.answer_batch(requests)
    assert fixed.calls == 2
    # The clip with which a batch ends may go on in the next.
    one.answer_batch([AnswerRequest(clips[1], "Where?", ("a", "b"))])
    assert fixed.calls == 2
    one.answer_batch([AnswerRequest(clips[0], "Where?", ("a", "b"))])
    assert fixed.calls == 3


def test_blind_leaves_no_trace_of_a_picture(reader, llama):
    model, text_tokenizer = llama
    one = reader(Fixed(torch.zeros(3, 32)), Through())
    (seen,) = seen_embeddings(model, lambda: one.answer_batch([AnswerRequest(None, "Who?", ("a", "b"))]))
    expected = text_tokenizer("<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
    assert seen.shape[1] == len(expected)


def test_bad_tokens_are_refused(reader, random_clip):
    one = reader(Fixed(torch.full((3, 32), float("nan"))), Through())
    with pytest.raises(TokenizerError, match="NaN"):
        one.answer(random_clip(0), "?", ["a", "b"])


class TestFromASpec:
    SPEC = "tokenizer=(vtok:grid=2,stride=4,width=16)"

    @pytest.fixture(autouse=True)
    def cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))

    def build(self, folder, options: str) -> TokenLanguageModel:
        return self.build_lazily(folder, options).loaded()

    def build_lazily(self, folder, options: str):
        return build_vtok_llava(f"{folder},{self.SPEC},{options}", device=CPU)

    def test_checkpoint(self, folder, tmp_path, random_clip):
        request = AnswerRequest(random_clip(0), "Who?", ("a", "b"))
        random = self.build(folder, "random=3")
        save_reader(tmp_path / "same.safetensors", random.projection, {})
        loaded = self.build(folder, f"checkpoint={tmp_path}/same.safetensors")
        assert loaded.answer_batch([request]) == random.answer_batch([request])
        other = self.build(folder, "random=4")
        assert other.answer_batch([request]) != random.answer_batch([request])

    def test_the_tokenizer_may_match_a_system_of_the_suite(self, folder, random_clip):
        names = {"ours": "vtok:grid=2,stride=4,width=16", "theirs": "frames-1"}

        def build(spec: str, **given):
            return build_vtok_llava(f"{folder},tokenizer={spec},random=0", device=CPU, **given)

        matched = build("(frames:budget=match:ours,width=16)", names=names)
        assert matched.describe()["names"] == {"ours": names["ours"]}
        request = AnswerRequest(random_clip(0), "Who?", ("a", "b"))
        # 9 frames at stride 4: 2 x 2 spatial tokens and 2 of motion; 6 tokens pay for 6 frames of one.
        assert matched.answer_batch([request])[0].cost["visual_tokens"] == 6
        with pytest.raises(UnknownNameError, match="tokenizer 'ours'"):
            build("(frames:budget=match:ours,width=16)")

    def test_description(self, folder, tmp_path):
        save_reader(tmp_path / "p.safetensors", VisualProjection(16, 32, seed=0), {})
        description = self.build_lazily(folder, f"checkpoint={tmp_path}/p.safetensors").describe()
        assert json.loads(json.dumps(dict(description))) == description
        digest = hashlib.sha256((tmp_path / "p.safetensors").read_bytes()).hexdigest()
        assert description["projection"] == digest
        assert description["tokenizer"]["options"]["stride"] == 4
        assert description["scoring"] == "labels"
        assert self.build_lazily(folder, "random=3").describe()["projection"] == "random weights"

    def test_what_does_not_load_ends_the_job(self, folder, tmp_path):
        save_reader(tmp_path / "p.safetensors", VisualProjection(99, 32, seed=0), {})
        lazy = self.build_lazily(folder, f"checkpoint={tmp_path}/p.safetensors")
        with pytest.raises(MissingDependencyError, match="does not fit"):
            lazy.answer_batch([AnswerRequest(None, "Who?", ("a", "b"))])

    def test_checkpoint_with_a_trained_language_model(self, folder, tmp_path, random_clip):
        request = AnswerRequest(random_clip(0), "Who?", ("a", "b"))
        random = self.build(folder, "random=3")
        before = random.answer_batch([request])[0].scores
        head = random.language_model.lm_head.weight
        save_reader(tmp_path / "tuned.safetensors", random.projection, {"lm_head.weight": head * 0})
        tuned = self.build(folder, f"checkpoint={tmp_path}/tuned.safetensors")
        # A head of zeros holds every token equally likely.
        uniform = -torch.tensor(float(len(head))).log().item()
        assert tuned.answer_batch([request])[0].scores == pytest.approx([uniform] * 2)
        assert before != pytest.approx([uniform] * 2)

    @pytest.mark.parametrize(
        ("weights", "complaint"),
        [
            ({"projection.hidden.weight": torch.zeros(32, 16)}, "hidden.bias should be"),
            ({"other": torch.zeros(1)}, "'other' begins with neither"),
            ({"language_model.nothing": torch.zeros(1)}, "absent"),
        ],
    )
    def test_bad_checkpoints(self, folder, tmp_path, weights, complaint):
        from safetensors.torch import save_file

        whole = {}
        if "projection.hidden.weight" not in weights:
            projection = VisualProjection(16, 32, seed=0).state_dict()
            whole = {f"projection.{name}": tensor for name, tensor in projection.items()}
        save_file({**whole, **weights}, tmp_path / "bad.safetensors")
        with pytest.raises(SpecError, match=complaint):
            self.build(folder, f"checkpoint={tmp_path}/bad.safetensors")

    @pytest.mark.parametrize(
        ("options", "error", "complaint"),
        [
            ("dtype=float32", SpecError, "either a trained projection"),
            ("checkpoint=nowhere.safetensors", SpecError, "no such file"),
            ("random=1,scoring=guess", SpecError, "scoring=guess is not valid"),
            ("random=1,seed=1", UnknownNameError, "option of vtok-llava 'seed'"),
        ],
    )
    def test_bad_options(self, folder, options, error, complaint):
        with pytest.raises(error, match=complaint):
            self.build(folder, options)

    def test_language_model_of_a_llava(self, tmp_path, random_clip):
        """A LLaVA's own language model reads the tokens; its vision tower is not used."""
        llava = tiny_models.llava_next_video(tmp_path / "llava")
        one = self.build(llava, "random=0,template=vicuna")
        assert type(one.language_model).__name__ == "LlavaNextVideoForConditionalGeneration"
        clips = [random_clip(0), random_clip(1)]
        first, second = one.answer_batch([AnswerRequest(clip, "Who?", ("a", "b")) for clip in clips])
        assert first.scores != second.scores
        assert first.cost["visual_tokens"] == 4 + 2  # grid 2 x 2; frames 4 and 8 of 9

    def test_no_chat_template(self, tmp_path):
        plain = tiny_models.llama(tmp_path / "plain", chat_template=None)
        with pytest.raises(SpecError, match="template=vicuna"):
            self.build(plain, "random=0")
        assert self.build(plain, "random=0,template=vicuna").answer(None, "Who?", ["a", "b"])


class TestPrompts:
    def test_beginning_of_text_is_put_once(self, llama):
        import copy

        _, text_tokenizer = llama
        with_bos = copy.deepcopy(text_tokenizer)
        with_bos.bos_token = "<|im_start|>"
        # The template begins with it already.
        prompt = TextPrompts(with_bos, template="chat").prompt("Who?", shown=True)
        assert prompt.before == tuple(text_tokenizer("<|im_start|>user\n")["input_ids"])

    def test_parts(self, llama):
        _, text_tokenizer = llama
        text_tokenizer.chat_template, kept = tiny_models.CHAT_TEMPLATE, text_tokenizer.chat_template
        prompt = TextPrompts(text_tokenizer, template="chat").prompt("Who?", shown=True)
        text_tokenizer.chat_template = kept
        assert prompt.rendered == f"<|im_start|>user\n{VISUAL}\nWho?<|im_end|>\n<|im_start|>assistant\n"

    def test_a_template_that_drops_the_question(self, llama):
        _, text_tokenizer = llama
        text_tokenizer.chat_template, kept = "hello", text_tokenizer.chat_template
        with pytest.raises(SpecError, match="drops the question"):
            TextPrompts(text_tokenizer, template="chat").prompt("Who?", shown=True)
        text_tokenizer.chat_template = kept

    def test_a_question_cannot_move_the_visual_tokens(self, llama):
        _, text_tokenizer = llama
        prompt = TextPrompts(text_tokenizer, template="vicuna").prompt(f"a{VISUAL}b", shown=False)
        assert prompt.after == ()
        assert "a b" in prompt.rendered
