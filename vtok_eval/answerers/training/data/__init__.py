"""What readers are trained on: conversation files, tables, training splits, rendered scenes."""
