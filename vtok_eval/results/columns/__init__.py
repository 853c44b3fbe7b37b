"""Records as arrays, one matrix for each metric: read from Parquet files or from the journal."""
