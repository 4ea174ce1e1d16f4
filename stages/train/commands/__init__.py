"""Commands about trainings that are no stage of the graph: `python -m stages.train <name>`."""
