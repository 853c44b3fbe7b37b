"""The networks behind the dimensions: their weights, and the parts that run faster here."""
