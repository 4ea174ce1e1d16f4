"""Views to change, steps to change them with, and generators whose draws are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import TypeAdapter

from pixelproof.augmentation.apply import apply
from pixelproof.augmentation.steps import Step
from pixelproof.augmentation.view import Around, Rng, View
from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array

STEPS: list[dict[str, Any]] = [
    {"name": "scale", "smallest": 0.5, "largest": 2.0, "rare": 0.5},
    {"name": "crop", "area": 0.3},
    {"name": "flip", "axis": "horizontal"},
    {"name": "flip", "axis": "vertical"},
    {"name": "rotate", "degrees": 180.0},
    {"name": "perspective", "shift": 0.3},
    {"name": "grid_shuffle", "rows": 3, "columns": 4},
    {"name": "cutout", "count": 3, "side": 0.5},
    {"name": "brightness", "by": 0.5},
    {"name": "contrast", "by": 0.5},
    {"name": "saturation", "by": 0.9},
    {"name": "color", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4},
    {"name": "hue", "degrees": 90.0},
    {"name": "gamma", "by": 0.8},
    {"name": "lighting", "std": 0.5},
    {"name": "shuffle_channels"},
    {"name": "noise", "std": 0.1},
    {"name": "blur", "sigma": 2.0},
    {"name": "jpeg", "quality": 20},
    {"name": "move_object", "distance": 0.8, "area": 0.5, "order": "front"},
    {"name": "move_object", "distance": 0.8, "area": 0.5, "order": "ground"},
    {"name": "scale_object", "smallest": 0.5, "largest": 2.0, "area": 0.5, "order": "front"},
    {"name": "scale_object", "smallest": 0.5, "largest": 2.0, "area": 0.5, "order": "ground"},
    {"name": "turn_object", "degrees": 180.0, "area": 0.5, "order": "front"},
    {"name": "turn_object", "degrees": 180.0, "area": 0.5, "order": "ground"},
    {"name": "remove_object", "area": 0.5},
    {"name": "paste", "count": 3, "smallest": 0.5, "largest": 2.0, "area": 0.5, "order": "front"},
    {"name": "paste", "count": 3, "smallest": 0.5, "largest": 2.0, "area": 0.5, "order": "ground"},
]
THINGS = (2, 3)


def step(**settings: Any) -> Step:
    """A step that is always taken, unless it says otherwise."""
    found: Step = TypeAdapter(Step).validate_python({"p": 1.0} | settings)
    return found


def steps(*names: str) -> list[dict[str, Any]]:
    """The settings above of the steps with these names."""
    return [settings for settings in STEPS if settings["name"] in names]


def changed(view: View, rng: Any, around: Around | None = None, /, **settings: Any) -> View:
    """What a single step makes of a view."""
    return apply([step(**settings)], view, rng, around or Around(view.size))


def grey(rows: Any, mask: Any = None) -> View:
    """A grey image, with its values as labels if there are no others."""
    values: Array = np.array(rows, np.uint8)
    return View(np.repeat(values[..., None], 3, axis=2), values if mask is None else np.array(mask, np.uint8))


def scene(seed: int, width: int = 40, height: int = 32, with_instances: bool = True) -> View:
    """Ground of two classes with boxes of two thing classes on it, one instance each, and some of it ignored."""
    rng: Rng = np.random.default_rng(seed)
    mask: Array = np.zeros((height, width), np.uint8)
    mask[height // 2 :] = 1
    instances = np.zeros(mask.shape, np.uint16)
    for number in range(int(rng.integers(0, 6))):
        left, top = int(rng.integers(0, width - 3)), int(rng.integers(0, height - 3))
        box = slice(top, top + int(rng.integers(4, 12))), slice(left, left + int(rng.integers(4, 12)))
        mask[box], instances[box] = THINGS[number % 2], number + 1
    top, left = int(rng.integers(0, height)), int(rng.integers(0, width))
    hidden = slice(top, top + 4), slice(left, left + 9)
    mask[hidden], instances[hidden] = IGNORE, 0
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return View(image, mask, instances if with_instances else None)


class Given:
    """A generator whose draws are given, by method."""

    def __init__(self, **draws: list[Any]) -> None:
        self.draws = {"random": [0.0] * 8} | draws

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.draws[name].pop(0)
