"""Merges the sources: checks them, maps their classes, resizes and splits their images."""
