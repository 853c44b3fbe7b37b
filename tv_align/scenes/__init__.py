"""TV-Align in the vocabulary of rendered scenes, where the truth is known."""
