"""A text tokenizer for tiny models: one token a byte, and special tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Any: transformers' tokenizers, which have no types.

END = "<|end|>"
"""Ends a text, and fills up shorter ones."""


def byte_tokenizer(special: Sequence[str]) -> Any:
    """A tokenizer of transformers' own class that can read and write any text.

    special: tokens with a meaning to the model, beside `END`.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={sign: i for i, sign in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)
    fast.add_special_tokens({"additional_special_tokens": list(special)})
    return fast
