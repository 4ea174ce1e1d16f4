"""Policies by name: lists of steps, as they could stand in params.yaml."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from pixelproof.augmentation.steps import Step
from pixelproof.core.errors import nearest


def _flip(axis: str) -> dict[str, Any]:
    return {"name": "flip", "p": 0.5, "axis": axis}


def _color(p: float, by: float) -> dict[str, Any]:
    return {"name": "color", "p": p, "brightness": by, "contrast": by, "saturation": by}


def _objects(order: str, p: float) -> list[dict[str, Any]]:
    any_size: dict[str, Any] = {"p": p, "area": 0.1}
    return [
        {"name": "remove_object", **any_size},
        {"name": "move_object", "distance": 0.3, "order": order, **any_size},
        {"name": "scale_object", "smallest": 0.8, "largest": 1.25, "order": order, **any_size},
        {"name": "turn_object", "degrees": 180.0 if order == "front" else 10.0, "order": order, **any_size},
        {"name": "paste", "smallest": 0.8, "largest": 1.25, "count": 3, "order": order, **any_size},
    ]


ASIDE, UPSIDE = _flip("horizontal"), _flip("vertical")
WIDE: dict[str, Any] = {"name": "scale", "p": 1.0, "smallest": 0.5, "largest": 2.0, "rare": 0.25}
NARROW: dict[str, Any] = {**WIDE, "smallest": 0.7, "largest": 1.4}
LIGHT: dict[str, list[dict[str, Any]]] = {
    "weak": [_color(0.5, 0.3), {"name": "hue", "p": 0.2, "degrees": 10.0}, {"name": "gamma", "p": 0.2, "by": 0.3}],
    "strong": [
        _color(0.8, 0.5),
        {"name": "hue", "p": 0.5, "degrees": 20.0},
        {"name": "gamma", "p": 0.4, "by": 0.6},
        {"name": "lighting", "p": 0.3, "std": 0.1},
    ],
}
CAMERA: list[dict[str, Any]] = [
    {"name": "blur", "p": 0.1, "sigma": 1.5},
    {"name": "noise", "p": 0.1, "std": 0.03},
    {"name": "jpeg", "p": 0.1, "quality": 50},
]
ALL_ROUND: dict[str, Any] = {"name": "rotate", "p": 0.5, "degrees": 180.0}
POLICIES: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "flip": [ASIDE],
    "geometry": [
        WIDE,
        ASIDE,
        {"name": "rotate", "p": 0.3, "degrees": 10.0},
        {"name": "perspective", "p": 0.3, "shift": 0.1},
    ],
    "colour": [*LIGHT["strong"], *CAMERA],
    "street": [WIDE, ASIDE, {"name": "rotate", "p": 0.2, "degrees": 5.0}, *LIGHT["weak"], *CAMERA],
    "aerial": [NARROW, ASIDE, UPSIDE, ALL_ROUND, *LIGHT["weak"], *CAMERA],
    "cells": [
        NARROW,
        ASIDE,
        UPSIDE,
        ALL_ROUND,
        *LIGHT["strong"],
        {"name": "blur", "p": 0.2, "sigma": 2.0},
        {"name": "noise", "p": 0.2, "std": 0.05},
    ],
    "objects": [*_objects("front", 0.3), ASIDE],
    "strong": [
        *_objects("ground", 0.2),
        {**WIDE, "rare": 0.5},
        ASIDE,
        {"name": "rotate", "p": 0.3, "degrees": 15.0},
        {"name": "perspective", "p": 0.2, "shift": 0.1},
        *LIGHT["strong"],
        {"name": "shuffle_channels", "p": 0.05},
        *CAMERA,
        {"name": "cutout", "p": 0.3, "count": 3, "side": 0.25},
    ],
}


def _by_name(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in POLICIES:
        raise ValueError(f"allowed: a list of steps, or {', '.join(POLICIES)}{nearest(value, POLICIES)}")
    return POLICIES[value]


Policy = Annotated[list[Step], BeforeValidator(_by_name)]
