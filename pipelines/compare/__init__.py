"""Compares two revisions: what improved or regressed, and why. compare.py puts the parts together."""
