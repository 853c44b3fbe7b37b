"""Questions put to answerers: prompts, reading the replies, grading."""
