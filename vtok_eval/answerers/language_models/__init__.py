"""Language models as answerers: transformers checkpoints, and models that read a tokenizer's tokens."""
