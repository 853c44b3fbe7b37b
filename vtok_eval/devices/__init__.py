"""Devices: copying to and from them without waiting, numerical precision, results that are on their way."""
