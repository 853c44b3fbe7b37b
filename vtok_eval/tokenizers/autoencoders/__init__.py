"""Video autoencoders of other libraries as tokenizers."""
