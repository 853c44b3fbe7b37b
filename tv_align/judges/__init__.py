"""Judges: what answers yes-or-no questions about a clip, and how far it can be trusted."""
