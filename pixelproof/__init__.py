"""The code that commands, pipelines and stages share; it imports none of them."""
