"""Attributes of rendered clips, asked of a small language model trained on each tokenizer's tokens."""
