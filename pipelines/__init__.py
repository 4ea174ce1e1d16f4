"""When and where the stages run, and how their results compare and verify."""
