"""Errors, files, locks, params, progress, the machine: what everything needs."""
