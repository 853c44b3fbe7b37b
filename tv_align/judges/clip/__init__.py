"""The judge that compares captions with frames by an open_clip model."""
