"""What CVAT's two XML formats share: the file, its meta data, and where its photographs are."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, ParseError

from pixelproof.core.errors import DataError
from stages.cvat.archive import AGAIN, ANNOTATIONS, Export, inside
from stages.cvat.formats.cvat_shapes import AREAS, WITHOUT_AREA, outline, whole_number
from stages.cvat.model import Shape

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
MAX_SIDE = 1 << 16


def annotations_of(export: Export) -> str | None:
    """The XML file of an export of CVAT: annotations.xml, else the only .xml file at the top."""
    if ANNOTATIONS in export.lengths:
        return ANNOTATIONS
    found = [name for name in export.lengths if "/" not in name and name.lower().endswith(".xml")]
    return found[0] if len(found) == 1 else None


def parse(export: Export) -> Element:
    """The root element of an export's XML; entities and references to other files are refused.

    Args:
        export: An open export.

    Returns:
        `<annotations>`.

    Raises:
        DataError: There is no such file, or it is not XML of CVAT.
    """
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    member = annotations_of(export)
    if member is None:
        raise DataError(export.path, f"{ANNOTATIONS} at the top level", "none", AGAIN)
    where = f"{export.path}: {member}"
    try:
        root: Element = ElementTree.fromstring(export.read(member))
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DataError(where, "well-formed XML", f"{type(error).__name__}: {error}", AGAIN) from None
    if root.tag != "annotations":
        raise DataError(where, "<annotations> with <image> elements", f"<{root.tag}> without <image>", AGAIN)
    if root.find("image") is not None and root.find("track") is not None:
        raise DataError(where, "<annotations> with <image> elements, or tracks", "tracks beside images", AGAIN)
    return root


def first_of(export: Export, tags: Collection[str]) -> str:
    """The tag that comes first in an export's XML, read no further than that.

    Args:
        export: An open export.
        tags: What to look for.

    Returns:
        One of them; "" if there is none, or no XML that can be read: `parse` says why.
    """
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    member = annotations_of(export)
    try:
        events = ElementTree.iterparse(io.BytesIO(export.read(member) if member else b""), events=("start",))
        return next((node.tag for _, node in events if node.tag in tags), "")
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return ""


@dataclass(frozen=True)
class Meta:
    """What `<meta>` says: of a task, of a job, or of a project with its tasks."""

    task: str  # its key; "" if there is none
    subset: str
    labels: dict[str, str]  # name -> #rrggbb, or ""
    tasks: dict[str, Element]  # of a project, by id
    node: Element | None  # <task>, <job> or <project>

    @property
    def project(self) -> bool:
        """Whether this is a project's export."""
        return self.node is not None and self.node.tag == "project"


def read_meta(root: Element) -> Meta:
    """The export's task, subset and labels; a label that only shapes mention comes after those that are listed."""
    node = next((found for tag in ("task", "job", "project") if (found := root.find(f"meta/{tag}")) is not None), None)
    key = _text(node, "id")
    known = key.isascii() and key.isdigit()
    task = {"task": key, "job": f"job-{key}"}.get("" if node is None else node.tag, "") if known else ""
    listed = [label for label in root.iterfind("meta//label") if not label.findtext("parent")]  # without skeleton parts
    labels = {name: _text(label, "color") for label in listed if (name := _text(label, "name"))}
    for shape in root.iter():
        if (shape.tag in AREAS or shape.tag == "track") and (name := shape.get("label", "")):
            labels.setdefault(name, "")
    tasks = {_text(each, "id"): each for each in root.iterfind("meta/project/tasks/task")}
    return Meta(task, _text(node, "subset"), labels, tasks, node)


def _text(node: Element | None, tag: str) -> str:
    return "" if node is None else (node.findtext(tag) or "").strip()


@dataclass
class Shapes:
    """Reads shapes one by one, and counts those that have no area."""

    undrawn: Counter[str] = field(default_factory=Counter)
    undrawn_at: dict[str, str] = field(default_factory=dict)

    def read(self, where: str, node: Element, width: int, height: int, label: str | None = None) -> Shape | None:
        """A shape of an image, or of a track (which has the label); None if it has no area."""
        if node.tag not in AREAS:
            if node.tag not in WITHOUT_AREA:
                raise DataError(where, f"one of {', '.join((*AREAS, *WITHOUT_AREA))}", repr(node.tag), AGAIN)
            self.undrawn[node.tag] += 1
            self.undrawn_at.setdefault(node.tag, where)
            return None
        return Shape(
            node.get("label", "") if label is None else label,
            outline(where, node, width, height),
            whole_number(where, node, "z_order", default=0),
            whole_number(where, node, "group_id", default=0),
        )


class Photographs:
    """Finds the photographs of an export by the names that its images have."""

    def __init__(self, export: Export) -> None:
        """List the pictures; an export without any holds annotations only."""
        self.export = export
        self.names = [name for name in export.lengths if PurePosixPath(name).suffix.lower() in PICTURES]
        self._stems: dict[str, list[str]] = {}
        for name in self.names:
            self._stems.setdefault(str(PurePosixPath(name).with_suffix("")), []).append(name)

    def find(self, where: str, subset: str, name: str) -> str | None:
        """The path of an image's file; None if the export holds no photographs.

        It is in images/ (by subset in a project's export), in older exports at the top. Frames of a video have names
        without the ending that their files have.
        """
        if not inside(name):
            raise DataError(where, "a relative name inside the export", repr(name), AGAIN)
        paths = [str(PurePosixPath(folder) / name) for folder in (f"images/{subset}", "images", ".")]
        for path in paths if subset else paths[1:]:
            if member := self.export.find(path):
                return member
            if len(found := self._stems.get(path, [])) > 1:
                raise DataError(where, f"one file {path}", f"{len(found)}: {', '.join(sorted(found))}", AGAIN)
            if found:
                return found[0]
        if self.names:
            raise DataError(where, f"its file images/{name} in the export", "no such file", AGAIN)
        return None


@dataclass
class Owners:
    """Checks that no photograph is that of two images, and no id or name is twice in one subset of a task."""

    photographs: dict[str, str] = field(default_factory=dict)
    seen: set[tuple[str, str, str]] = field(default_factory=set)

    def check_once(self, where: str, place: tuple[str, str], key: str, value: str | None) -> None:
        """Refuse an id or a name that an image of the same task and subset has."""
        item = (*place, f"{key} {value!r}")
        if item in self.seen:
            raise DataError(where, f"a unique {key} for each image", f"{item[2]} twice", AGAIN)
        self.seen.add(item)

    def check_photograph(self, where: str, task: str, member: str | None) -> None:
        """Refuse a photograph that an image of another task has: the second one overwrote the first."""
        if member is None:
            return
        other = self.photographs.setdefault(member, task)
        if other != task:
            raise DataError(
                where, f"a photograph of its own ({member})", f"that of task {other}: CVAT writes one over the other",
                "export each task by itself, or give the tasks different subsets in CVAT",
            )  # fmt: skip


def side(where: str, node: Element, key: str) -> int:
    """A width or a height."""
    text = node.get(key, "")
    if not (re.fullmatch("[0-9]{1,5}", text) and 0 < int(text) <= MAX_SIDE):
        raise DataError(where, f"a {key} of 1 to {MAX_SIDE} pixels", repr(text), AGAIN)
    return int(text)
