"""When and where the stages run, and what came of it."""
