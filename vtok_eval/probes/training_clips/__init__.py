"""The clips that a probe learns from and is chosen by: their features collected once and split."""
