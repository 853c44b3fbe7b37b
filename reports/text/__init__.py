"""The text of a report: the headline finding, notes, caveats, and how numbers are written."""
