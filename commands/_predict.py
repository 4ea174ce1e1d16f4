"""Predicts images one by one and writes masks, overlays and scores: all of them or nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from commands._csv import csv_text
from commands._cut_out import Scissors
from commands._geo import write_mask, write_polygons
from commands._images import check_image, names, read_photo, window_of
from commands._objects import Coco, enlarged, outlined, write_numbers
from commands._shown import Shown
from commands._trained import Trained, find_all
from pixelproof.core.errors import StateError
from pixelproof.core.files import whole_folder, write_bytes, write_json, write_text
from pixelproof.core.params import load
from pixelproof.core.progress import track
from pixelproof.data.dataset import Header
from pixelproof.data.images import Array, content_of, write_png
from pixelproof.data.resize import resize_image
from pixelproof.data.tiff import Place, place_of
from pixelproof.nn.build import class_logits
from pixelproof.nn.runtime import out_of_memory
from pixelproof.scoring.instances import Instance
from pixelproof.sources.pairs import slug
from stages.evaluate.detect import Detect, detector, jointly
from stages.evaluate.instances import Said, said_of
from stages.evaluate.params import Inference, Objects, Params
from stages.evaluate.predict import Prediction, Tiles, load_model, predictor, through
from stages.evaluate.slide import Image, Network
from stages.evaluate.together import together

OURS = {"masks", "overlays", "polygons", "instances", "objects.json", "cutouts", "probabilities", "scores.csv"}
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 90]


@dataclass(frozen=True)
class Request:
    """Where the masks go and how the network sees the images; None means the value in params.yaml."""

    out: Path
    size: Shown | None
    window: int | None
    stride: int | None
    geojson: bool = False
    objects: bool = False
    probabilities: bool = False
    cut_out: Sequence[str] = ()
    onto: Path | None = None


def predict_all(archs: Sequence[str], seeds: Sequence[int], paths: Sequence[Path], asked: Request) -> None:
    """Predict and write, with the networks of all these architectures and seeds, and of all their folds, together."""
    params = load("evaluate", Params)
    inference = windows(params.evaluate, asked.window, asked.stride)
    check_out(asked.out, [*paths, *([asked.onto] if asked.onto else [])])
    trained = [one for arch in archs for seed in seeds for one in find_all(arch, seed)]
    header = trained[0].header
    scissors = Scissors.of(asked.cut_out, asked.onto, header)
    window = window_of(header)
    for path in track(paths, "images checked", len(paths)):
        check_image(path, window)
    if asked.geojson and not any(place_of(content_of(path)) for path in paths):
        fix = "name GeoTIFFs with a coordinate system, or leave --geojson out"
        raise StateError("--geojson", "no image says where it lies", fix)
    if asked.objects and not any(info.thing for info in header.classes):
        raise StateError("--objects", "no class that is a thing", "leave it away, or mark classes as things")
    write(paths, way_of(trained, params, inference, asked.size), header, asked, scissors)
    said = f"; {len(trained)} networks, averaged" if len(trained) > 1 else ""
    print(f"wrote {len(paths)} masks, as many overlays, and scores.csv to {asked.out}{said}")


@dataclass(frozen=True)
class Way:
    """A network, or several that are averaged, and how images are passed through it."""

    network: Network
    inference: Inference
    tiles: Tiles | None
    shown: Shown
    detect: Detect | None
    objects: Objects
    things: list[int]  # the classes that have objects
    names: list[str]  # of all classes


def way_of(trained: Sequence[Trained], params: Params, inference: Inference, size: Shown | None = None) -> Way:
    """Trained networks with the overrides of `evaluate`; they see images as large as in training, or of this size.

    Of several, the probabilities are averaged at each pixel.
    """
    shape, overrides = params.prepare.shape, params.evaluate.overrides
    models = [
        load_model(one.config, one.weights, len(one.header.classes), params.compute, overrides.get(one.arch))
        for one in trained
    ]
    things = [info.id for info in trained[0].header.classes if info.thing]
    tiles = Tiles.of(shape, inference, params.evaluate.batch)
    return Way(
        together([partial(class_logits, model, compute=params.compute, device=on) for model, on in models]),
        inference,
        tiles,
        size or Shown.learnt(shape),
        jointly([detector(model, things, params.compute, on) for model, on in models]),
        params.evaluate.objects,
        things,
        trained[0].header.names(),
    )


def windows(inference: Inference, window: int | None, stride: int | None) -> Inference:
    """How the network sees images: as params.yaml says, except for windows given here."""
    side = window or inference.window
    step = stride or (max(1, side // 2) if window else inference.stride)
    if 0 < side < step:
        raise StateError("--stride", f"{step} is larger than the window, {side}", "every pixel must be in a window")
    return inference.model_copy(update={"window": side, "stride": step})


def check_out(out: Path, paths: Sequence[Path]) -> None:
    """An existing folder is replaced only if this command wrote it, and never if it holds an image to predict."""
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if (out.exists() and not out.is_dir()) or there - OURS or (there and "scores.csv" not in there):
        raise StateError(str(out), "it exists, and this command did not write it", "give --out another folder")
    for path in paths:
        if out.resolve() in path.resolve().parents:
            raise StateError(str(path), f"lies in {out}, which would be replaced", "give --out another folder")


def write(paths: Sequence[Path], way: Way, header: Header, asked: Request, scissors: Scissors | None = None) -> None:
    """Predict images one by one; the folder appears once all of them are written."""
    rows, out, window, coco = [], asked.out, window_of(header), Coco(header)
    work = zip(paths, names(paths), strict=True)
    try:
        with whole_folder(out) as folder:
            for path, name in track(work, "images predicted", len(paths)):
                image = read_photo(path, window)
                found = predict(way, image, path, folder / "probabilities" / name if asked.probabilities else None)
                of = objects_of(way, image, found, path) if asked.objects or way.detect else None
                found = Prediction(of.labels, of.certainty) if of else found
                picture = overlay(image, found.labels, header)
                if of:
                    picture = outlined(picture, of)
                    write_numbers(folder / "instances" / f"{name}.png", of)
                    coco.add(f"{name.as_posix()}{path.suffix}", of)
                write_masks(folder, name, found, header, place_of(content_of(path)), asked.geojson)
                write_bytes(folder / "overlays" / f"{name}.jpg", overlay_jpg(picture))
                if scissors:
                    scissors.write(folder / "cutouts" / f"{name}.png", image, found.labels)
                rows.append(scores(name, found, len(header.classes)))
            if coco.images:
                write_json(folder / "objects.json", coco.content())
            write_text(folder / "scores.csv", scores_csv(rows, header))
    except OSError as error:
        raise StateError(str(error.filename or out), str(error.strerror).lower(), "give --out another folder") from None


def write_masks(
    folder: Path, name: Path, found: Prediction, header: Header, place: Place | None, polygons: bool
) -> None:
    """Class ids as a PNG; of an image that lies somewhere as a GeoTIFF, with polygons if they are asked for."""
    if place is None:
        write_bytes(folder / "masks" / f"{name}.png", mask_png(found.labels, header))
        return
    write_mask(folder / "masks" / f"{name}.tif", found.labels, header, place)
    if polygons:
        write_polygons(folder / "polygons" / f"{name}.geojson", found, header, place)


def predict(way: Way, image: Image, path: Path, keep: Path | None = None) -> Prediction:
    """Predict the classes of an image at its own size, whatever size the network sees.

    With `keep`, the probability of each class is written there.
    """
    height, width = image.shape[:2]
    rows, columns = way.shown.of(height, width)
    with in_memory(path, rows, columns):
        if (rows, columns) == (height, width) and keep is None:
            found = predictor(way.network, way.inference, way.tiles)([image])
            return Prediction(found.labels[0], found.certainty[0])
        logits = through(way.network, way.inference, way.tiles)([resize_image(image, columns, rows)])
        probabilities = logits.float().softmax(dim=1)[0].cpu().numpy()
    if keep:
        for number, (name, plane) in enumerate(zip(way.names, probabilities, strict=True)):
            file = keep / f"{number:03}-{slug(name)}.png"
            write_png(file, np.rint(255 * resize_image(plane, width, height)).astype(np.uint8))
    return resized(probabilities, height, width)


def objects_of(way: Way, image: Image, found: Prediction, path: Path) -> Said:
    """Classes and objects of an image: those that the network finds, or what its classes say."""
    own = own_objects(way, image, path)
    return said_of(found.labels, found.certainty, own, way.things, way.objects)


def own_objects(way: Way, image: Image, path: Path) -> list[Instance] | None:
    """The objects that the network finds, as large as the image; None if it knows classes alone."""
    if way.detect is None:
        return None
    size = image.shape[0], image.shape[1]
    seen = way.shown.of(*size)
    with in_memory(path, *seen):
        (found,) = way.detect([resize_image(image, seen[1], seen[0])])
    return enlarged(found, seen, size)


@contextmanager
def in_memory(path: Path, rows: int, columns: int) -> Iterator[None]:
    """Say in one line that an image is too large for the memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise StateError(f"{path} at {columns}x{rows}", "out of memory", "give a smaller --size or --window") from None


def resized(probabilities: NDArray[np.float32], height: int, width: int) -> Prediction:
    """The most probable class after resizing probabilities (CHW), one class at a time to save memory."""
    labels, certainty = np.zeros((height, width), np.uint8), np.full((height, width), -1, np.float32)
    for index, plane in enumerate(probabilities):
        here = resize_image(plane, width, height)
        labels[here > certainty] = index
        np.maximum(certainty, here, out=certainty)
    return Prediction(labels, certainty)


def mask_png(labels: NDArray[np.uint8], header: Header) -> bytes:
    """Class ids as an indexed PNG with the class colours."""
    from PIL import Image as Pillow

    indexed = Pillow.fromarray(labels)
    indexed.putpalette(palette(header).tobytes())
    content = io.BytesIO()
    indexed.save(content, "PNG")
    return content.getvalue()


def overlay(image: Array, labels: NDArray[np.uint8], header: Header) -> Array:
    """The class colours blended with the image, half and half."""
    mixed: Array = cv2.addWeighted(image, 0.5, palette(header)[labels], 0.5, 0)
    return mixed


def overlay_jpg(picture: Array) -> bytes:
    """The picture as a JPEG."""
    try:
        return bytes(cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), QUALITY)[1].tobytes())
    except cv2.error:  # the format's limit is 65,535 pixels a side
        found = f"a JPEG cannot have {picture.shape[1]}x{picture.shape[0]} pixels"
        raise StateError("an overlay", found, "cut the image into tiles") from None


def palette(header: Header) -> NDArray[np.uint8]:
    """The class colours by id."""
    return np.array([info.color for info in header.classes], np.uint8)


def scores(name: Path, found: Prediction, classes: int) -> list[str]:
    """A row of scores.csv."""
    height, width = found.labels.shape
    shares = np.bincount(found.labels.ravel(), minlength=classes) / found.labels.size
    certainty = found.certainty.mean(dtype=np.float64)
    return [name.as_posix(), str(width), str(height), *(f"{number:.6f}" for number in (certainty, *shares))]


def scores_csv(rows: Sequence[Sequence[str]], header: Header) -> str:
    """The content of scores.csv."""
    return csv_text(["image", "width", "height", "certainty", *(f"share of {name}" for name in header.names())], rows)
