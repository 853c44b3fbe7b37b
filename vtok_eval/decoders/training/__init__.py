"""Training decoders on rendered scenes: clips, recipe, losses, steps and the trainer of all of them."""
