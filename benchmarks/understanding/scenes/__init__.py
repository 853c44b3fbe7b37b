"""Attributes of rendered clips, read from frozen tokens by a probe."""
