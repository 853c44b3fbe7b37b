"""Answers questions about clips: video language models, endpoints, token readers, open_clip similarity."""
