"""Converts annotations drawn in CVAT to a canonical dataset."""
