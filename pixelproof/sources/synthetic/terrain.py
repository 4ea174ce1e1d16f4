"""The ground: its materials, roads and water."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pixelproof.sources.synthetic.canvas import Array, Canvas, Patch, grain, smooth_noise
from pixelproof.sources.synthetic.classes import Kind
from pixelproof.sources.synthetic.flights import SPOTS, Flight

KERB = np.array([0.30, 0.30, 0.29], np.float32)
MARKING = np.array([0.50, 0.50, 0.48], np.float32)


@dataclass(frozen=True)
class Terrain:
    """What objects need to know about the ground they stand on."""

    axis: float  # the direction of the road, or of the bays of a car park
    buildable: Array


def lay(rng: np.random.Generator, canvas: Canvas, flight: Flight) -> Terrain:
    """Paint the ground of a scene."""
    site = flight.site
    whole = canvas.everywhere(*_somewhere(rng, canvas), rng.uniform(0, np.pi))
    axis = float(rng.uniform(0, np.pi))
    ground = site.ground[rng.integers(len(site.ground))]
    _surface(rng, canvas, flight, whole, np.ones(whole.shape(), np.float32), ground, axis)
    if rng.random() < 0.45:
        border = whole.v + 0.4 * _noise(rng, canvas, 3.0) * rng.integers(2)
        second = site.second[rng.integers(len(site.second))]
        _surface(rng, canvas, flight, whole, canvas.cover(border), second, axis)
    buildable = np.ones(whole.shape(), bool)
    if rng.random() < site.water:
        buildable &= ~_water(rng, canvas, flight)
    if rng.random() < site.road:
        buildable &= ~_road(rng, canvas, flight, axis)
    return Terrain(axis, buildable)


def _somewhere(rng: np.random.Generator, canvas: Canvas) -> tuple[float, float]:
    x, y = rng.uniform(0.25, 0.75, 2) * canvas.side
    return float(x), float(y)


def _noise(rng: np.random.Generator, canvas: Canvas, metres: float) -> Array:
    return smooth_noise(rng, (canvas.side, canvas.side), metres / canvas.metres_per_pixel)


def _surface(
    rng: np.random.Generator, canvas: Canvas, flight: Flight, patch: Patch, cover: Array, kind: Kind, axis: float
) -> None:
    """Paint one material over part of the ground. All have the same fine grain and differ in their larger pattern."""
    texture, relief = PATTERNS[kind](rng, canvas, canvas.everywhere(0, 0, axis))
    colours = flight.palette[kind]
    mix = np.clip(0.5 + 0.5 * _noise(rng, canvas, 1.4), 0, 1)[..., None] * rng.uniform(0.1, 0.6)
    first = rng.integers(len(colours))
    colour = colours[first] * (1 - mix) + colours[1 - first] * mix
    spots = np.clip(_noise(rng, canvas, 0.9) * 1.5 - 0.9, 0, 0.7)[..., None] * rng.uniform(0.3, 0.8)
    colour += (np.array(SPOTS[kind], np.float32) - colour) * spots
    fine = 0.04 * grain(rng, patch.shape())
    shade = (1 + texture + fine).clip(0.3, 2)
    canvas.paint(patch, cover, kind, colour * shade[..., None], relief)


def _paved(rng: np.random.Generator, canvas: Canvas, patch: Patch) -> tuple[Array, Array]:
    """Asphalt with stains and repairs, or slabs: a grid of joints and a tone for each slab."""
    stains = 0.10 * _noise(rng, canvas, 2.0)
    flat = np.zeros(patch.shape(), np.float32)
    if rng.random() < 0.3:
        return stains + 0.18 * grain(rng, patch.shape()), flat
    length, width = rng.uniform(0.8, 1.3), rng.uniform(0.8, 1.3)
    column, row = np.floor(patch.u / length), np.floor(patch.v / width)
    along = np.abs(patch.u / length - column - 0.5) * length
    across = np.abs(patch.v / width - row - 0.5) * width
    joint = np.clip((np.maximum(along - length / 2, across - width / 2) + 0.14) / 0.08, 0, 1)
    tones = rng.normal(0, 0.07, (64, 64)).astype(np.float32)
    tone = tones[column.astype(int) % 64, row.astype(int) % 64]
    return stains * 0.5 + tone - 0.55 * joint, flat


def _soil(rng: np.random.Generator, canvas: Canvas, patch: Patch) -> tuple[Array, Array]:
    """Bare earth with ruts, or a ploughed field, whose furrows show in sunlight."""
    bend = 0.25 * _noise(rng, canvas, 4.0)
    period = rng.uniform(0.9, 1.3)
    furrows = np.sin((patch.v + bend) * 2 * np.pi / period)
    clods = 0.08 * _noise(rng, canvas, 0.55)
    return clods + 0.22 * furrows, 0.10 * furrows


def _grass(rng: np.random.Generator, canvas: Canvas, patch: Patch) -> tuple[Array, Array]:
    """Tufts, and often mowing stripes."""
    tufts = 0.22 * _noise(rng, canvas, 0.35) + 0.06 * _noise(rng, canvas, 1.8)
    stripe = np.tanh(4 * np.sin(patch.v * np.pi / rng.uniform(1.0, 1.6))) * (rng.random() < 0.4)
    relief: Array = 0.02 * _noise(rng, canvas, 0.6)
    return tufts + 0.08 * stripe, relief


def _ripples(rng: np.random.Generator, canvas: Canvas, patch: Patch) -> tuple[Array, Array]:
    """Waves along the wind, with glints."""
    drift = 0.5 * _noise(rng, canvas, 1.5) + 0.2 * _noise(rng, canvas, 0.7)
    waves = np.sin((patch.v + drift) * 2 * np.pi / rng.uniform(0.9, 1.6))
    glint = np.clip(waves - 0.75, 0, 1) * rng.uniform(0.5, 2.5)
    flat = np.full(patch.shape(), -0.4, np.float32)
    return 0.12 * waves + glint + 0.1 * _noise(rng, canvas, 3.0), flat


PATTERNS = {Kind.PAVED: _paved, Kind.SOIL: _soil, Kind.GRASS: _grass, Kind.WATER: _ripples}


def _road(rng: np.random.Generator, canvas: Canvas, flight: Flight, axis: float) -> Array:
    """A road with kerbs and markings, or a dirt path; returns where it is."""
    patch = canvas.everywhere(*_somewhere(rng, canvas), axis)
    across = patch.v + rng.uniform(-0.02, 0.02) * patch.u**2
    width, paved = rng.uniform(2.5, 5.5), rng.random() < 0.85
    distance = np.abs(across) - width / 2
    if not paved:
        distance = distance + 0.15 * _noise(rng, canvas, 1.0)
    cover = canvas.cover(distance)
    _surface(rng, canvas, flight, patch, cover, Kind.PAVED if paved else Kind.SOIL, axis)
    if paved:
        kerb = canvas.cover(np.abs(distance) - 0.1) * 0.7
        canvas.tint(patch, kerb, KERB)
        canvas.label[kerb > 0.35] = Kind.PAVED
        if width > 3.5:
            dashes = canvas.cover(np.abs(across) - 0.07) * (np.mod(patch.u, 3.0) < 1.8)
            canvas.tint(patch, dashes * 0.8, MARKING)
    inside: Array = distance < 0.3
    return inside


def _water(rng: np.random.Generator, canvas: Canvas, flight: Flight) -> Array:
    """A pond, a stream or a walled canal; returns where it is."""
    x, y = rng.uniform(0.2, 0.8, 2) * canvas.side
    patch = canvas.everywhere(float(x), float(y), rng.uniform(0, np.pi))
    shape = rng.integers(3)
    wobble = 0.5 * _noise(rng, canvas, 2.5)
    if shape == 0:
        distance = np.hypot(patch.u * rng.uniform(0.6, 1), patch.v) - rng.uniform(2.2, 4.5) + wobble
    elif shape == 1:
        distance = np.abs(patch.v + 0.8 * np.sin(patch.u * 0.35)) - rng.uniform(1.3, 2.6) + wobble
    else:
        distance = np.abs(patch.v) - rng.uniform(1.5, 3.0)
        wall = canvas.cover(np.abs(distance - 0.2) - 0.2)
        canvas.paint(patch, wall, Kind.PAVED, flight.palette[Kind.PAVED][0] * 1.1, 0.1)
    _surface(rng, canvas, flight, patch, canvas.cover(distance), Kind.WATER, rng.uniform(0, np.pi))
    inside: Array = distance < 0.5
    return inside
