"""VBench through the vbench package."""
