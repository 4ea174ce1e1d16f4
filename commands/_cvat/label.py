"""Labels a task with a trained network, by way of the SDK's auto-annotation, for people to correct."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import urllib3
from cvat_sdk.auto_annotation import DetectionFunctionContext, DetectionFunctionSpec, annotate_task, label_spec, shape
from cvat_sdk.core.client import Client
from cvat_sdk.datasets.task_dataset import TaskDataset
from PIL import ImageOps

from commands._cvat.server import connected, transport_of
from commands._cvat.shapes import Counts, Rules, draw
from commands._cvat.transport import Patience
from commands._images import CONVERT, unsuitable
from commands._predict import Way, predict, way_of
from commands._trained import find_all
from pixelproof.core.errors import DataError, StateError
from pixelproof.core.params import load
from pixelproof.core.progress import Progress, say
from pixelproof.data.dataset import Header
from stages.evaluate.params import Params

AUTOMATIC = "auto"  # CVAT's word for the source of a shape that no person drew


@dataclass(frozen=True)
class Request:
    """Which task, by which network, and whether to do it again or only to count."""

    task: int
    arch: str
    seed: int
    rules: Rules
    replace: bool
    dry_run: bool


@dataclass(frozen=True)
class Present:
    """What a task holds already: the ids of automatic shapes, and the frames that people have labelled."""

    automatic: list[int]
    labelled: set[int]


@dataclass(frozen=True, slots=True)  # slots: else the properties would stay abstract
class Context(DetectionFunctionContext):  # type: ignore[misc]
    """What the SDK tells a function about a frame, for a run without the SDK's upload."""

    frame_name: str
    conf_threshold: float
    conv_mask_to_poly: bool


class Labeller:
    """The network as the SDK's auto-annotation calls it."""

    def __init__(self, way: Way, header: Header, known: Sequence[int], rules: Rules) -> None:
        """Know the classes that are labels of the task as well.

        Args:
            way: how images are passed through the network.
            header: its classes.
            known: the ids of those to draw.
            rules: how to draw.
        """
        self.way, self.rules = way, rules
        self.things = {number for number in known if header.classes[number].thing}
        self.stuff = {*known} - self.things
        self.spec = DetectionFunctionSpec(labels=[label_spec(header.classes[n].name, n) for n in known])
        self.counts, self.skipped = Counts(), set[str]()
        self.progress: Progress | None = None
        self.frames = 0

    def detect(self, context: Any, image: Any) -> list[Any]:
        """The shapes of a frame.

        Args:
            context: says which frame it is.
            image: Pillow's.

        Returns:
            The SDK's shapes.

        Raises:
            DataError: the image has more than 8 bits per channel.
        """
        self.frames += 1
        if self.progress:
            self.progress.show(self.frames)
        if context.frame_name in self.skipped:
            return []
        if found := unsuitable(image):
            raise DataError(context.frame_name, "one image of 8 bits per channel, grey or RGB", found, CONVERT)
        pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        found_here = predict(self.way, pixels, Path(context.frame_name))
        shapes = draw(found_here, self.things, self.stuff, self.rules, self.counts)
        return [shape(each.label, type=self.rules.kind, points=each.points, score=each.score) for each in shapes]


def label(request: Request, patience: Patience | None = None) -> None:
    """Predict the frames of a task that nobody has labelled, and upload the shapes.

    Args:
        request: what to do.
        patience: with the server.

    Raises:
        StateError: the server, the task or the network is not as it should be.
        DataError: a frame is not an image that the network can see.
    """
    params, trained = load("evaluate", Params), find_all(request.arch, request.seed)
    with tempfile.TemporaryDirectory() as cache, connected(Path(cache), patience) as client:
        task = client.tasks.retrieve(request.task)
        if (task.mode, task.dimension) != ("annotation", "2d"):
            fix = "upload the frames to label as images, in a task of their own"
            raise StateError(f"task {task.id}", "it holds a video or point clouds, not images", fix)
        present = _present(task, request.replace)
        known = _known(trained[0].header, task, request.rules.kind)
        dataset = _downloaded(client, task.id)
        labeller = Labeller(way_of(trained, params, params.evaluate), trained[0].header, known, request.rules)
        labeller.skipped |= {each.frame_name for each in dataset.samples if each.frame_index in present.labelled}
        labeller.progress = Progress("frames predicted", len(dataset.samples))
        if request.dry_run:
            _count(labeller, dataset)
        else:
            _upload(client, task, labeller, present)
        _tell(task, labeller, trained[0].header, request.dry_run)


def _present(task: Any, replace: bool) -> Present:
    """What is there; an error if that would be added a second time."""
    there = task.get_annotations()
    automatic = [each.id for each in there.shapes if each.source == AUTOMATIC]
    if automatic and not replace:
        fix = "--replace puts new ones in their place; what people drew stays"
        raise StateError(f"task {task.id}", f"it holds {len(automatic)} automatic shapes already", fix)
    labelled = {each.frame for each in (*there.shapes, *there.tags) if each.source != AUTOMATIC}
    for track in there.tracks:
        keys = [each.frame for each in track.shapes]
        labelled |= {*range(min(keys), max(keys) + 1)} if keys else set()
    return Present(automatic, labelled)


def _known(header: Header, task: Any, kind: str) -> list[int]:
    """The classes that are labels of the task, by name; the others are told."""
    types = {each.name: str(getattr(each, "type", "any")) for each in task.get_labels()}
    known = [number for number, name in enumerate(header.names()) if name in types]
    missing = [name for name in header.names() if name not in types]
    if not known:
        expected = f"expected one of {', '.join(header.names())}, found {', '.join(types) or 'none'}"
        raise StateError(f"task {task.id}: labels", expected, "add them in CVAT, under the same names")
    for name in (header.names()[number] for number in known):
        if types[name] not in ("any", kind):
            found = f"expected the type {kind} or any, found {types[name]}"
            raise StateError(
                f"task {task.id}: label {name!r}", found, "set its type to any in CVAT, or give another --as"
            )
    if missing:
        say(f"not drawn, as task {task.id} has no label of this name: {', '.join(missing)}")
    return known


def _downloaded(client: Client, task: int) -> Any:
    """The frames; those that arrived before a connection broke are kept."""
    patience, failures = transport_of(client).patience, 0
    while True:
        try:
            return TaskDataset(client, task, load_annotations=False)
        except urllib3.exceptions.HTTPError:
            failures += 1
            if failures >= patience.attempts:
                raise StateError(f"task {task}", "the connection broke again and again", "try again later") from None
            say(f"task {task}: the connection broke; going on in {patience.pause(failures):g} s")
            time.sleep(patience.pause(failures))


def _count(labeller: Labeller, dataset: Any) -> None:
    for sample in dataset.samples:
        context = Context(sample.frame_name, labeller.rules.threshold, labeller.rules.kind == "polygon")
        labeller.detect(context, sample.media.load_image())


def _upload(client: Client, task: Any, labeller: Labeller, present: Present) -> None:
    """Add the new shapes, and only then remove those they replace: a failure in between loses nothing."""
    threshold, polygons = labeller.rules.threshold, labeller.rules.kind == "polygon"
    annotate_task(client, task.id, labeller, conf_threshold=threshold, conv_mask_to_poly=polygons)
    if present.automatic:  # without ids, the SDK removes everything
        task.remove_annotations(ids=present.automatic)


def _tell(task: Any, labeller: Labeller, header: Header, dry_run: bool) -> None:
    counts, rules, names = labeller.counts, labeller.rules, header.names()
    total, kinds = counts.drawn.total(), "masks" if rules.kind == "mask" else "polygons"
    by_class = ", ".join(f"{names[number]} {counts.drawn[number]}" for number in sorted(counts.drawn)) or "none"
    frames = labeller.frames - len(labeller.skipped)
    print(f"task {task.id}: {total} {kinds} {'counted' if dry_run else 'added'} in {frames} frames: {by_class}")
    print(f"left out: {counts.unsure} below {rules.threshold:g}, {counts.small} parts below {rules.min_area} pixels")
    if labeller.skipped:
        print(f"{len(labeller.skipped)} frames that people have labelled stay as they are")
