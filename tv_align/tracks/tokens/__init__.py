"""TV-Align's track `read`: whether a probe on frozen tokens distinguishes true from false text."""
