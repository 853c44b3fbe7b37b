"""Video in and out: decode, encode, sample frames, the clips that installed packages ship."""
