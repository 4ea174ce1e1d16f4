"""Steps of augmentation in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pixelproof.augmentation.policies import POLICIES
from stages.report.markdown import percent

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """A step of a policy, and its probability."""

    text: str
    share: float | None


def _times(s: Settings) -> str:
    return f"by {s['smallest']:g} to {s['largest']:g}"


def _change(what: str) -> Callable[[Settings], str]:
    return lambda s: f"{what} ±\u00a0{percent(s['by'])}"


WORDS: dict[str, Callable[[Settings], str]] = {
    "flip": lambda s: "flip: " + ("left to right" if s["axis"] == "horizontal" else "upside down"),
    "scale": lambda s: f"scale {_times(s)}, and crop or pad; {percent(s['rare'])} of crops are placed on rare classes",
    "rotate": lambda s: f"rotate by up to {s['degrees']:g}° either way; empty corners are ignored",
    "crop": lambda s: f"crop to at least {percent(s['area'])} of the area, and enlarge",
    "perspective": lambda s: f"perspective: corners move by up to {percent(s['shift'])} of a side",
    "grid_shuffle": lambda s: f"exchange the cells of a grid of {s['rows']} rows and {s['columns']} columns",
    "cutout": lambda s: f"ignore up to {s['count']} rectangles, which turn black",
    "color": lambda s: ", ".join(f"{key} ±\u00a0{percent(s[key])}" for key in ("brightness", "contrast", "saturation")),
    "brightness": _change("brightness"),
    "contrast": _change("contrast"),
    "saturation": _change("saturation"),
    "hue": lambda s: f"turn hues by up to {s['degrees']:g}° either way",
    "gamma": lambda s: f"gamma from 1 / {1 + s['by']:g} to {1 + s['by']:g}",
    "lighting": lambda s: f"lighting: noise along the colours' principal axes, standard deviation {s['std']:g}",
    "shuffle_channels": lambda s: "exchange the channels of colour",
    "noise": lambda s: f"Gaussian noise, standard deviation up to {percent(s['std'])} of the full range",
    "blur": lambda s: f"blur with a standard deviation of up to {s['sigma']:g} pixels",
    "jpeg": lambda s: f"JPEG of quality {s['quality']} to 95",
    "move_object": lambda s: f"move an object by up to {percent(s['distance'])} of the image's shorter side",
    "scale_object": lambda s: f"scale an object {_times(s)}, where it is",
    "turn_object": lambda s: f"turn an object by up to {s['degrees']:g}° either way, where it is",
    "remove_object": lambda s: "remove an object, and inpaint the hole",
    "paste": lambda s: f"paste up to {s['count']} objects of another image, scaled {_times(s)}",
}


def in_words(policy: str | list[dict[str, Any]]) -> list[Step]:
    """A policy's steps in words; a name stands for the steps that it has in this code.

    Example:
        >>> in_words([{"name": "hue", "p": 0.5, "degrees": 10.0}])
        [Step(text='turn hues by up to 10° either way', share=0.5)]
    """
    return [step(entry) for entry in (POLICIES.get(policy, [{"name": policy}]) if isinstance(policy, str) else policy)]


def step(entry: dict[str, Any]) -> Step:
    """A step in words; an unknown one by its settings."""
    settings = {key: value for key, value in entry.items() if key not in ("name", "p")}
    name = str(entry.get("name"))
    try:
        text = WORDS[name](settings)
    except (KeyError, TypeError, ValueError):
        text = ", ".join([name, *(f"{key} {value}" for key, value in settings.items())])
    return Step(text, entry.get("p"))
