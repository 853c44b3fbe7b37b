"""Files on disk: the cache folder, YAML checked against a schema."""
