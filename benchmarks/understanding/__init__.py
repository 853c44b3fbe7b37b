"""Video understanding: what can be read from a clip's tokens."""
