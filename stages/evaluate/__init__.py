"""A trained network's predictions and its metrics, split by split."""
