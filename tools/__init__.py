"""Scripts that measure, generate documentation or build stand-ins; not in the wheel."""
