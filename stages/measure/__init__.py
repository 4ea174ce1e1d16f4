"""What a segmentation is good for: the size, shape and texture of its objects, and where one could land."""
