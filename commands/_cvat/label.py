"""Labels a task with a trained network, by way of the SDK's auto-annotation, for people to correct."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from cvat_sdk.auto_annotation import DetectionFunctionContext, DetectionFunctionSpec, annotate_task, label_spec, shape
from cvat_sdk.core.client import Client
from cvat_sdk.datasets.caching import UpdatePolicy, make_cache_manager
from cvat_sdk.datasets.task_dataset import TaskDataset

from commands._cvat.reading import Reading
from commands._cvat.scratch import scratch
from commands._cvat.server import connected, transport_of
from commands._cvat.shapes import Counts, Rules, draw, draw_objects
from commands._cvat.transport import Patience
from commands._images import pixels_of, window_of
from commands._predict import Way, own_objects, predict, way_of
from commands._trained import find_all
from pixelproof.core.errors import StateError
from pixelproof.core.params import load
from pixelproof.core.progress import Progress, say
from pixelproof.data.dataset import Header
from pixelproof.scoring.instances import painted
from stages.evaluate.params import Params
from stages.evaluate.predict import Prediction

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

    def __init__(
        self, way: Way, header: Header, known: Sequence[int], rules: Rules, content: Callable[[str], bytes]
    ) -> None:
        """Know the classes that are labels of the task as well.

        Args:
            way: how images are passed through the network.
            header: its classes.
            known: the ids of those to draw.
            rules: how to draw.
            content: the file of the frame of a name.
        """
        self.way, self.rules, self.content, self.window = way, rules, content, window_of(header)
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
            image: Pillow's, which holds 8 bits of 16: the file is read instead, as `predict` reads it.

        Returns:
            The SDK's shapes.

        Raises:
            DataError: the network cannot see the image.
        """
        self.frames += 1
        if self.progress:
            self.progress.show(self.frames)
        if context.frame_name in self.skipped:
            return []
        pixels = pixels_of(context.frame_name, self.content(context.frame_name), self.window)
        path = Path(context.frame_name)
        seen, own = predict(self.way, pixels, path), own_objects(self.way, pixels, path)
        if own is None:
            shapes = draw(seen, self.things, self.stuff, self.rules, self.counts)
        else:
            over = Prediction(*painted(seen.labels, seen.certainty, own))
            shapes = draw(over, (), self.stuff, self.rules, self.counts)
            shapes += draw_objects(own, self.things, self.rules, self.counts)
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
    with scratch() as cache, connected(cache, patience) as client:
        task = client.tasks.retrieve(request.task)
        if not task.size:
            raise StateError(f"task {task.id}", "it has no frames", "upload images to it in CVAT")
        if (task.mode, task.dimension) != ("annotation", "2d"):
            fix = "upload the frames to label as images, in a task of their own"
            raise StateError(f"task {task.id}", "it holds a video or point clouds, not images", fix)
        present = _present(task, request.replace)
        known = _known(trained[0].header, task, request.rules.kind)
        dataset = _downloaded(client, task.id)
        way, content = way_of(trained, params, params.evaluate), _content(client, task, dataset)
        labeller = Labeller(way, trained[0].header, known, request.rules, content)
        labeller.skipped |= {each.frame_name for each in dataset.samples if each.frame_index in present.labelled}
        labeller.progress = Progress("frames predicted", len(dataset.samples))
        if request.dry_run:
            _count(labeller, Reading(task.id).iter(dataset.samples))
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
        for part in (track, *getattr(track, "elements", ())):  # of a skeleton
            labelled |= _shown(part.shapes, task.size)
    return Present(automatic, labelled)


def _shown(shapes: Sequence[Any], size: int) -> set[int]:
    """The frames of a task of this size on which a track is visible: from each keyframe to the next, unless outside."""
    keys = sorted(shapes, key=lambda each: int(each.frame))
    ends = [*(each.frame for each in keys[1:]), size]
    return {frame for key, end in zip(keys, ends, strict=False) if not key.outside for frame in range(key.frame, end)}


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


def _content(client: Client, task: Any, dataset: Any) -> Callable[[str], bytes]:
    """Reads the file of a frame, by its name, from what the SDK has downloaded."""
    chunks = make_cache_manager(client, UpdatePolicy.IF_MISSING_OR_STALE).chunk_dir(task.id)
    numbers = {each.frame_name: each.frame_index for each in dataset.samples}

    def content(name: str) -> bytes:
        chunk, place = divmod(numbers[name], task.data_chunk_size)
        with zipfile.ZipFile(chunks / f"{chunk}.zip") as archive:
            return archive.read(archive.infolist()[place])

    return content


def _count(labeller: Labeller, samples: Iterable[Any]) -> None:
    for sample in samples:
        context = Context(sample.frame_name, labeller.rules.threshold, labeller.rules.kind == "polygon")
        labeller.detect(context, sample.media.load_image())


def _upload(client: Client, task: Any, labeller: Labeller, present: Present) -> None:
    """Add the new shapes, and only then remove those they replace: a failure in between loses nothing."""
    threshold, polygons = labeller.rules.threshold, labeller.rules.kind == "polygon"
    how = {"conf_threshold": threshold, "conv_mask_to_poly": polygons}
    annotate_task(client, task.id, labeller, pbar=Reading(task.id), **how)
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
