"""Fetch a file pinned by its digest from a mirror, the cache or the network, and always verify it."""
