"""Takes labels in: exports to `data/annotations/`, and what they say that is new to params.yaml."""
