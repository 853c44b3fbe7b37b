"""Tables: what is in them, and their forms."""
