"""Several networks as one: their probabilities are averaged, pixel by pixel, as over views of an image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from stages.evaluate.slide import Image, Network

if TYPE_CHECKING:
    import torch


def together(networks: Sequence[Network]) -> Network:
    """The logarithms of the mean probabilities, to be used as logits: their softmax is the mean; one stays as it is."""
    return networks[0] if len(networks) == 1 else partial(_averaged, networks)


def _averaged(networks: Sequence[Network], images: list[Image]) -> torch.Tensor:
    total = networks[0](images).float().softmax(dim=1)
    for network in networks[1:]:
        total += network(images).float().softmax(dim=1)
    return (total / len(networks)).log()
