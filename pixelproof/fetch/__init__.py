"""Fetch a file that is pinned by its digest, from a mirror, the cache or the network; always verified."""
