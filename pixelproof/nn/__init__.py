"""What every network needs: building, running, losses, operators, several devices, determinism."""
