"""Running a suite: what is run, where, and what may be reused."""
