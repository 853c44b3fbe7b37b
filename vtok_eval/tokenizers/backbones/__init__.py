"""Frozen image networks that turn single frames into feature maps."""
