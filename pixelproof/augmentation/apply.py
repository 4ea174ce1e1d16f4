"""The registry of steps, and what applies a policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pixelproof.augmentation import colour, geometry, objects, steps
from pixelproof.augmentation.steps import Sometimes, Step
from pixelproof.augmentation.view import Around, Rng, View

FUNCTIONS: dict[type[Sometimes], Callable[[View, Any, Rng, Around], View]] = {
    steps.Scale: geometry.scale,
    steps.Crop: geometry.crop,
    steps.Flip: geometry.flip,
    steps.Rotate: geometry.rotate,
    steps.Perspective: geometry.perspective,
    steps.GridShuffle: geometry.grid_shuffle,
    steps.Cutout: geometry.cutout,
    steps.Brightness: colour.brightness,
    steps.Contrast: colour.contrast,
    steps.Saturation: colour.saturation,
    steps.Color: colour.color,
    steps.Hue: colour.hue,
    steps.Gamma: colour.gamma,
    steps.Lighting: colour.lighting,
    steps.ShuffleChannels: colour.shuffle_channels,
    steps.Noise: colour.noise,
    steps.Blur: colour.blur,
    steps.Jpeg: colour.jpeg,
    steps.MoveObject: objects.move_object,
    steps.ScaleObject: objects.scale_object,
    steps.TurnObject: objects.turn_object,
    steps.RemoveObject: objects.remove_object,
    steps.Paste: objects.paste,
}
ON_OBJECTS = (steps.MoveObject, steps.ScaleObject, steps.TurnObject, steps.RemoveObject, steps.Paste)


def apply(policy: Sequence[Step], view: View, rng: Rng, around: Around) -> View:
    """Take the steps of a policy that are drawn, in their order.

    Args:
        policy: The steps.
        view: Image and labels, which are not written to.
        rng: Draws which steps are taken, and how.
        around: What the steps may know beside the view.

    Returns:
        Image and labels of the size in `around` (without one, of their own): if no step took care of that, cropped or
        filled up at a random place.
    """
    size = around.size or view.size
    for step in policy:
        if rng.random() < step.p:
            view = FUNCTIONS[type(step)](view, step, rng, around)
    view = geometry.fitted(view, size, rng)
    instances = None if view.instances is None else np.ascontiguousarray(view.instances)
    return View(np.ascontiguousarray(view.image), np.ascontiguousarray(view.mask), instances)


def needs_objects(policy: Sequence[Step]) -> bool:
    """Whether a step looks at instances: reading them takes time."""
    return any(isinstance(step, ON_OBJECTS) for step in policy)


def needs_shares(policy: Sequence[Step]) -> bool:
    """Whether a step looks at how frequent classes are."""
    return needs_objects(policy) or any(isinstance(step, steps.Scale) and step.rare for step in policy)
