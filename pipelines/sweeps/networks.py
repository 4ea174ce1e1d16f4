"""What tells networks apart beside their scores: what they are, how they get back to full size, small objects, cost.

What a network is follows from its resolved config (data/configs/ARCH.json), and the numbers from what evaluate wrote of
validation. Nothing here is an input of a stage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.compare.runs import folder
from pipelines.compare.significance import GATE_SPLIT
from pipelines.compare.store import Outputs

CONFIGS = "data/configs"
METRICS, COST = FILES = ("metrics.json", "cost.json")  # of a seed
CLUSTERING = "KMeansSegmentor"
UNPOOLING = {"DeconvNetHead", "SegNetHead", "SegNetBasicHead"}


@dataclass(frozen=True)
class Network:
    """What is known of a network of a point; of several seeds, numbers are means."""

    kind: str = ""  # what it learns: classes alone (semantic), objects (instance), or both (panoptic)
    rising: str = ""  # what brings its maps back to the size of the image
    small: float | None = None  # the share of small true objects that it finds
    ap50: float | None = None
    pq: float | None = None
    parameters: int | None = None
    flops: int | None = None  # for one image

    @property
    def tells_objects_apart(self) -> bool:
        """Whether it learns objects, and not classes alone."""
        return self.kind in ("instance", "panoptic")


UNKNOWN = Network()


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    heading: str
    of: Callable[[Network], str]
    words: bool = False


COLUMNS = (
    Column("type", lambda network: network.kind, words=True),
    Column("up-sampling", lambda network: network.rising, words=True),
    Column("small objects found", lambda network: _share(network.small)),
    Column("AP50", lambda network: _share(network.ap50)),
    Column("PQ", lambda network: _share(network.pq)),
    Column("weights", lambda network: _count(network.parameters)),
    Column("GMACs", lambda network: "" if network.flops is None else f"{network.flops / 2e9:.3f}"),
)


def columns(networks: Sequence[tuple[str, Network]]) -> list[Column]:
    """Those that tell networks of several architectures apart; none where there is but one architecture.

    Args:
        networks: Of each row of the table, its architecture and what is known of it.
    """
    if len({architecture for architecture, _ in networks}) < 2:
        return []
    return [column for column in COLUMNS if len({column.of(network) for _, network in networks}) > 1]


def network_of(outputs: Outputs, name: str, seeds: Sequence[int]) -> Network:
    """What a revision's outputs say of an architecture; what they do not say stays unknown."""
    folders = [folder(name, seed) for seed in seeds]
    outputs.fetch([(CONFIGS, f"{name}.json"), *((each, file) for each in folders for file in FILES)])
    config = _read(outputs, CONFIGS, f"{name}.json")
    scores = [_read(outputs, each, METRICS) for each in folders]
    costs = [_read(outputs, each, COST) for each in folders]

    def mean(*keys: str) -> float | None:
        known = [value for found in scores if (value := _number(found, GATE_SPLIT, *keys)) is not None]
        return sum(known) / len(known) if known else None

    model = config.get("model")
    return Network(
        kind=kind_of(config) if model else "",
        rising=rising_of(model) if model else "",
        small=mean("sizes", "small", "recall"),
        ap50=mean("instances", "mask", "AP50"),
        pq=mean("instances", "panoptic", "PQ"),
        parameters=_whole(costs, "parameters"),
        flops=_whole(costs, "flops"),
    )


def kind_of(config: Mapping[str, Any]) -> str:
    """What a network learns, by its resolved config."""
    if config["model"].get("type") == CLUSTERING:
        return "clustering"
    return str(config.get("task", "semantic"))


def rising_of(model: Mapping[str, Any]) -> str:
    """What brings the maps of a network back to the size of the image, by the types in its resolved config.

    Where nothing says otherwise it is bilinear interpolation, with which every head of MMSegmentation ends.
    """
    heads = model.get("decode_head") or {}
    head = heads[-1] if isinstance(heads, list) else heads
    if model.get("type") == CLUSTERING:
        return "none"
    if model.get("type") == "MaskRCNN":
        return "bilinear, masks transposed"
    if head.get("type") in UNPOOLING:
        return "unpooling"
    if head.get("type") == "FCNSkipHead" and len(head.get("in_channels") or ()) > 1:
        return "transposed, then bilinear"
    decoder = (model.get("backbone") or {}).get("upsample_cfg") or {}
    paper = head.get("type") == "UNetHead" and head.get("upsample", "transposed") == "transposed"
    return "transposed" if paper or decoder.get("type") == "DeconvModule" else "bilinear"


def _read(outputs: Outputs, path: str, name: str) -> dict[str, Any]:
    content = outputs.read(path, name) if outputs.is_folder(path) else None
    found = json.loads(content) if content else {}
    return found if isinstance(found, dict) else {}


def _number(found: Any, *keys: str) -> float | None:
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return float(found) if isinstance(found, (int, float)) else None


def _whole(costs: Sequence[Mapping[str, Any]], key: str) -> int | None:
    """A cost, which all seeds share."""
    found = next((value for each in costs if (value := _number(each, key)) is not None), None)
    return None if found is None else int(found)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _count(value: int | None) -> str:
    """In millions, as papers state it."""
    return "" if value is None else f"{value / 1e6:.2f} M"
