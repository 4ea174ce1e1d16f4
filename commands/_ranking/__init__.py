"""Ranks labels that are probably wrong, and images worth labelling. No stage imports it: a change retrains nothing."""
