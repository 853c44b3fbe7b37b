"""Metrics of one original clip and its reconstruction, each computed from chunks of frames."""
