"""Probes that read frozen tokens: their features, their shared architecture and their training."""
