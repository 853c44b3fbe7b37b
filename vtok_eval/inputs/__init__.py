"""Input contracts: which clips a tokenizer takes, and how other clips are fitted to it."""
