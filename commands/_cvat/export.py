"""Writes a downloaded export as a folder: the wanted frames alone, in the same bytes as long as nothing has changed.

CVAT's annotations.xml says when it was written, by whom, and who works on which job. All that is left out: it would
make every export another one. What the frames show stays as CVAT wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import cast
from xml.etree.ElementTree import Element, ParseError, indent, tostring

from pixelproof.core.errors import DataError
from pixelproof.core.files import write_bytes
from stages.cvat.archive import ANNOTATIONS, Export, open_export

KEPT = (
    "id", "name", "size", "mode", "subset", "start_frame", "stop_frame", "frame_filter", "labels", "original_size",
    "source",
)  # fmt: skip
AGAIN = "pull again; if it stays so, export the task in CVAT's own page"


def write_folder(archive: Path, folder: Path, wanted: Callable[[int], bool]) -> tuple[int, int]:
    """Write the wanted frames of a task's export.

    Args:
        archive: the zip, of one task, "CVAT for images 1.1" with its images.
        folder: a new folder, to which annotations.xml and images/ are written if a frame is kept.
        wanted: whether to keep a frame, by its number within the task, from 0.

    Returns:
        The numbers of frames kept and left out.

    Raises:
        DataError: the export is not what CVAT writes.
    """
    with open_export(archive) as export:
        root = _parsed(export)
        frames = _frames(export, root)
        kept = [node for number, node in sorted(frames.items()) if wanted(number)]
        if not kept:
            return 0, len(frames)
        files = {_stem(name): name for name in export.lengths if name != ANNOTATIONS}
        for node in kept:
            member = _member(export, files, node)
            write_bytes(folder / member, export.read(member))
    tidied = Element("annotations")
    tidied.extend([node for node in root if node.tag not in ("meta", "image")])
    tidied.append(_meta(root))
    tidied.extend(kept)
    write_bytes(folder / ANNOTATIONS, _text(f"{archive.name}: {ANNOTATIONS}", tidied))
    return len(kept), len(frames) - len(kept)


def _parsed(export: Export) -> Element:
    from defusedxml import ElementTree as Defused
    from defusedxml.common import DefusedXmlException

    where = f"{export.path.name}: {ANNOTATIONS}"
    try:
        root = cast(Element, Defused.fromstring(export.read(ANNOTATIONS)))
    except KeyError:
        raise DataError(where, "the annotations", "no such file", AGAIN) from None
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DataError(where, "well-formed XML", f"{type(error).__name__}: {error}", AGAIN) from None
    if root.tag != "annotations" or root.find("meta/task") is None or root.find("track") is not None:
        raise DataError(where, "the annotations of one task's images", f"<{root.tag}> of something else", AGAIN)
    return root


def _text(where: str, tidied: Element) -> bytes:
    try:
        indent(tidied)
        return bytes(tostring(tidied, "utf-8", xml_declaration=True)) + b"\n"
    except RecursionError:
        raise DataError(where, "shapes with attributes in images", "elements nested hundreds deep", AGAIN) from None


def _frames(export: Export, root: Element) -> dict[int, Element]:
    """The images by their number within the task.

    CVAT numbers them within the video or the list of files; jobs count those that the task uses, from 0.
    """
    where = f"{export.path.name}: {ANNOTATIONS}"
    start = _whole(where, "start_frame", root.findtext("meta/task/start_frame") or "0")
    _, _, step = (root.findtext("meta/task/frame_filter") or "").partition("step=")
    stride = _whole(where, "step", step or "1")
    frames: dict[int, Element] = {}
    for node in root.findall("image"):
        number, rest = divmod(_whole(where, "id", node.get("id", "")) - start, max(stride, 1))
        if number in frames or number < 0 or rest:
            expected = f"{start} and every {stride}th after it, each once, as ids of images"
            raise DataError(where, expected, repr(node.get("id")), AGAIN)
        frames[number] = node
    return frames


def _whole(where: str, key: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise DataError(where, f"a whole number as {key}", repr(text)[:60], AGAIN)
    return int(text)


def _meta(root: Element) -> Element:
    meta = Element("meta")
    task = Element("task")
    task.extend([node for node in root.findall("meta/task/*") if node.tag in KEPT])
    meta.append(task)
    return meta


def _member(export: Export, files: dict[str, str], node: Element) -> str:
    """The file of a frame; those of videos have an ending that the XML leaves out."""
    name = f"images/{node.get('name', '')}"
    found = name if name in export.lengths else files.get(name)
    if found is None:
        raise DataError(f"{export.path.name}: {name}", "a photograph", "no such file", AGAIN)
    return found


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()
