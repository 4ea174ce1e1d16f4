"""Converts a public or synthetic dataset to the canonical form."""
