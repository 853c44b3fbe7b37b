"""Decodes video files, whole or frame by frame, within limits on time, size and memory."""
