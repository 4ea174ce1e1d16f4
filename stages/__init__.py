"""What runs: one package for each DVC stage."""
