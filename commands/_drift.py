"""Compares new images with those that a trained network can be judged by, and says how they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from commands._drifting.judge import ALIKE, LEAST, Floats, Shift, group_means, shifts, verdict
from commands._drifting.measures import CERTAINTY, DISTANCE, Eye, Seen, distances
from commands._images import check_image, find_images, read_photo, window_of
from commands._shown import Shown
from commands._trained import PREPARED, Trained, find
from pixelproof.core.errors import ExitCode, StateError
from pixelproof.core.files import write_json
from pixelproof.core.params import load
from pixelproof.core.progress import track
from pixelproof.core.table import markdown_table
from pixelproof.data.dataset import read_image, read_split
from pixelproof.data.images import Array
from pixelproof.data.resize import resize_image
from pixelproof.data.shape import Shape
from stages.evaluate.params import Params
from stages.evaluate.predict import load_model

JUDGING = ("val", "test")  # the network has not learnt from these
MOST = 400  # images of train whose features are compared with
MOST_TILES = 8  # of a large image


@dataclass(frozen=True)
class Request:
    """Which images, which network, and where the numbers go."""

    images: Sequence[str]
    folder: Path
    arch: str
    seed: int
    out: Path | None


@dataclass(frozen=True)
class Images:
    """What the network sees of some images, and the group of each."""

    seen: list[Seen]
    groups: list[str]


def drift(asked: Request) -> ExitCode:
    """Compare, print a table, and return what it comes to."""
    params, trained = load("evaluate", Params), find(asked.arch, asked.seed)
    paths = find_images(asked.images, asked.folder)
    window = window_of(trained.header)
    for path in track(paths, "images checked", len(paths)):
        check_image(path, window)
    eye = _eye(trained, params)
    known = _known(eye)
    alone = len(set(known.groups)) == len(known.groups)
    names = _groups(paths, alone)
    new = Images([], [])
    for path, name in track(zip(paths, names, strict=True), "images seen", len(paths)):
        for view in views(read_photo(path, window), params.prepare.shape):
            new.seen.append(eye.see(view))
            new.groups.append(name)
    found = _compared(eye, known, new)
    code = verdict(found, [shift.name for shift in found if shift.name in (DISTANCE, CERTAINTY)])
    _tell(found, code, known, new, len(paths))
    if asked.out:
        measures = [asdict(shift) | {"verdict": shift.verdict} for shift in found]
        write_json(asked.out, {"verdict": code.name.lower(), "measures": measures})
    return code


def _eye(trained: Trained, params: Params) -> Eye:
    header, overrides = trained.header, params.evaluate.overrides.get(trained.arch)
    model, device = load_model(trained.config, trained.weights, len(header.classes), params.compute, overrides)
    return Eye(model, device, params.compute, header.names())


def _known(eye: Eye) -> Images:
    """The images by which the network is judged.

    Raises:
        StateError: they are of too few groups.
    """
    samples = [(split, sample) for split in JUDGING for sample in read_split(PREPARED, split)]
    groups = [sample.group for _, sample in samples]
    if len(set(groups)) < LEAST:
        found = f"{len(set(groups))} groups in {' and '.join(JUDGING)}"
        raise StateError(str(PREPARED), found, f"{LEAST} or more show how much groups differ: label more of them")
    shown = track(samples, "known images seen", len(samples))
    return Images([eye.see(read_image(PREPARED, split, sample)) for split, sample in shown], groups)


def _learnt(eye: Eye) -> Floats:
    """The features of images that the network learnt from, evenly chosen where they are many."""
    samples = read_split(PREPARED, "train")
    chosen = [samples[number] for number in np.unique(np.linspace(0, len(samples) - 1, MOST).round().astype(int))]
    seen = [eye.see(read_image(PREPARED, "train", each)) for each in track(chosen, "learnt images seen", len(chosen))]
    return np.stack([each.features for each in seen if each.features is not None])


def _groups(paths: Sequence[Path], alone: bool) -> list[str]:
    """The group of each image: its folder; or itself, where that is so of the images that were labelled."""
    return [path.as_posix() if alone else path.parent.as_posix() for path in paths]


def views(image: Array, shape: Shape) -> Iterator[Array]:
    """An image as `prepare` shows images to the network: in some of its tiles, or as a whole."""
    height, width = image.shape[:2]
    if not shape.tiled:
        rows, columns = Shown.learnt(shape).of(height, width)
        yield resize_image(image, columns, rows)
        return
    corners = list(shape.grid.corners(height, width))
    for number in np.unique(np.linspace(0, len(corners) - 1, MOST_TILES).round().astype(int)):
        x, y = corners[number]
        yield np.ascontiguousarray(image[y : y + shape.grid.height, x : x + shape.grid.width])


def _compared(eye: Eye, known: Images, new: Images) -> list[Shift]:
    names, tables = list(eye.names), [np.stack([each.numbers for each in images.seen]) for images in (known, new)]
    features = [[each.features for each in images.seen if each.features is not None] for images in (known, new)]
    if all(features):
        learnt = _learnt(eye)
        names.append(DISTANCE)
        apart = [distances(np.stack(each), learnt) for each in features]
        tables = [np.column_stack([table, column]) for table, column in zip(tables, apart, strict=True)]
    before, after = (group_means(table, images.groups) for table, images in zip(tables, (known, new), strict=True))
    return shifts(names, before, after)


SAID = {
    ExitCode.GOOD: "alike: nothing differs, and what decides could not be far apart without being seen",
    ExitCode.WORSE: "something differs from what the network can be judged by: label some of them",
    ExitCode.CANNOT_TELL: "cannot tell: nothing differs that shows, but it could; images of more groups would tell",
}


def _tell(found: Sequence[Shift], code: ExitCode, known: Images, new: Images, images: int) -> None:
    rows = [_row(shift) for shift in sorted(found, key=lambda shift: shift.p)]
    head = ["measure", "known", "new", "shift in deviations between groups", "p (Holm)", "verdict"]
    print(*markdown_table(head, rows), sep="\n")
    counts = f"{images} images in {len(set(new.groups))} groups, beside {len(known.seen)} in {len(set(known.groups))}"
    print(f"\n{counts}; alike is less than {ALIKE:g} deviations.\n\n{SAID[code]}")


def _row(shift: Shift) -> list[str]:
    show = _share if shift.name.startswith("share of") else "{:.3f}".format
    apart = f"{shift.shift:+.1f} ({shift.low:+.1f} to {shift.high:+.1f})"
    return [shift.name, show(shift.before), show(shift.after), apart, f"{shift.p:.3f}", shift.verdict]


def _share(stretched: float) -> str:
    """The share that was stretched, for people."""
    return f"{100 * np.sin(stretched) ** 2:.1f} %"
