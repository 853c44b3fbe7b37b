"""The miniature's text tokenizer: one token for each word of a closed vocabulary, and a chat template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.understanding.reader.wording import vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

PAD, UNKNOWN, USER, END = SPECIAL = ("<pad>", "<unknown>", "<user>", "<end>")

_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}" + USER + " {{ message['content'] }} "
    "{% else %}{{ message['content'] }} " + END + " {% endif %}"
    "{% endfor %}"
)
"""An answer follows its question without a mark between them."""


# Any: transformers' tokenizer, which has no types.
def word_tokenizer(words: Sequence[str] | None = None) -> Any:
    """A `PreTrainedTokenizerFast` with a token for each word, made by the library `tokenizers`.

    words: the vocabulary without special tokens; by default that of the questions and answers.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = [*SPECIAL, *(vocabulary() if words is None else words)]
    ids = {word: number for number, word in enumerate(known)}
    backend = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=PAD, unk_token=UNKNOWN, eos_token=END
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [USER]})
    tokenizer.chat_template = _TEMPLATE
    return tokenizer
