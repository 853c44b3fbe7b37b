"""Reconstruction: original clips next to what a tokenizer's tokens give back, by named protocols."""
