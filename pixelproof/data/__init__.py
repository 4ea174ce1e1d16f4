"""The canonical dataset, the only data format between stages, and its images, resizing and splitting."""
