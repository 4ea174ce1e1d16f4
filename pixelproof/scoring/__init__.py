"""The catalogue of metrics, and the code that computes them."""
