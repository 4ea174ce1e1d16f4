"""One run on many machines: they share DVC's remote, a git remote and Prefect's server, and no disk."""
