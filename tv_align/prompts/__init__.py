"""Prompts and their yes-or-no questions: the schema, the loader, and the suites' data files."""
