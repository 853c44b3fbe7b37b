"""The judge that measures pixels; it understands clips and questions in the scenes' vocabulary only."""
