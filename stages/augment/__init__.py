"""Augmented copies of the train split: policies as data, transforms as pure seeded functions."""
