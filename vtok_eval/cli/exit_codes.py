"""Exit codes of `vtok-eval`: 0 means done."""

EXIT_INCOMPLETE = 1
"""Finished with failed samples or with something that could not be run."""
EXIT_USAGE = 2
"""Bad usage, or an error that the user can fix; one line says which."""
