"""What made the numbers of a run, and what may be reused since nothing of it has changed."""
