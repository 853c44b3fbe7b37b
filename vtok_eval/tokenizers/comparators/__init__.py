"""Comparators stronger than naive frame sampling: what a sampled clip's tokens can be spent on instead."""
