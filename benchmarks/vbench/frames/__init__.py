"""Frames of a video as the dimensions of VBench consume them."""
