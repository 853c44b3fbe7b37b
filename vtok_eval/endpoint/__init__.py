"""Client for any OpenAI-compatible server: cached, bounded, retried; shared by answerers and judges."""
