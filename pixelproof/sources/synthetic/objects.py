"""The objects that stand on the ground: each function paints one on the canvas."""

from __future__ import annotations

import numpy as np

from pixelproof.sources.synthetic.canvas import Array, Canvas, box, capsule, disc, grain, smooth_noise
from pixelproof.sources.synthetic.classes import Kind
from pixelproof.sources.synthetic.flights import SPOTS, Flight

GLASS = np.array([0.03, 0.04, 0.05], np.float32)
BLACK = np.array([0.03, 0.03, 0.03], np.float32)
WHITE = np.array([0.55, 0.55, 0.53], np.float32)
SKIN = np.array([0.35, 0.22, 0.15], np.float32)


def pick(rng: np.random.Generator, flight: Flight, kind: Kind, spread: float = 0.1) -> Array:
    """A random colour among those that a kind has on this flight."""
    colours = flight.palette[kind]
    colour: Array = colours[rng.integers(len(colours))] * np.float32(rng.normal(1, spread))
    return colour.clip(0.02, 0.6)


def roof(rng: np.random.Generator, canvas: Canvas, flight: Flight, x: float, y: float, angle: float) -> float:
    """A gabled, hipped, sloping or flat roof with rows of tiles; returns its radius in metres."""
    length, width = rng.uniform(4.0, 8.5), rng.uniform(3.2, 5.5)
    patch = canvas.patch(x, y, np.hypot(length, width) / 2 + 0.5, angle)
    distance = box(patch.u, patch.v, length, width)
    style = rng.choice(["gable", "gable", "hip", "slope", "flat"])
    pitch = 0.0 if style == "flat" else rng.uniform(0.35, 0.75)
    rise = width / 2 - np.abs(patch.v)
    if style == "hip":
        rise = np.minimum(rise, length / 2 - np.abs(patch.u))
    if style == "slope":
        rise, pitch = (width / 2 + patch.v) / 2, pitch * 0.8
    height = rng.uniform(2.6, 3.6) + pitch * rise
    rows, ribs = rng.uniform(0.4, 0.55), rng.random() < 0.35
    course = np.mod(patch.u if ribs else patch.v, rows) / rows
    line = (0.5 + 0.5 * np.cos(2 * np.pi * course)) * (0.3 if style == "flat" else 0.5)
    fine = 0.05 * grain(rng, patch.shape()) + 0.08 * smooth_noise(rng, patch.shape(), 14)
    spots = np.clip(smooth_noise(rng, patch.shape(), 10) - 0.8, 0, 0.6)[..., None]
    base = pick(rng, flight, Kind.ROOF)
    colour = (base + (np.array(SPOTS[Kind.ROOF], np.float32) - base) * spots) * (1 - line + fine).clip(0.3, 2)[
        ..., None
    ]
    cover, instance = canvas.cover(distance), canvas.new_instance()
    canvas.paint(patch, cover, Kind.ROOF, colour.astype(np.float32), height, instance)
    if style in ("gable", "hip"):
        canvas.tint(patch, cover * canvas.cover(np.abs(patch.v) - 0.1) * 0.5, pick(rng, flight, Kind.ROOF) * 1.3)
    if style == "flat":
        rim = cover * canvas.cover(-distance - 0.25)
        canvas.paint(patch, rim, Kind.ROOF, pick(rng, flight, Kind.ROOF) * 1.3, height + 0.3, instance)
    for _ in range(rng.integers(0, 4)):
        u, v = rng.uniform(-0.4, 0.4) * length, rng.uniform(-0.35, 0.35) * width
        part = cover * canvas.cover(box(patch.u - u, patch.v - v, rng.uniform(0.5, 1.2), rng.uniform(0.4, 0.9)))
        dark = rng.random() < 0.6
        canvas.paint(
            patch, part, Kind.ROOF, GLASS * 2 if dark else WHITE * 0.6, height + (0 if dark else 0.5), instance
        )
    return float(np.hypot(length, width) / 2)


def tree(rng: np.random.Generator, canvas: Canvas, flight: Flight, x: float, y: float) -> None:
    """A crown of several domes with a ragged edge."""
    radius, tall = rng.uniform(1.2, 2.4), rng.uniform(1.2, 2.2)
    patch = canvas.patch(x, y, radius * 1.8, 0)
    scale = 1 / canvas.metres_per_pixel
    ragged = 0.07 * smooth_noise(rng, patch.shape(), 0.8 * scale) + 0.03 * smooth_noise(
        rng, patch.shape(), 0.35 * scale
    )
    dome = np.full(patch.shape(), -1.0, np.float32)
    for _ in range(rng.integers(5, 10)):
        away, turn, r = radius * 0.65 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.4, 0.6)
        lobe = r - np.hypot(patch.u - away * np.cos(turn), patch.v - away * np.sin(turn))
        dome = np.maximum(dome, lobe)
    inside = dome + ragged * radius * 0.8
    leaves = 0.08 * grain(rng, patch.shape()) + 0.32 * smooth_noise(rng, patch.shape(), 0.25 * scale)
    colour = pick(rng, flight, Kind.TREE)
    shade = (0.85 + 0.35 * np.clip(inside / radius, 0, 1) + leaves).clip(0.3, 2)
    height = (
        tall + 1.3 * np.sqrt(np.clip(inside, 0, None) * radius) + 0.15 * smooth_noise(rng, patch.shape(), 0.5 * scale)
    )
    canvas.paint(patch, canvas.cover(-inside), Kind.TREE, colour * shade[..., None], height, canvas.new_instance())


def car(rng: np.random.Generator, canvas: Canvas, flight: Flight, x: float, y: float, angle: float) -> None:
    """A car or a van: body, glass all round, lamps."""
    van = rng.random() < 0.2
    length, width = (rng.uniform(4.8, 5.6), 2.0) if van else (rng.uniform(3.7, 4.7), rng.uniform(1.7, 1.9))
    patch = canvas.patch(x, y, length / 2 + 0.5, angle)
    body, instance, colour = (
        canvas.cover(box(patch.u, patch.v, length, width, 0.35)),
        canvas.new_instance(),
        pick(rng, flight, Kind.CAR),
    )
    fine = 1 + 0.04 * grain(rng, patch.shape())[..., None]
    canvas.paint(patch, body, Kind.CAR, colour * fine, 0.9 - 0.15 * (2 * patch.v / width) ** 2, instance)
    back, front = (-length * 0.47, length * 0.3) if van else (-length * 0.36, length * 0.2)
    middle, cabin = (back + front) / 2, front - back
    glass = body * canvas.cover(box(patch.u - middle, patch.v, cabin, width * 0.84, 0.25))
    canvas.paint(patch, glass, Kind.CAR, GLASS, 1.1, instance)
    top = body * canvas.cover(box(patch.u - middle + 0.1, patch.v, cabin - (0.8 if van else 1.25), width * 0.68, 0.2))
    canvas.paint(patch, top, Kind.CAR, colour * fine * 1.1, 1.9 if van else 1.45, instance)
    for side in (-1, 1):
        lamps = box(patch.u - length * 0.46, patch.v - side * width * 0.36, 0.25, 0.35)
        canvas.tint(patch, body * canvas.cover(lamps) * 0.8, WHITE)


def person(rng: np.random.Generator, canvas: Canvas, flight: Flight, x: float, y: float) -> None:
    """A person standing, seen from above and slightly from the side: legs, shoulders, head."""
    tall, facing = rng.uniform(1.5, 1.85), rng.uniform(0, 2 * np.pi)
    scale, (dx, dy) = 1 / canvas.metres_per_pixel, flight.lean
    lean, reach = float(np.arctan2(dy, dx)), float(np.hypot(dx, dy)) * tall
    instance, shirt, trousers = canvas.new_instance(), pick(rng, flight, Kind.PERSON), pick(rng, flight, Kind.PERSON)
    feet = canvas.patch(x, y, 1.5, lean)
    legs = canvas.cover(capsule(feet.u, feet.v, reach * 0.5, 0.28))
    canvas.paint(feet, legs, Kind.PERSON, trousers, 0.8, instance)
    chest = canvas.patch(x + dx * tall * 0.78 * scale, y + dy * tall * 0.78 * scale, 1.0, facing)
    shoulders = canvas.cover(box(chest.u, chest.v, 0.56, 0.95, 0.27))
    canvas.paint(chest, shoulders, Kind.PERSON, shirt, tall * 0.85, instance)
    for side in (-1, 1):
        arm = capsule(chest.u * np.float32(rng.choice([-1, 1])), chest.v - side * 0.42, rng.uniform(0.1, 0.4), 0.09)
        canvas.paint(chest, canvas.cover(arm), Kind.PERSON, SKIN if rng.random() < 0.5 else shirt, tall * 0.7, instance)
    top = canvas.patch(x + dx * tall * scale, y + dy * tall * scale, 0.6)
    hair = (BLACK, SKIN * 0.5, SKIN, WHITE)[rng.integers(4)]
    canvas.paint(top, canvas.cover(disc(top.u, top.v, 0.2)), Kind.PERSON, hair, tall, instance)


def obstacle(rng: np.random.Generator, canvas: Canvas, flight: Flight, x: float, y: float, angle: float) -> None:
    """What a drone must not land on: a crate, a rock, a barrier, a bin or a log."""
    OBSTACLES[rng.integers(len(OBSTACLES))](rng, canvas, flight, x, y, angle)


def _crate(rng: np.random.Generator, canvas: Canvas, flight: Flight, x: float, y: float, angle: float) -> None:
    length, width = rng.uniform(1.4, 2.0), rng.uniform(1.1, 1.5)
    patch = canvas.patch(x, y, 1.5, angle)
    planks = np.mod(patch.v, 0.3) < 0.08
    colour = pick(rng, flight, Kind.OBSTACLE) * np.where(planks, 0.55, 1.1)[..., None].astype(np.float32)
    canvas.paint(
        patch, canvas.cover(box(patch.u, patch.v, length, width)), Kind.OBSTACLE, colour, rng.uniform(0.6, 1.2)
    )


def _rock(rng: np.random.Generator, canvas: Canvas, flight: Flight, x: float, y: float, angle: float) -> None:
    radius = rng.uniform(0.65, 1.0)
    patch = canvas.patch(x, y, 1.5, angle)
    lumps = 0.15 * smooth_noise(rng, patch.shape(), 0.5 / canvas.metres_per_pixel)
    inside = radius - np.hypot(patch.u * rng.uniform(0.7, 1), patch.v) + lumps
    colour = pick(rng, flight, Kind.OBSTACLE) * (1 + 0.12 * grain(rng, patch.shape())).clip(0.4, 2)[..., None]
    height = 1.1 * np.sqrt(np.clip(inside, 0.01, None) * radius) + 0.5 * lumps
    canvas.paint(patch, canvas.cover(-inside), Kind.OBSTACLE, colour, height)


def _barrier(rng: np.random.Generator, canvas: Canvas, flight: Flight, x: float, y: float, angle: float) -> None:
    length = rng.uniform(1.8, 3.2)
    patch = canvas.patch(x, y, 2.5, angle)
    other = WHITE if rng.random() < 0.5 else pick(rng, flight, Kind.OBSTACLE)
    colour = np.where((np.mod(patch.u, 0.9) < 0.45)[..., None], pick(rng, flight, Kind.OBSTACLE), other)
    canvas.paint(patch, canvas.cover(box(patch.u, patch.v, length, 0.7)), Kind.OBSTACLE, colour, 0.9)


def _bin(rng: np.random.Generator, canvas: Canvas, flight: Flight, x: float, y: float, angle: float) -> None:
    patch, colour = canvas.patch(x, y, 1.2, angle), pick(rng, flight, Kind.OBSTACLE)
    radius = rng.uniform(0.55, 0.75)
    canvas.paint(patch, canvas.cover(disc(patch.u, patch.v, radius)), Kind.OBSTACLE, colour, 1.1)
    canvas.tint(patch, canvas.cover(disc(patch.u, patch.v, radius * 0.55)), colour * 0.45)


def _log(rng: np.random.Generator, canvas: Canvas, flight: Flight, x: float, y: float, angle: float) -> None:
    length, radius = rng.uniform(1.8, 3.0), rng.uniform(0.38, 0.5)
    patch = canvas.patch(x, y, 4.0, angle)
    distance = capsule(patch.u + length / 2, patch.v, length, radius)
    colour = pick(rng, flight, Kind.OBSTACLE) * (1 + 0.2 * np.sin(patch.v * 40))[..., None].astype(np.float32)
    canvas.paint(
        patch, canvas.cover(distance), Kind.OBSTACLE, colour, np.sqrt(np.clip(-distance * radius, 0.01, None)) * 2
    )


OBSTACLES = (_crate, _rock, _barrier, _bin, _log)
