"""The tokenizers under test, their backbones, and how a spec string becomes a tokenizer."""
