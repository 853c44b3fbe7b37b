"""Frechet distances between the features of clips and those of their reconstructions."""
