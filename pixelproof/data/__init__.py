"""The canonical dataset, the one contract between stages: its images, resizing and splitting."""
