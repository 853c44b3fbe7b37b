"""Benchmarks: what is measured on a system that vtok_eval runs."""
