"""CVAT for video 1.1: `<track>` elements, each an object with its outlines by frame."""

from __future__ import annotations

import io
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from pixelproof.core.errors import DataError
from pixelproof.data.outlines import Box, Ellipse, Outline, Polygon
from stages.cvat.archive import AGAIN, Export
from stages.cvat.formats.cvat_shapes import whole_number
from stages.cvat.formats.cvat_xml import (
    Meta,
    Owners,
    Photographs,
    Shapes,
    first_of,
    parse,
    read_meta,
    side,
)
from stages.cvat.model import Annotated, Parsed, Shape

NAME = "CVAT for video 1.1"
FRAME = re.compile(r"(?:.*/)?frame_([0-9]{1,9})\.[^./]+")
MAX_FRAMES = 1_000_000
HELD = "outlines kept until the next keyframe, which has another number of points"
NOWHERE = "shapes of tracks on frames that the export does not have"


def matches(export: Export) -> bool:
    """Whether this is CVAT's XML with tracks instead of images."""
    return first_of(export, ("image", "track")) == "track"


def read(export: Export) -> Parsed:
    """Every frame of the export with the outlines that the tracks have there.

    Between two keyframes boxes, ellipses and polygons with the same number of points move evenly; any other outline
    stays until the next keyframe. After the last one the outline stays, unless that says `outside`.

    Args:
        export: An open export.

    Returns:
        Its labels and frames.

    Raises:
        DataError: Something in it is missing, damaged or ambiguous.
    """
    root = parse(export)
    reader = _Reader(export, read_meta(root), Photographs(export), Shapes(), Owners(), Counter())
    by_task: dict[tuple[str, str], list[Element]] = {}
    for track in root.findall("track"):
        key = track.get("task_id", reader.meta.task), track.get("subset", reader.meta.subset)
        by_task.setdefault(key, []).append(track)
    for task, node in reader.meta.tasks.items():  # videos in which nothing was drawn
        if node.findtext("mode") == "interpolation" and not any(key[0] == task for key in by_task):
            by_task[(task, (node.findtext("subset") or "").strip() or "default")] = []
    images = [image for key, tracks in by_task.items() for image in reader.frames(key, tracks)]
    shapes, meta = reader.shapes, reader.meta
    return Parsed(NAME, meta.labels, tuple(images), shapes.undrawn, shapes.undrawn_at, reader.notes, meta.project)


@dataclass(frozen=True)
class _Reader:
    export: Export
    meta: Meta
    photographs: Photographs
    shapes: Shapes
    owners: Owners
    notes: Counter[str]

    def frames(self, key: tuple[str, str], tracks: list[Element]) -> Iterator[Annotated]:
        """The frames of one task."""
        task, subset = key
        self._check_photographs(task)
        folder = subset if self.meta.project else ""
        node = self.meta.tasks.get(task) if self.meta.project else self.meta.node
        drawn: dict[int, list[Shape]] = {number: [] for number in self._numbers(node, folder, tracks)}
        size = _original_size(self.export, node)
        members = {number: self._member(task, folder, number) for number in drawn}
        sizes = {number: size or self._size(number, member) for number, member in members.items()}
        for track in tracks:
            self._draw(track, sizes, drawn)
        for number, shapes in drawn.items():
            name = f"frame_{number:06d}"
            yield Annotated(name, task, subset, *sizes[number], tuple(shapes), members[number], number)

    def _check_photographs(self, task: str) -> None:
        """Refuse a task whose photographs are nowhere, before a hundred thousand frames are drawn for nothing."""
        lent = self.export.lent
        if task and not self.photographs.names and lent is not None and task not in lent:
            expected = f"photographs in the export, or in an earlier one of the task {task!r}"
            raise DataError(self.export.path, expected, "none", AGAIN)

    def _member(self, task: str, folder: str, number: int) -> str | None:
        name = f"frame_{number:06d}"
        where = f"{self.export.path}: frame {name!r}"
        member = self.photographs.find(where, folder, name)
        self.owners.check_photograph(where, task, member)
        return member

    def _numbers(self, node: Element | None, folder: str, tracks: list[Element]) -> list[int]:
        """The numbers of the frames: those of the photographs, else those that the meta data give."""
        places = (f"images/{folder}/", "images/", "") if folder else ("images/", "")
        for place in places:
            names = [name for name in self.photographs.names if name.rpartition("/")[0] == place.rstrip("/")]
            if found := sorted(int(match[1]) for name in names if (match := FRAME.fullmatch(name))):
                return found
        if self.photographs.names:
            raise DataError(
                self.export.path, "photographs images/frame_000000.PNG and so on", min(self.photographs.names),
                "export this task as 'CVAT for images 1.1', which says which image each shape is on",
            )  # fmt: skip
        start, stop = (_count(node, key) for key in ("start_frame", "stop_frame"))
        step = re.search(r"step=([0-9]{1,6})", "" if node is None else node.findtext("frame_filter") or "")
        if start is None or stop is None:
            start, stop = 0, max((_frame(self.export, shape) for track in tracks for shape in track), default=0)
        if stop >= MAX_FRAMES:
            raise DataError(f"{self.export.path}: <stop_frame>", f"less than {MAX_FRAMES}", str(stop), AGAIN)
        return list(range(start, stop + 1, max(1, int(step[1]) if step else 1)))

    def _size(self, number: int, member: str | None) -> tuple[int, int]:
        """The size of a frame whose export does not say it: that of its photograph."""
        from PIL import Image

        where = f"{self.export.path}: frame {number}"
        if member is None:
            raise DataError(where, "<original_size> in the meta data", "none", AGAIN)
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(self.export.read(member))) as picture:
                return picture.size
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            raise DataError(f"{self.export.path}: {member}", "a whole image", "one without a size", AGAIN) from None

    def _draw(self, track: Element, sizes: dict[int, tuple[int, int]], drawn: dict[int, list[Shape]]) -> None:
        """Add one track's outlines to the frames on which it is visible."""
        group = whole_number(f"{self.export.path}: track {track.get('id')!r}", track, "group_id", default=0)
        there: dict[int, Shape | None] = {}  # by frame; None where the track is outside
        for node in track:
            if node.tag == "attribute":
                continue
            number = _frame(self.export, node)
            where = f"{self.export.path}: track {track.get('id')!r}, frame {number} ({node.tag})"
            if number in there:
                raise DataError(where, "one outline on each frame", "two", AGAIN)
            there[number] = None
            if node.get("outside") == "1":
                continue
            if number not in sizes:
                self.notes[NOWHERE] += 1
                continue
            read = self.shapes.read(where, node, *sizes[number], label=track.get("label", ""))
            there[number] = replace(read, group=group) if read else None
        known = sorted(there)
        at = -1
        for number in sorted(drawn):
            while at + 1 < len(known) and known[at + 1] <= number:
                at += 1
            before = there[known[at]] if at >= 0 else None
            if before is None:
                continue
            after = there[known[at + 1]] if at + 1 < len(known) and known[at] != number else None
            drawn[number].append(self._between(before, after, known[at : at + 2], number))

    def _between(self, before: Shape, after: Shape | None, ends: list[int], number: int) -> Shape:
        if after is None:
            return before
        moved = _moved(before.outline, after.outline, (number - ends[0]) / (ends[1] - ends[0]))
        if moved is None and isinstance(before.outline, Polygon):
            self.notes[HELD] += 1
        return replace(before, outline=moved or before.outline)


def _moved(before: Outline, after: Outline, share: float) -> Outline | None:
    """An outline on its way to the next keyframe; None if the two do not fit together."""

    def mix(one: float, other: float) -> float:
        return one + share * (other - one)

    def turned(one: float, other: float) -> float:
        return one + share * ((other - one + 180) % 360 - 180)  # the short way round

    if isinstance(before, Box) and isinstance(after, Box):
        left, top = mix(before.left, after.left), mix(before.top, after.top)
        right, bottom = mix(before.right, after.right), mix(before.bottom, after.bottom)
        return Box(left, top, right, bottom, turned(before.turn, after.turn))
    if isinstance(before, Ellipse) and isinstance(after, Ellipse):
        cx, cy = mix(before.cx, after.cx), mix(before.cy, after.cy)
        rx, ry = mix(before.rx, after.rx), mix(before.ry, after.ry)
        return Ellipse(cx, cy, rx, ry, turned(before.turn, after.turn))
    if isinstance(before, Polygon) and isinstance(after, Polygon):
        (start,), (end,) = before.rings, after.rings
        return Polygon((start + share * (end - start),)) if len(start) == len(end) else None
    return None


def _original_size(export: Export, node: Element | None) -> tuple[int, int] | None:
    found = None if node is None else node.find("original_size")
    if found is None:
        return None
    said = Element("original_size", {key: (found.findtext(key) or "").strip() for key in ("width", "height")})
    where = f"{export.path}: <original_size>"
    return side(where, said, "width"), side(where, said, "height")


def _frame(export: Export, shape: Element) -> int:
    where = f"{export.path}: <{shape.tag}> of a track"
    number = whole_number(where, shape, "frame")
    if not 0 <= number < MAX_FRAMES:
        raise DataError(where, f"a frame from 0 to {MAX_FRAMES - 1}", str(number), AGAIN)
    return number


def _count(node: Element | None, tag: str) -> int | None:
    text = "" if node is None else (node.findtext(tag) or "").strip()
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None
