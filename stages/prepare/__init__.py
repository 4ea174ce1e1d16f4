"""Merges the sources, checks them, maps classes, sizes and splits."""
