"""What an ONNX file has beside classes for a network that finds objects, and how its objects are read from that."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pixelproof.data.dataset import Header

CLASSES = ("logits", "classes")  # what the file of every network has


Arrays = Mapping[str, NDArray[Any]]  # the outputs of an image, by name


class Output(NamedTuple):
    """An output as the card tells it."""

    name: str
    kind: str
    shape: str
    what: str


class Object(NamedTuple):
    """An object as the card's lines give it."""

    label: int
    score: float
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class ObjectOutputs:
    """The outputs for objects.

    Attributes:
        module: From the maps of the encoder, and the logits of the padded image, to the outputs.
        outputs: Their names and meaning.
        things: The names of the classes that have objects, by id.
        thresholds: What decides that there is an object.
        said: The same in words.
        needs: The package that the lines need beside numpy.
        lines: Python that turns the outputs of an image, each under its name, into `objects`.
        translations: What stands for operators in ONNX, by operator.
        grouped: What the lines do, by the project's own functions, where objects follow from maps that are compared
            value by value. A centre at the edge may be the highest place or as high as its neighbour, by the last
            bit of a value: two computations of a map then have other objects, and of one they have the same.
    """

    module: nn.Module
    outputs: Sequence[Output]
    things: Mapping[int, str]
    thresholds: Mapping[str, float]
    said: str
    needs: str
    lines: str
    translations: Mapping[Any, Any] = field(default_factory=dict)
    grouped: Callable[[Arrays], list[Object]] | None = None

    @property
    def names(self) -> list[str]:
        """Of all outputs of the file, in their order."""
        return [*CLASSES, *(output.name for output in self.outputs)]

    @property
    def compared(self) -> list[str]:
        """Those that are compared with PyTorch's value by value; boxes are compared as objects."""
        return ["logits", *(output.name for output in self.outputs if self.grouped)]

    def facts(self) -> dict[str, str]:
        """What the file itself says of them: the names of its outputs, the classes of things, thresholds; as JSON."""
        found = {"outputs": self.names, "things": dict(self.things), "thresholds": dict(self.thresholds)}
        return {key: json.dumps(value) for key, value in found.items()}

    def read(self, outputs: Arrays) -> list[Object]:
        """The objects of an image, by the very lines that the card has."""
        import scipy

        place: dict[str, Any] = {"np": np, "scipy": scipy, **outputs}
        exec(compile(self.lines, "the card's lines", "exec"), place)
        return [Object(int(label), float(score), mask) for label, score, mask in place["objects"]]


class WithObjects(nn.Module):
    """A network with its preprocessing, as `Deployed`, and what its objects are read from.

    Args:
        model: The network.
        found: From the maps of its encoder, and the logits of the padded image, to the outputs for objects.
    """

    def __init__(self, model: Any, found: nn.Module) -> None:
        super().__init__()
        self.model, self.found = model, found

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Logits, class ids, and the outputs for objects, of uint8 RGB images (N, H, W, 3)."""
        height, width = image.shape[1:3]
        inputs = self.model.data_preprocessor({"inputs": image.permute(0, 3, 1, 2)}, False)["inputs"]
        maps = self.model.extract_feat(inputs)
        metas = [{"img_shape": tuple(inputs.shape[2:])}]  # one is enough, as in `logits_of`
        padded = self.model.decode_head.predict(maps, metas, self.model.test_cfg)
        logits = padded[..., :height, :width]
        return logits, logits.argmax(dim=1).to(torch.uint8), *self.found(maps, padded)


def object_outputs(model: Any, shape: tuple[int, int], header: Header) -> ObjectOutputs | None:
    """Those of a network for images of a height and width; None if it knows classes alone."""
    if not hasattr(model, "objects"):
        return None
    things = {info.id: info.name for info in header.classes if info.thing}
    if hasattr(model, "mask_head"):
        from commands._boxes_out import boxes

        return boxes(model, shape, things)
    from commands._centres_out import centres

    return centres(model, shape, things)
