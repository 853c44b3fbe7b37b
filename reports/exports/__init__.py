"""A run in other tools' forms: Hugging Face model cards, lm-eval's results, VBench's results."""
