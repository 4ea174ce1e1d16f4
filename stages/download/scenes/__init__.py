"""Aerial scenes as a drone sees them, drawn from a seed."""
