"""Lanes: worker processes, one for each device, that evaluate shards of a run's jobs for one driver."""
