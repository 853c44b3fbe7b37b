"""Trained readers as folders: written, checked and loaded."""
