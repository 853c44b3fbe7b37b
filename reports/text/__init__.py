"""What a report says in words: the headline finding, notes, caveats, and how numbers are written."""
