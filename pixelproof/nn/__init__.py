"""What every network needs: building it, running it on one or several devices, losses, deterministic operations."""
