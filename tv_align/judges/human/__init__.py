"""People as judges: a labelling sheet, what raters made of it, and how far they agree."""
