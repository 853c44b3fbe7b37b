"""Sentences as vectors, for probes that are asked in words."""
