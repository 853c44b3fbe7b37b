"""Reconstruction: original clips beside what a tokenizer's tokens give back, by named protocols."""
