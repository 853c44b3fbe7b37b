"""A question benchmark's data: tables, videos, archives, and whether they are complete."""
