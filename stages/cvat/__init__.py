"""Annotations drawn in CVAT, as a canonical dataset."""
