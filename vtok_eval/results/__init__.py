"""What a run leaves behind: records, scores, comparisons, provenance and the folder that holds them."""
