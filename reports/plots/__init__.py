"""The pictures of a report, each with its alt text and the data behind it."""
