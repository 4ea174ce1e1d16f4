"""What runs: one package per DVC stage, and beside them what stages share."""
