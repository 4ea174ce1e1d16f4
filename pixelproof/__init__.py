"""The ground that commands, pipelines and stages share; it imports nothing from above."""
