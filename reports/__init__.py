"""Reports: comparison tables, plots and the page of a run, made from its run folder alone."""
