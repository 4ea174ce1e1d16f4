"""Public datasets, and the synthetic one, as a canonical dataset."""
