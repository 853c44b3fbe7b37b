"""Reads which of a few answers a model's text settles on: by rule, never by chance."""
