"""Charts: drawn by Vega-Lite while the page is made, so that the page holds pictures that no script has to draw.

What Vega gives is cut down to what a page needs. Colours are the page's own (`var(--...)`), and so follow light and
dark; the font is the page's; what Vega says of a mark (its `description`) becomes `data-tip`, which page.js shows.
A chart is a picture to a screen reader: it has a text in place of it, and its numbers stand in a table beside it.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

HUES = 8  # colours that style.css has for architectures; more architectures share them, in another dash and shape
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
SYMBOLS = (  # the same shapes for legends, as paths around 0, 0
    "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z",
    "M-4.5-4.5h9v9h-9Z",
    "M0-5L5.2 4H-5.2Z",
    "M0-6L6 0L0 6L-6 0Z",
    "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4Z",
    "M0 5L-5.2-4H5.2Z",
    "M5 0L-4 5.2V-5.2Z",
    "M-5 0L4-5.2V5.2Z",
)
FONT = "Liberation Sans"  # what widths are measured in: vl-convert brings it, so the layout is the same everywhere
NAMESPACE = "http://www.w3.org/2000/svg"
TIPLESS = ("axis", "legend", "title", "subtitle", "line mark", "area mark")  # a line would say what its first point is
DROPPED = ("role", "aria-roledescription", "aria-hidden", "font-family", "class", "pointer-events", "cursor")

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Chart:
    """A drawn chart: the title and the note above it, the picture, its text alternative, and its numbers."""

    title: str
    note: str
    svg: str
    label: str
    head: Sequence[str]
    rows: Rows


def plot(rows: Sequence[dict[str, Any]], **properties: Any) -> Any:
    """An Altair chart of rows; nothing is drawn of it yet."""
    import altair as alt

    return alt.Chart(alt.InlineData(values=list(rows)), **properties)


def draw(spec: Any, title: str, note: str, label: str, head: Sequence[str], rows: Rows) -> Chart:
    """Draw an Altair chart; `label` says in words what it shows, `head` and `rows` are its numbers."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(themed(spec).to_dict())
    return Chart(title, note, trimmed(svg, label), label, head, rows)


def themed(spec: Any) -> Any:
    """The look that all charts share."""
    return (
        spec.configure(background="transparent", font=FONT, padding=2)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="var(--muted)",
            titleColor="var(--muted)",
            gridColor="var(--line)",
            domainColor="var(--line)",
            tickColor="var(--line)",
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            titlePadding=8,
        )
        .configure_header(labelColor="var(--ink)", titleColor="var(--muted)", labelFontSize=12, titleFontSize=12)
        .configure_legend(labelColor="var(--ink)", titleColor="var(--muted)", labelFontSize=12, titleFontSize=12)
        .configure_text(color="var(--ink)", fontSize=12)
        .configure_rule(color="var(--muted)")
    )


def hue(names: Sequence[str], **more: Any) -> Any:
    """The colour of each architecture, the same in all charts and beside all names."""
    import altair as alt

    colours = [f"var(--hue-{i % HUES})" for i in range(len(names))]
    return alt.Color(scale=alt.Scale(domain=list(names), range=colours), legend=None, **more)


def dash(names: Sequence[str], **more: Any) -> Any:
    """The dash of each architecture's lines: colour alone tells nothing to who does not see it."""
    import altair as alt

    dashes = [DASHES[(i + i // HUES) % len(DASHES)] for i in range(len(names))]
    return alt.StrokeDash(scale=alt.Scale(domain=list(names), range=dashes), legend=None, **more)


def shape(names: Sequence[str], **more: Any) -> Any:
    """The shape of each architecture's points."""
    import altair as alt

    shapes = [SHAPES[turn(i)] for i in range(len(names))]
    return alt.Shape(scale=alt.Scale(domain=list(names), range=shapes), legend=None, **more)


def turn(number: int) -> int:
    """Which of the shapes an architecture has: once the hues begin again, each goes with another shape."""
    return (number + number // HUES) % len(SHAPES)


def trimmed(svg: str, label: str) -> str:
    """An SVG that scales with its place and says `label`, without what only a drawing program would need."""
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.fromstring(svg)
    width, height = root.attrib.pop("width"), root.attrib.pop("height")
    for element in root.iter():
        tip = element.attrib.pop("aria-label", None)
        role, kind = element.attrib.get("role"), element.attrib.get("aria-roledescription")
        for name in DROPPED:
            element.attrib.pop(name, None)
        if tip and role == "graphics-symbol" and kind not in TIPLESS:
            element.set("data-tip", tip)
    root.attrib |= {"role": "img", "aria-label": label, "viewBox": f"0 0 {width} {height}"}
    rename(root, "")
    rename(root, f"c{hashlib.sha256(ElementTree.tostring(root)).hexdigest()[:10]}-")
    return ElementTree.tostring(root, encoding="unicode")


def rename(root: ElementTree.Element, prefix: str) -> None:
    """Number the ids of a chart from 0: Vega numbers those of all charts that the process ever drew."""
    old = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    new = {name: f"{prefix}{i}" for i, name in enumerate(old)}
    for element in root.iter():
        if "id" in element.attrib:
            element.set("id", new[element.attrib["id"]])
        for key in ("clip-path", "mask", "fill", "stroke"):
            name = element.get(key, "").removeprefix("url(#").removesuffix(")")
            if name in new and element.get(key) == f"url(#{name})":
                element.set(key, f"url(#{new[name]})")
