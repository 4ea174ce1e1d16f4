"""What `pixelproof cvat` does: talks to a CVAT server by way of its own SDK."""
