"""Converts labelled images to the canonical dataset: one image after the other, each checked before it is written."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pixelproof.core.errors import DataError, nearest
from pixelproof.core.files import whole_folder
from pixelproof.core.progress import say, track
from pixelproof.data.dataset import IGNORE, NOTES, UNSPLIT, ClassInfo, Header, Sample, SplitWriter, write_header
from pixelproof.data.images import Array, Files
from pixelproof.data.photos import REPLACE, Measured, NoWindowError, Window, measure
from pixelproof.data.remembered import Parts, Remembered
from stages.cvat import formats
from stages.cvat.archive import AGAIN, Export, open_export
from stages.cvat.digests import DIGITS, damaged
from stages.cvat.model import Annotated, Painted, Parsed
from stages.cvat.naming import Grouper, Key, ids_of, old_id, splits_of, task_group, task_of
from stages.cvat.params import IGNORED, Cvat
from stages.cvat.pixels import place, with_remedy
from stages.cvat.raster import Palette, draw, draw_painted
from stages.cvat.scale import Scaler

PLACING = {"exports", "group", "subsets", "scale"}  # params that decide the lines of the index, not the files
UNDRAWN = "redraw it in CVAT, or add {kind!r} to cvat.skip in params.yaml to leave such shapes out"


@dataclass(frozen=True)
class Opened:
    """An open export, and what it says."""

    export: Export
    parsed: Parsed


@dataclass(frozen=True)
class Photograph:
    """An image file, in an export or outside of it."""

    where: str  # names it in errors
    read: Callable[[], bytes]
    file: Path | None = None  # where it can be linked from
    remedy: str = REPLACE  # what to do if it is damaged
    digest: str = ""  # that its name says; only names in the store do

    def content(self) -> tuple[bytes, str]:
        """The file, and its whole digest.

        Raises:
            DataError: Its name says another.
        """
        content = self.read()
        digest = hashlib.sha256(content).hexdigest()
        if self.digest and self.digest != digest[:DIGITS]:
            raise damaged(self.where)
        return content, digest


@dataclass(frozen=True)
class Item:
    """One image to convert."""

    where: str  # names it in errors
    image: Annotated
    export: Export  # the labels are in it
    photograph: Photograph
    split: str  # train, val, test or all
    sample: Sample


def convert(exports: list[Path], target: Path, params: Cvat) -> tuple[int, int, Counter[str]]:
    """Write the canonical dataset of the exports in a folder.

    Args:
        exports: Zips and folders.
        target: The dataset's folder; an older one is replaced once everything is written.
        params: What the labels mean.

    Returns:
        The number of exports, of images, and of skipped shapes by kind.

    Raises:
        DataError: Something in an export is wrong; nothing is written.
    """
    with ExitStack() as stack:
        opened = [open_labels(stack.enter_context(open_export(path))) for path in exports]
        items = items_of(opened, params)
        write(items, target, params, [one.parsed for one in opened])
    say_notes(one.parsed for one in opened)
    return len(opened), len(items), count_skipped([one.parsed for one in opened])


def say_notes(parsed: Iterable[Parsed]) -> None:
    """Tell what the formats count besides shapes."""
    for what, count in sorted(_notes(parsed).items()):
        say(f"cvat: {count} {what}")


def open_labels(export: Export) -> Opened:
    """An open export with what it says."""
    return Opened(export, formats.read(export))


def write(items: Sequence[Item], target: Path, params: Cvat, parsed: Sequence[Parsed]) -> None:
    """Write the canonical dataset of these images, each to its split.

    Args:
        items: In any order, their ids unique.
        target: The dataset's folder; an older one is replaced once everything is written.
        params: What the labels mean.
        parsed: The exports that they come from: what these hold and is not drawn stands in the dataset's header.

    Raises:
        DataError: An image is damaged or has another size than its labels; nothing is written.
    """
    origin = {"name": "cvat", "exports": params.exports} | ({"window": str(params.window)} if params.window else {})
    if notes := notes_of(parsed):
        origin[NOTES] = "; ".join(notes)
    header = Header("cvat", classes_of(params), (origin,))
    names = header.names()
    palette = Palette.of(header.classes, IGNORE if params.background == IGNORED else names.index(params.background))
    scaler = Scaler.of(params.scale, Path(params.exports))
    with whole_folder(target) as root:
        write_header(root, header)
        writers = {split: SplitWriter(root, split, header) for split in {item.split for item in items} or {UNSPLIT}}
        done = Remembered.of(Path(__file__).parent)
        shaping = params.model_dump(exclude=PLACING)
        for item in track(sorted(items, key=lambda one: one.sample.id), "cvat: images", len(items)):
            writer = writers[item.split]
            content, digest = item.photograph.content()
            key = (digest, *_of_labels(item), shaping)
            try:
                parts = done.recall(key, partial(_made, item, content, palette, params.window, writer))
            except NoWindowError as error:
                raise _refusal(items) or error from None
            sample = replace(item.sample, metres_per_pixel=scaler.scale(item.image.name, content))
            writer.put(sample, _files(item, content, parts))
        for writer in writers.values():
            writer.close()
    for note in scaler.notes():
        say(f"cvat: {note}")


def _of_labels(item: Item) -> tuple[object, ...]:
    """All that its labels are drawn from."""
    labels, image = item.image.labels, item.image
    pictures = [labels.classes, labels.objects] if isinstance(labels, Painted) else []
    return image.width, image.height, labels, [item.export.read(member) for member in pictures if member]


def _made(item: Item, content: bytes, palette: Palette, window: Window | None, writer: SplitWriter) -> Parts:
    """What is written of one image; without the photograph where it stays as it is."""
    photograph = _placed(writer.root / writer.split, item, content, window)
    files = writer.encode(item.sample, photograph, *labels_of(item, palette))
    parts = {"ending": files.ending.encode(), "mask": files.mask}
    if (placed := photograph.read_bytes()) != content:
        parts["photograph"] = placed
    return parts if files.instances is None else parts | {"instances": files.instances}


def _files(item: Item, content: bytes, parts: Parts) -> Files:
    photograph = parts.get("photograph") or item.photograph.file or content
    return Files(parts["ending"].decode(), photograph, parts["mask"], parts.get("instances"))


def labels_of(item: Item, palette: Palette) -> tuple[Array, Array | None]:
    """The mask of one image; and its instances, if there are classes of things and its labels tell objects apart."""
    labels, image = item.image.labels, item.image
    if isinstance(labels, Painted):
        mask, instances = draw_painted(str(item.export.path), image, labels, item.export.read, palette)
    else:
        mask, instances = draw(labels, image.width, image.height, palette)
    return mask, instances if any(palette.things) else None


def classes_of(params: Cvat) -> tuple[ClassInfo, ...]:
    """The configured classes; a class's position in the list is its id."""
    return tuple(ClassInfo(i, c.name, _rgb(c.color), c.thing) for i, c in enumerate(params.classes))


def items_of(opened: Sequence[Opened], params: Cvat) -> list[Item]:
    """Every image of the exports in a folder, with its id, group and split.

    Ids and groups are those that version 0.1 gave, so that no image of its datasets moves; images that it refused,
    since their names repeat, have ids with their tasks.

    Args:
        opened: The exports.
        params: What the labels mean, and how images are grouped.

    Returns:
        The images, by their ids.

    Raises:
        DataError: A label is not in params.yaml, an image is in two exports, or a photograph is missing.
    """
    for one in opened:
        check_labels(one, params)
    found = keyed(opened)
    by_export = params.group == "export"
    old = {key: old_id(one.export.name, image.name, by_export) for key, (one, image) in found.items()}
    counts = Counter(old.values())
    ids = ids_of(found, {key: name for key, name in old.items() if counts[name] == 1 and name != "image"})
    grouper = Grouper.of(params.group, Path(params.exports))
    splits = splits_of({image.subset for _, image in found.values()}, params.subsets)
    items = []
    for key, (one, image) in found.items():
        where, export = f"{one.export.path}: image {image.name!r}", one.export
        task = task_group(key.task) if params.group == "task" else group_without_folder(one, image)
        group = grouper.group(where, key, export.name, ids[key], task)
        sample = Sample(ids[key], group, image.width, image.height, "cvat")
        items.append(Item(where, image, export, _in_export(where, export, image), splits[image.subset], sample))
    return sorted(items, key=lambda item: item.sample.id)


def group_without_folder(one: Opened, image: Annotated) -> str:
    """The group of an image that is in no folder: its task in a project's export, else its export."""
    return task_group(image.task) if one.parsed.project else one.export.name


def keyed(opened: Iterable[Opened]) -> dict[Key, tuple[Opened, Annotated]]:
    """Every image by its task, subset and name.

    Raises:
        DataError: An image is in two exports: two of the same task.
    """
    found: dict[Key, tuple[Opened, Annotated]] = {}
    for one in opened:
        for image in one.parsed.images:
            key = Key(task_of(one.export.name, image.task), image.subset, image.name)
            other, _ = found.setdefault(key, (one, image))
            if other is not one:
                raise DataError(
                    f"{one.export.path}: image {image.name!r}", f"task {key.task!r} in one export",
                    f"the same image in {other.export.path}", "remove the older of the two exports",
                )  # fmt: skip
    return found


def check_labels(one: Opened, params: Cvat, images: Iterable[Annotated] | None = None) -> None:
    """Check that params.yaml lists every label and skips every kind of shape that cannot be drawn.

    Args:
        one: An export.
        params: What params.yaml says.
        images: Those of its images that count; None for all.

    Raises:
        DataError: It does not; the message names the first image and shape.
    """
    listed = [label.name for label in params.classes]
    for kind in one.parsed.undrawn:
        if kind not in params.skip:
            where = one.parsed.undrawn_at.get(kind, str(one.export.path))
            raise DataError(where, "a shape with an area", kind, UNDRAWN.format(kind=kind))
    for image in one.parsed.images if images is None else images:
        for number, label in enumerate(labels_in(image), start=1):
            if label not in listed:
                kind = "colour" if isinstance(image.labels, Painted) else "shape"
                raise DataError(
                    f"{one.export.path}: image {image.name!r}, {kind} {number}",
                    f"a label of cvat.classes ({', '.join(listed)})", repr(label),
                    f"add it to cvat.classes in params.yaml{nearest(label, listed)}",
                )  # fmt: skip


def labels_in(image: Annotated) -> list[str]:
    """The labels of an image, one for each shape or colour that has one."""
    if isinstance(image.labels, Painted):
        return [label for label in image.labels.colours.values() if label is not None]
    return [shape.label for shape in image.labels]


def notes_of(parsed: Sequence[Parsed]) -> list[str]:
    """What exports hold besides shapes that are drawn as they stand, counted: lines for the data card."""
    shapes = [f"{count} shapes of the kind {kind!r} left out" for kind, count in sorted(count_skipped(parsed).items())]
    return shapes + [f"{count} {what}" for what, count in sorted(_notes(parsed).items())]


def _notes(parsed: Iterable[Parsed]) -> Counter[str]:
    """What the formats count besides shapes."""
    return sum((one.notes for one in parsed), Counter[str]())


def count_skipped(parsed: Iterable[Parsed]) -> Counter[str]:
    """The number of shapes without area, by kind."""
    return sum((one.undrawn for one in parsed), Counter[str]())


def _in_export(where: str, export: Export, image: Annotated) -> Photograph:
    member = image.member
    if member is None:
        raise DataError(where, f"its file images/{image.name} in the export", "an export without photographs", AGAIN)
    file = None if export.archive else export.file(member)
    return Photograph(f"{export.path}: {member}", lambda: export.read(member), file)


def measured(photographs: Iterable[Photograph]) -> Measured | None:
    """The window that `cvat.window` is to be, if some photographs have 16 bits per channel."""
    return measure((one.where, lambda one=one: io.BytesIO(one.read())) for one in photographs)  # type: ignore[misc]


def _refusal(items: Sequence[Item]) -> DataError | None:
    """The error of a photograph that lacks a window: it names one that is measured on all photographs."""
    found = measured(each.photograph for each in items)
    return found.refusal("cvat.window") if found else None


def _placed(folder: Path, item: Item, content: bytes, window: Window | None) -> Path:
    """The photograph in its place in the dataset."""
    try:
        path, *found = place(folder / "images" / item.sample.id, item.photograph.where, content, window)
    except NoWindowError:
        raise
    except DataError as error:
        raise with_remedy(error, item.photograph.remedy) from None
    if found != [item.image.width, item.image.height]:
        expected = f"the size that its labels are for, {item.image.width}x{item.image.height}"
        raise DataError(item.photograph.where, expected, f"{found[0]}x{found[1]}", AGAIN)
    return path


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue
