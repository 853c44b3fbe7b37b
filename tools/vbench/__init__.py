"""Scripts around VBench: speed, memory, stand-in weights, the documentation's table."""
