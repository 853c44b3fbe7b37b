"""How a reader is trained: the module, where it starts, and each stage by transformers' Trainer."""
