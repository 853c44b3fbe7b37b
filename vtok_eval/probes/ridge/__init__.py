"""Kernel ridge regression on a clip's tokens, a second reader."""
