"""Augmentation: a policy is a list of steps, each with its settings and a pure, seeded function of image and labels."""
