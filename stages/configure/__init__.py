"""Resolves each architecture's file, its bases and the params into one JSON file."""
