"""Scripts that measure time and memory; docs/performance.md has the figures."""
