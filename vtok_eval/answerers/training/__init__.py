"""Training readers: language models that learn to read a tokenizer's tokens, all in the same way."""
