"""Systems whose code lives in another Python environment: `exec:PYTHON@FILE.py:Class`."""
