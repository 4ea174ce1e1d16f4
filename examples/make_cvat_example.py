"""Makes examples/cvat: a small export in CVAT's format ("for images 1.1"), of rendered scenes annotated as people do.

    python -m examples.make_cvat_example

The ground is a box with masks and polygons above it, buildings are polygons, cars rotated boxes (with the label
`vehicle`, which prepare.map maps to `car`), persons rotated ellipses, trees and obstacles brushed masks.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import cv2
import numpy as np

from pixelproof.core.files import whole_folder, write_bytes
from pixelproof.data.images import Array
from pixelproof.data.outlines import run_lengths
from pixelproof.sources.synthetic.classes import CLASSES
from pixelproof.sources.synthetic.scene import Scene, render

TARGET = Path(__file__).parent / "cvat"
SEED, SIZE, IMAGES = 2024, 160, 2
FLIGHTS = {"allotments": ".png", "harbour": ".jpg", "orchard": ".png", "suburb": ".jpg"}
LABELS = {"car": "vehicle"}
GROUND = ("paved", "soil", "grass", "water")
SMALLEST = 8  # pixels: a person would not annotate less


def main(target: Path = TARGET) -> None:
    """Render the scenes and write them with their annotations."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    _describe(SubElement(SubElement(root, "meta"), "task"))
    with whole_folder(target) as folder:
        number = 0
        for flight, suffix in FLIGHTS.items():
            for shot in range(IMAGES):
                scene, name = scene_of(flight, shot), f"{flight}/{shot + 1:04d}{suffix}"
                node = SubElement(root, "image", id=str(number), name=name, width=str(SIZE), height=str(SIZE))
                node.extend(_annotate(scene))
                _, encoded = cv2.imencode(suffix, cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR))
                write_bytes(folder / "flights/images" / name, encoded.tobytes())
                number += 1
        indent(root)
        ElementTree(root).write(folder / "flights/annotations.xml", encoding="utf-8", xml_declaration=True)


def scene_of(flight: str, shot: int) -> Scene:
    """The scene that an image of the example was rendered from."""
    return render(SEED, f"example-{flight}", shot, SIZE)


def _describe(task: Element) -> None:
    SubElement(task, "name").text = "flights"
    labels = SubElement(task, "labels")
    for info in CLASSES:
        label = SubElement(labels, "label")
        SubElement(label, "name").text = LABELS.get(info.name, info.name)
        SubElement(label, "color").text = "#{:02x}{:02x}{:02x}".format(*info.color)
        SubElement(label, "type").text = "any"


def _annotate(scene: Scene) -> list[Element]:
    """The shapes of one scene: its ground, the most common class first, then each thing."""
    names = [info.name for info in CLASSES]
    areas = {name: scene.mask == names.index(name) for name in GROUND}
    ground = sorted((n for n in GROUND if areas[n].sum() >= SMALLEST), key=lambda n: -int(areas[n].sum()))
    shapes = [_shape("box", ground[0], 0, xtl=0, ytl=0, xbr=SIZE, ybr=SIZE)]
    shapes += [_brushed(name, 1, areas[name]) for name in ground[1:]]
    for name in ("roof", "car", "person", "obstacle", "tree"):
        area = scene.mask == names.index(name)
        for one in _parts(area, scene.instances):
            shapes += _thing(name, one)
    return shapes


def _parts(area: Array, instances: Array) -> list[Array]:
    """One area for each instance; without instances, one for each connected part."""
    if (instances[area] == 0).any():
        _, instances = cv2.connectedComponents(area.astype(np.uint8))
    found = [area & (instances == number) for number in np.unique(instances[area])]
    return [one for one in found if one.sum() >= SMALLEST]


def _thing(name: str, area: Array) -> list[Element]:
    label = LABELS.get(name, name)
    if name in ("tree", "obstacle"):
        return [_brushed(label, 4, area)]
    outline = _outline(area)  # for single pieces; a partly hidden thing falls through to a brushed mask
    (cx, cy), (wide, high), turn = cv2.minAreaRect(outline)
    if name == "car" and area.sum() > 0.85 * wide * high:
        left, top = cx - wide / 2, cy - high / 2
        return [_shape("box", label, 2, xtl=left, ytl=top, xbr=left + wide, ybr=top + high, rotation=turn)]
    if name == "person" and area.sum() > 0.75 * wide * high:  # a whole ellipse fills 0.79 of the box around it
        return [_shape("ellipse", label, 3, cx=cx, cy=cy, rx=wide / 2, ry=high / 2, rotation=turn)]
    corners = cv2.approxPolyDP(outline, 0.6, closed=True)[:, 0]
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in corners)
    if len(corners) >= 3 and cv2.contourArea(outline) > 0.9 * area.sum():
        return [_shape("polygon", label, 2, points=points)]
    return [_brushed(label, 2, area)]


def _outline(area: Array) -> Array:
    """The outline of the largest part, along the edges of its pixels."""
    fine = np.kron(area.astype(np.uint8), np.ones((4, 4), np.uint8))
    contours, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline: Array = (max(contours, key=cv2.contourArea).astype(np.float32) + 0.5) / 4
    return outline


def _brushed(label: str, z_order: int, area: Array) -> Element:
    """A mask in CVAT's format: run lengths inside its bounding box."""
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    rle = run_lengths(area[top:bottom, left:right]).replace(",", ", ")
    return _shape("mask", label, z_order, rle=rle, left=left, top=top, width=right - left, height=bottom - top)


def _shape(kind: str, label: str, z_order: int, **values: float | str) -> Element:
    element = Element(kind, label=label, source="manual", occluded="0", z_order=str(z_order))
    element.attrib |= {key: f"{value:.2f}" if isinstance(value, float) else str(value) for key, value in values.items()}
    return element


if __name__ == "__main__":
    main()
