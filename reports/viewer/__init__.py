"""A browser page for a run's samples: what each system made of each clip, side by side."""
