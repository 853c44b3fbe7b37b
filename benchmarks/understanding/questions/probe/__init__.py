"""A probe that answers questions from frozen tokens."""
