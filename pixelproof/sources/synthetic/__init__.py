"""Aerial scenes as seen from a drone, rendered from the seed: nothing is downloaded.

A flight is a group: one place, one light, one camera. Each image depends only on the seed, the name of its flight and
its own number, so that adding flights, images or workers does not change existing images.
"""

from __future__ import annotations

from functools import partial
from itertools import chain, count
from pathlib import Path

from pixelproof.core.pool import mapped
from pixelproof.core.progress import Progress
from pixelproof.data.dataset import SPLITS, Sample, SplitWriter, write_header
from pixelproof.sources.request import Facts, Request
from pixelproof.sources.synthetic.classes import CLASSES as SCENE_CLASSES
from pixelproof.sources.synthetic.scene import Scene, render

NAME = "synthetic"
CLASSES = SCENE_CLASSES
FACTS = Facts(NAME, "Apache-2.0", CLASSES)


def flights(split: str, count: int) -> list[str]:
    """The names of a split's flights; a higher count adds names and keeps the first ones.

    Example:
        >>> flights("val", 2)
        ['val-000', 'val-001']
    """
    return [f"{split}-{number:03d}" for number in range(count)]


def convert(request: Request, target: Path) -> None:
    """Render every flight of every split."""
    header = FACTS.header()
    options = request.options
    names = [flights(split, options[f"{split}_flights"]) for split in SPLITS]
    shoot = partial(_shoot, seed=request.seed, images=options["images_per_flight"], side=options["side"])
    write_header(target, header)
    total = sum(len(split_names) for split_names in names)
    with mapped(shoot, list(chain(*names)), request.workers) as rendered:
        progress, done = Progress("flights", total), count(1)
        for split, split_names in zip(SPLITS, names, strict=True):
            writer = SplitWriter(target, split, header)
            for name in split_names:
                for number, scene in enumerate(next(rendered)):
                    height, width = scene.mask.shape
                    sample = Sample(f"{name}-{number:02d}", name, width, height, NAME, scene.metres_per_pixel)
                    writer.add(sample, scene.image, scene.mask, scene.instances)
                progress.show(next(done))
            writer.close()


def _shoot(name: str, seed: int, images: int, side: int) -> list[Scene]:
    return [render(seed, name, number, side) for number in range(images)]
