"""What tokens cost: count, FLOPs, latency, memory."""
