"""VBench's dimensions, each as a scorer."""
