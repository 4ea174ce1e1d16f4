"""What a segmentation is used for: measuring its objects (geometry, texture), and finding where to land."""
