"""What a language model sees of a conversation: its words, one position for each token, masked labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", minversion="5.0")

from tests.vtok_eval.answerers.language_models import tiny_models
from tests.vtok_eval.answerers.training import tiny_readers
from vtok_eval.answerers.language_models.text_prompt import TextPrompts
from vtok_eval.answerers.language_models.visual_projection import VisualProjection
from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.answerers.training.encoding import NOT_LEARNT, ConversationEncoder
from vtok_eval.answerers.training.examples import (
    ReaderCollator,
    ReaderExamples,
    choose_examples,
    training_order,
)
from vtok_eval.answerers.training.steps.model import ReaderModel, TokenInput
from vtok_eval.errors import DataError, SpecError
from vtok_eval.tokenizers.controls import Blind

SAID = [("Which?", "red"), ("And then?", "blue ball")]


def encoder(template="chat", tokenizer=None) -> ConversationEncoder:
    tokenizer = tokenizer or tiny_readers.text_tokenizer()
    return ConversationEncoder(tokenizer, template=template, ends={tokenizer.eos_token_id})


def conversation(pairs=SAID) -> Conversation:
    return Conversation.asked("x", clip="a", pairs=pairs)


def learnt_text(encoded, tokenizer) -> list[str]:
    """The runs of ids that are learnt, as text."""
    runs, last = [], None
    for place in np.flatnonzero(encoded.labels != NOT_LEARNT):
        if last is None or place != last + 1:
            runs.append([])
        runs[-1].append(int(encoded.labels[place]))
        last = place
    return [tokenizer.decode(run) for run in runs]


class TestText:
    def test_answers_and_the_ends_of_their_turns_are_learnt_and_nothing_else(self):
        tokenizer = tiny_readers.text_tokenizer()
        encoded = encoder().encode(conversation(), shown=True)
        assert learnt_text(encoded, tokenizer) == ["red<|im_end|>", "blue ball<|im_end|>"]
        assert tokenizer.decode(encoded.ids) == (
            "<|im_start|>user\n\nWhich?<|im_end|>\n<|im_start|>assistant\nred<|im_end|>\n"
            "<|im_start|>user\nAnd then?<|im_end|>\n<|im_start|>assistant\nblue ball<|im_end|>\n"
        )

    @pytest.mark.parametrize("shown", [True, False])
    @pytest.mark.parametrize("template", ["chat", "vicuna"])
    def test_the_question_is_asked_as_the_answerer_asks_it(self, template, shown):
        tokenizer = tiny_readers.text_tokenizer()
        encoded = encoder(template).encode(conversation(SAID[:1]), shown=shown)
        prompt = TextPrompts(tokenizer, template=template).prompt("Which?", shown=shown)
        asked = (*prompt.before, *prompt.after)
        assert tuple(encoded.ids[: len(asked)]) == asked
        assert (encoded.labels[: len(asked)] == NOT_LEARNT).all()
        assert encoded.visual_at == (len(prompt.before) if shown else None)

    def test_vicuna_ends_its_answers(self):
        tokenizer = tiny_readers.text_tokenizer()
        encoded = encoder("vicuna").encode(conversation(), shown=True)
        assert learnt_text(encoded, tokenizer) == [" red<|im_end|>", " blue ball<|im_end|>"]
        assert "ASSISTANT: red<|im_end|>USER: And then? ASSISTANT: blue" in tokenizer.decode(encoded.ids)

    def test_a_template_without_an_end_gets_one(self):
        tokenizer = tiny_readers.text_tokenizer()
        tokenizer.eos_token = "<|end|>"
        encoded = encoder(tokenizer=tokenizer).encode(conversation(SAID[:1]), shown=True)
        assert learnt_text(encoded, tokenizer) == ["red<|im_end|>\n<|end|>"]

    def test_a_template_of_parts(self):
        tokenizer = tiny_readers.text_tokenizer()
        tokenizer.chat_template = tiny_models.CHAT_TEMPLATE
        assert learnt_text(encoder(tokenizer=tokenizer).encode(conversation(), shown=True), tokenizer) == [
            "red<|im_end|>",
            "blue ball<|im_end|>",
        ]

    def test_a_template_without_answers(self):
        tokenizer = tiny_readers.text_tokenizer()
        tokenizer.chat_template = (
            "{% for m in messages if m['role'] == 'user' %}{{ m['content'] }}{% endfor %}"
        )
        with pytest.raises(SpecError, match="drops"):
            encoder(tokenizer=tokenizer)

    def test_special_tokens_in_the_data(self):
        with pytest.raises(DataError, match=r"turn 1 \(assistant\) holds '<\|im_end\|>'"):
            encoder().encode(conversation([("Who?", "red<|im_end|>")]), shown=True)


class TestConversations:
    def test_turns_out_of_order(self):
        from vtok_eval.answerers.training.conversations import Turn

        with pytest.raises(DataError, match="conversation x: needs turns"):
            Conversation("x", "a", (Turn("assistant", "yes"), Turn("user", "no")))
        with pytest.raises(DataError, match="to an assistant's, not none"):
            Conversation("x", "a", ())

    def test_empty_turn(self):
        with pytest.raises(DataError, match=r"turn 1 \(assistant\) is empty"):
            conversation([("Who?", " \n")])


@pytest.mark.parametrize("n_frames", [1, 4])
def test_the_input_has_a_position_for_each_token_and_no_label_there(n_frames):
    """S + (T - 1): here 4 + (T - 1), also for a clip of one frame."""
    tokenizer = tiny_readers.TwoGroups()
    tokens = tiny_readers.tokens_of(tokenizer, n_frames)
    chosen = choose_examples(tiny_readers.data().training, encoder(), tokens, max_length=512)
    examples = ReaderExamples(chosen, tokens, range(4))
    batch = ReaderCollator(pad_id=0)([examples[number] for number in range(4)])
    assert batch["visual"].sum(dim=1).tolist() == [4 + n_frames - 1] * 4
    assert (batch["labels"][batch["visual"]] == NOT_LEARNT).all()
    assert (batch["attention_mask"][batch["visual"]] == 1).all()
    for row, (_, text) in enumerate(chosen.texts):
        words = ~batch["visual"][row] & batch["attention_mask"][row].bool()
        assert batch["input_ids"][row][words].tolist() == text.ids.tolist()
        assert batch["labels"][row][words].tolist() == text.labels.tolist()
    # One run of positions, where the answerer puts the tokens.
    first = int(batch["visual"][0].nonzero()[0])
    assert first == chosen.texts[0][1].visual_at
    assert batch["visual"][0, first : first + 4 + n_frames - 1].all()

    reader = ReaderModel(
        tiny_readers.language_model(),
        TokenInput(tokenizer.new_projection(seed=0), VisualProjection(5, 32, seed=0)),
    )
    embedded = reader.embed(batch["input_ids"], batch["visual"], batch["groups"])
    for row, name in enumerate(tiny_readers.ANSWERS):
        groups = [type(g)(g.values.float(), g.mask, g.kind, g.frame) for g in tokens.of(name)]
        expected = reader.token_input.projection(reader.token_input.token_projection(groups).values[0])
        torch.testing.assert_close(embedded[row][batch["visual"][row]], expected)
    words = reader.language_model.get_input_embeddings()(batch["input_ids"])
    torch.testing.assert_close(embedded[~batch["visual"]], words[~batch["visual"]])


def test_the_loss_is_that_of_the_language_model():
    """Against transformers' own loss on whole sequences, without picking columns."""
    tokenizer = tiny_readers.FirstPixels()
    tokens = tiny_readers.tokens_of(tokenizer)
    pairs = [[("Which?", "red")], [("Which one is it?", "a blue ball"), ("And?", "no")]]
    asked = [Conversation.asked(str(n), clip="a", pairs=each) for n, each in enumerate(pairs)]
    chosen = choose_examples(asked, encoder(), tokens, max_length=512)
    examples = ReaderExamples(chosen, tokens, range(2))
    batch = ReaderCollator(pad_id=0)([examples[0], examples[1]])
    model = tiny_readers.language_model()
    reader = ReaderModel(model, TokenInput(None, VisualProjection(3, 32, seed=0)))
    embedded = reader.embed(batch["input_ids"], batch["visual"], batch["groups"])
    whole = model(inputs_embeds=embedded, attention_mask=batch["attention_mask"], labels=batch["labels"])
    n_learnt = int((batch["labels"] != NOT_LEARNT).sum())
    training = reader.train()(**batch, num_items_in_batch=n_learnt)["loss"]
    torch.testing.assert_close(training, whole.loss)
    alone = [ReaderCollator(pad_id=0)([examples[number]]) for number in range(2)]
    each = [reader.eval()(**one)["loss"] for one in alone]
    torch.testing.assert_close(reader.eval()(**batch)["loss"], torch.stack(each).mean())


class TestChoice:
    def test_blind_has_no_positions(self):
        tokens = tiny_readers.tokens_of(Blind())
        chosen = choose_examples(tiny_readers.data().training, encoder(), tokens, max_length=512)
        assert not chosen.shows_clips
        batch = ReaderCollator(pad_id=0)([ReaderExamples(chosen, tokens, [0])[0]])
        assert not batch["visual"].any()
        assert batch["groups"] == []

    def test_what_is_left_out_has_a_reason(self):
        tokens = tiny_readers.tokens_of(tiny_readers.FirstPixels())
        asked = [
            conversation([("Who?", "x" * 600)]),
            Conversation.asked("y", clip="unknown", pairs=[("Who?", "me")]),
            Conversation.asked("z", clip="a", pairs=[("<|im_start|>", "me")]),
        ]
        chosen = choose_examples(asked, encoder(), tokens, max_length=512)
        assert chosen.texts == []
        assert "and 4 of the clip are more than 512" in chosen.left_out["x"]
        assert chosen.left_out["y"] == "clip unknown: there are no tokens of it"
        assert "special token" in chosen.left_out["z"]

    def test_the_order_is_permutations_one_after_another(self):
        order = training_order(5, count=12, seed=3)
        assert sorted(order[:5]) == sorted(order[5:10]) == list(range(5))
        assert order != training_order(5, count=12, seed=4)
        assert training_order(5, count=4, seed=3, first=8) == order[8:12]
