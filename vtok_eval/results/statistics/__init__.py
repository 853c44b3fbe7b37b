"""From records to scores, intervals, paired tests and checks: pure functions, without files."""
