"""Which clips are reconstructed: parts of video files, by each protocol's rule, from any folder."""
