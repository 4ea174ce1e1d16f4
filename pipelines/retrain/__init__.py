"""Labels accepted in CVAT become a trained network, judged, on a branch of its own."""
