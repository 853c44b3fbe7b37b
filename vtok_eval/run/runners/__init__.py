"""How samples reach a system: loading, batching, devices, retries and the journal."""
