"""What a run shows while it goes: a live display on a terminal, else plain lines."""
