"""Pictures of where a multi-scale network takes which scale, for images of the test split.

For each image and each scale but the largest, OUT/ID-scale-SCALE.png in grey: white pixels are taken from this scale,
black ones from the next larger one. All test images, or those whose ids are given.
"""

from commands._attention import add_arguments, run

__all__ = ["GROUP", "add_arguments", "run"]
GROUP = "networks"
