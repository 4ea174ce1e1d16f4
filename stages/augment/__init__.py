"""Augmented copies of the train split: which images get how many, and the policy that changes them."""
