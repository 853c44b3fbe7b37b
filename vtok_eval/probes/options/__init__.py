"""The options of probes that suites may set."""
