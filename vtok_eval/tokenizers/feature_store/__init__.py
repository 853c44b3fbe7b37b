"""The feature store: features of frames on disk, shared by processes that may be killed at any moment."""
