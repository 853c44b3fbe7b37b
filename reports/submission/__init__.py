"""Runs that others measured: packed into one file, and verified before anything of them is believed."""
