"""The tokens that readers are trained on: made once for each clip, in memory or on disk."""
