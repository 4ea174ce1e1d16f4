"""The catalogue of metrics, and what computes them."""
