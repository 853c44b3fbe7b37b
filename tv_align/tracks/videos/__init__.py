"""TV-Align's track for videos: a judge answers questions about each video."""
