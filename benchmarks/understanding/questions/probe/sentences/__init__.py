"""Sentences as vectors, for probes whose questions are text."""
