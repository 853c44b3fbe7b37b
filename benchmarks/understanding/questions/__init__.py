"""Questions about videos, as fourteen published benchmarks ask them."""
