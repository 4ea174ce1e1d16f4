"""The graph of dvc.yaml as a picture: which stage reads what another one writes. Pure.

Stages are in layers, each to the right of all that it reads from. A line to the next layer is a plain curve; a longer
one has its own lane above the boxes (or below them, for a stage in the lower half).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

WIDTH, HEIGHT = 120, 44  # of a box
GAP, ROW = 34, 16  # between boxes: to the next layer, and within one
LANE, EDGE, ROUND = 13, 10, 7  # between lanes, around it all, of a lane's corners
CODE = ("pixelproof", "stages")  # the folders of code that a stage can depend on
LETTERS = 13  # of a name that a box has room for; fewer by RUNS next to a number of runs
RUNS = 4


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml; `runs` is the number of runs of its matrix: None without a matrix, or if unknown."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    matrix: bool
    runs: int | None

    @property
    def data(self) -> list[str]:
        """What it reads, except code."""
        return [read for read in self.reads if read.split("/")[0] not in CODE]

    @property
    def code(self) -> int:
        """How many folders and files of code it names."""
        return len(self.reads) - len(self.data)


@dataclass(frozen=True)
class Box:
    """A stage and its position: that of its upper left corner."""

    stage: Stage
    x: float
    y: float

    @property
    def text(self) -> str:
        """Its name, as much of it as the box has room for."""
        name = self.stage.name
        place = LETTERS - RUNS if self.stage.matrix else LETTERS
        return name if len(name) <= place else name[: place - 1] + "…"


@dataclass(frozen=True)
class Drawing:
    """The boxes, the lines between them, and the size of it all."""

    boxes: list[Box]
    lines: list[str]
    width: float
    height: float


def stages_of(graph: dict[str, Any], params: dict[str, Any]) -> list[Stage]:
    """The stages of dvc.yaml in its order. A `${...}` in a path is kept as it is."""
    found = []
    for name, made in (graph.get("stages") or {}).items():
        over = made.get("matrix")
        counts = [count(values, params) for values in over.values()] if isinstance(over, dict) else []
        runs = prod(n for n in counts if n) if counts and all(counts) else None
        outs = [*made.get("outs", []), *made.get("metrics", []), *made.get("plots", [])]
        reads = tuple(map(path, made.get("deps", [])))
        found.append(Stage(str(name), reads, tuple(map(path, outs)), over is not None, runs))
    return found


def path(entry: Any) -> str:
    """The path of a dep or an out, which may have settings."""
    return str(next(iter(entry)) if isinstance(entry, dict) else entry)


def count(values: Any, params: dict[str, Any]) -> int | None:
    """How many values one side of a matrix has: a list, or the `${key}` of one in params."""
    if isinstance(values, str) and values.startswith("${") and values.endswith("}"):
        here: Any = params
        for key in values[2:-1].split("."):
            here = here.get(key) if isinstance(here, dict) else None
        values = here
    return len(values) if isinstance(values, (list, dict)) else None


def edges_of(stages: list[Stage]) -> list[tuple[int, int]]:
    """Pairs of stages by number: the second reads what the first writes, or a part or a parent folder of it."""
    numbers = range(len(stages))
    return [
        (one, other)
        for one in numbers
        for other in numbers
        if one != other and any(meet(out, dep) for out in stages[one].writes for dep in stages[other].reads)
    ]


def meet(out: str, dep: str) -> bool:
    """Whether two paths are equal, or one is inside the other."""
    return out == dep or out.startswith(f"{dep}/") or dep.startswith(f"{out}/")


def layers_of(count: int, edges: list[tuple[int, int]]) -> list[int]:
    """The layer of each stage: after all it reads from; one that reads from none is just before its reader."""
    layers = [0] * count
    for _ in range(count):  # as often as the longest chain could need
        for one, other in edges:
            layers[other] = max(layers[other], min(layers[one] + 1, count - 1))
    for number in set(range(count)) - {other for _, other in edges}:
        readers = [layers[other] for one, other in edges if one == number]
        layers[number] = min(readers, default=1) - 1
    return layers


def draw(stages: list[Stage]) -> Drawing:
    """The position of each box, and the lines between them."""
    edges = edges_of(stages)
    layers = layers_of(len(stages), edges)
    columns = [[n for n, layer in enumerate(layers) if layer == i] for i in range(max(layers, default=0) + 1)]
    middle = {n: i - (len(column) - 1) / 2 for column in columns for i, n in enumerate(column)}
    long = [(one, other) for one, other in edges if layers[other] - layers[one] > 1]
    above = sorted({one for one, _ in long if middle[one] <= 0}, key=lambda n: (layers[n], middle[n]))
    below = sorted({one for one, _ in long if middle[one] > 0}, key=lambda n: (layers[n], -middle[n]))
    top = EDGE + LANE * len(above)
    tallest = max(map(len, columns), default=1)
    high = tallest * (HEIGHT + ROW) - ROW
    centre = top + (LANE if above else 0) / 2 + high / 2
    boxes = [
        Box(stage, EDGE + layers[n] * (WIDTH + GAP), centre + middle[n] * (HEIGHT + ROW) - HEIGHT / 2)
        for n, stage in enumerate(stages)
    ]
    bottom = centre + high / 2
    lanes: dict[int, float] = {n: EDGE + LANE * i for i, n in enumerate(above)}
    lanes |= {n: bottom + LANE * (len(below) - i) for i, n in enumerate(below)}
    lines = [short(boxes[one], boxes[other]) for one, other in edges if (one, other) not in long]
    for other in range(len(boxes)):
        lines += entering(other, long, boxes, lanes)
    width = max((box.x + WIDTH for box in boxes), default=0) + EDGE
    return Drawing(boxes, lines, width, bottom + LANE * len(below) + EDGE)


def short(one: Box, other: Box) -> str:
    """A curve from the right of one box to the left of the next."""
    x, y, to_x, to_y = one.x + WIDTH, one.y + HEIGHT / 2, other.x, other.y + HEIGHT / 2
    half = (to_x - x) / 2
    return f"M{x:g} {y:g}C{x + half:g} {y:g} {to_x - half:g} {to_y:g} {to_x:g} {to_y:g}"


def entering(other: int, long: list[tuple[int, int]], boxes: list[Box], lanes: dict[int, float]) -> list[str]:
    """The long lines into a box, side by side: the outermost lane comes in last, so that they do not cross."""
    box = boxes[other]
    lines = []
    for up in (True, False):
        ones = [one for one, to in long if to == other and (lanes[one] < boxes[one].y) == up]
        ones.sort(key=lambda one: lanes[one], reverse=up)
        for i, one in enumerate(ones):
            to_x = box.x + WIDTH * 0.64 * (i + 1) / (len(ones) + 1)
            lines.append(lane(boxes[one], to_x, box.y if up else box.y + HEIGHT, lanes[one], up))
    return lines


def lane(one: Box, to_x: float, to_y: float, at: float, up: bool) -> str:
    """Out of a box at its upper (or lower) right, along a lane, and to a point: right angles with round corners."""
    x, y = one.x + WIDTH * 0.82, one.y if up else one.y + HEIGHT
    turn = ROUND if up else -ROUND
    return (
        f"M{x:g} {y:g}V{at + turn:g}Q{x:g} {at:g} {x + ROUND:g} {at:g}"
        f"H{to_x - ROUND:g}Q{to_x:g} {at:g} {to_x:g} {at + turn:g}V{to_y:g}"
    )
