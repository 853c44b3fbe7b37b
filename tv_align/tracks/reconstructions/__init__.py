"""TV-Align's track `show` for tokenizers: reference clips are encoded, decoded and judged."""
