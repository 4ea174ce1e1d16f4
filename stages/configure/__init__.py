"""Each architecture's file, its bases and the params, resolved into one JSON."""
