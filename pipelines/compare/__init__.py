"""Two revisions in, what became better or worse and why out; `pipelines.compare` puts the parts together."""
