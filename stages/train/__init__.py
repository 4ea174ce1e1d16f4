"""One training run: data, precision, resuming, curves."""
