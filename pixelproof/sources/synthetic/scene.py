"""One scene from its flight and number: terrain, objects, light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pixelproof.sources.synthetic import light, objects, terrain
from pixelproof.sources.synthetic.canvas import Array, Canvas
from pixelproof.sources.synthetic.classes import Kind
from pixelproof.sources.synthetic.flights import Flight, flight, generator

MARGIN = 32  # pixels around the image, for objects that reach or cast shadows into it


@dataclass(frozen=True)
class Scene:
    """An image with its labels."""

    image: Array
    mask: Array
    instances: Array
    metres_per_pixel: float


def render(seed: int, name: str, number: int, side: int) -> Scene:
    """Image `number` of flight `name`; nothing else in the dataset affects it."""
    conditions = flight(seed, name)
    rng = generator(seed, f"{name}/{number}")
    canvas = Canvas(side + 2 * MARGIN, conditions.metres_per_pixel)
    populate(rng, canvas, conditions)
    lit = light.illuminate(canvas, conditions)
    inner = (slice(MARGIN, MARGIN + side), slice(MARGIN, MARGIN + side))
    image = light.photograph(rng, lit[inner], conditions)
    _, numbers = np.unique(canvas.instance[inner], return_inverse=True)
    first = 0 if (canvas.instance[inner] == 0).any() else 1
    instances = (numbers.reshape(side, side) + first).astype(np.uint16)
    return Scene(image, canvas.label[inner].copy(), instances, conditions.metres_per_pixel)


def populate(rng: np.random.Generator, canvas: Canvas, conditions: Flight) -> None:
    """Paint the ground first, then the objects on it, and tree crowns last, above everything."""
    ground = terrain.lay(rng, canvas, conditions)
    site, places = conditions.site, Places(canvas, rng, ground.buildable)
    for _ in range(_count(rng, site.roofs)):
        if spot := places.find((Kind.PAVED, Kind.SOIL, Kind.GRASS), 4.2, building=True):
            objects.roof(rng, canvas, conditions, *spot, ground.axis)
    for _ in range(_count(rng, site.cars)):
        if spot := places.find((Kind.PAVED, Kind.PAVED, Kind.SOIL, Kind.GRASS), 1.7):
            turn = ground.axis + rng.choice([0, 0, np.pi, np.pi / 2, -np.pi / 2]) + rng.normal(0, 0.06)
            objects.car(rng, canvas, conditions, *spot, float(turn))
    for _ in range(_count(rng, site.obstacles)):
        if spot := places.find((Kind.PAVED, Kind.SOIL, Kind.GRASS), 1.0):
            objects.obstacle(rng, canvas, conditions, *spot, float(rng.uniform(0, 2 * np.pi)))
    for _ in range(_count(rng, site.persons)):
        if spot := places.find((Kind.PAVED, Kind.SOIL, Kind.GRASS), 0.6):
            objects.person(rng, canvas, conditions, *spot)
    for _ in range(_count(rng, site.trees)):
        if spot := places.find((Kind.GRASS, Kind.SOIL, Kind.PAVED, Kind.CAR), 0.9):
            objects.tree(rng, canvas, conditions, *spot)


def _count(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    return int(rng.integers(bounds[0], bounds[1] + 1))


class Places:
    """Finds free ground for objects, and keeps track of occupied places."""

    def __init__(self, canvas: Canvas, rng: np.random.Generator, buildable: Array) -> None:
        self.canvas, self.rng, self.buildable = canvas, rng, buildable
        self.taken: list[tuple[float, float, float]] = []

    def find(self, kinds: tuple[Kind, ...], radius: float, building: bool = False) -> tuple[float, float] | None:
        """A place on one of these kinds of ground with `radius` metres free around it; None if 20 tries find none."""
        reach = radius / self.canvas.metres_per_pixel
        for _ in range(20):
            x, y = (float(value) for value in self.rng.uniform(4, self.canvas.side - 4, 2))
            if not np.isin(self._around(self.canvas.label, x, y, 0.5 * reach), kinds).all():
                continue
            if any(np.hypot(x - a, y - b) < reach + r for a, b, r in self.taken):
                continue
            if building and not self._around(self.buildable, x, y, 0.6 * reach).all():
                continue
            self.taken.append((x, y, reach))
            return x, y
        return None

    def _around(self, layer: Array, x: float, y: float, reach: float) -> Array:
        rows, columns = (slice(max(0, int(at - reach)), int(at + reach) + 1) for at in (y, x))
        return layer[rows, columns]
