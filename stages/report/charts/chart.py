"""Charts, drawn by Vega-Lite while the page is made, so that no script has to draw them.

Vega's output is reduced to what a page needs. Colours are the page's own (`var(--...)`), so they follow light and dark
mode; the font is the page's; the `description` of a mark becomes `data-tip`, which page.js shows. To a screen reader, a
chart is an image: it has a text alternative, and its numbers are in a table next to it.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

HUES = 8  # colours that style.css has for architectures; more architectures reuse them, with another dash and shape
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
ROOM = (
    318  # pixels across: what a phone has, and a third of a desk; no chart is scaled, so that its texts have one size
)
TEXT = 12  # pixels: the size of all texts in charts
LABEL = 118  # pixels of a name beside a chart, at most, in the font of FONT
CLASS = 98  # pixels of a class there; its name may have letters that are wider in the fonts of other systems
EDGE = 8  # pixels from the first and the last mark to the ends of an axis: no mark covers a name beside the chart
FONT = "Liberation Sans"  # for measuring widths: it comes with vl-convert, so the layout is the same everywhere
NAMESPACE = "http://www.w3.org/2000/svg"
TIPLESS = (
    "axis",
    "legend",
    "title",
    "subtitle",
    "line mark",
    "area mark",
)  # a line would have the tip of its first point
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
    """An Altair chart of rows, which is not drawn yet."""
    import altair as alt

    return alt.Chart(alt.InlineData(values=list(rows)), **properties)


def fitted(spec: Any) -> Any:
    """A chart, not of several ones, whose width includes its axes."""
    import altair as alt

    return spec.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))


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
            labelFontSize=TEXT,
            titleFontSize=TEXT,
            titleFontWeight="normal",
            titlePadding=8,
            labelPadding=6,
            labelLimit=LABEL,
        )
        .configure_header(labelColor="var(--ink)", titleColor="var(--muted)", labelFontSize=TEXT, titleFontSize=TEXT)
        .configure_legend(labelColor="var(--ink)", titleColor="var(--muted)", labelFontSize=TEXT, titleFontSize=TEXT)
        .configure_text(color="var(--ink)", fontSize=TEXT)
        .configure_rule(color="var(--muted)")
    )


def hue(names: Sequence[str], **more: Any) -> Any:
    """The colour of each architecture, the same in all charts and next to all names."""
    import altair as alt

    colours = [f"var(--hue-{i % HUES})" for i in range(len(names))]
    return alt.Color(scale=alt.Scale(domain=list(names), range=colours), legend=None, **more)


def dash(names: Sequence[str], **more: Any) -> Any:
    """The dash of each architecture's lines, for readers who cannot tell the colours apart."""
    import altair as alt

    dashes = [DASHES[(i + i // HUES) % len(DASHES)] for i in range(len(names))]
    return alt.StrokeDash(scale=alt.Scale(domain=list(names), range=dashes), legend=None, **more)


def shape(names: Sequence[str], **more: Any) -> Any:
    """The shape of each architecture's points."""
    import altair as alt

    shapes = [SHAPES[turn(i)] for i in range(len(names))]
    return alt.Shape(scale=alt.Scale(domain=list(names), range=shapes), legend=None, **more)


def turn(number: int) -> int:
    """Which of the shapes an architecture has: when the hues repeat, each gets another shape."""
    return (number + number // HUES) % len(SHAPES)


def trimmed(svg: str, label: str) -> str:
    """An SVG of its own size that has a label, without what only a drawing program needs."""
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.fromstring(svg)
    width, height = root.attrib["width"], root.attrib["height"]
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
    """Number the ids of a chart from 0: Vega numbers them across all charts of the process."""
    old = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    new = {name: f"{prefix}{i}" for i, name in enumerate(old)}
    for element in root.iter():
        if "id" in element.attrib:
            element.set("id", new[element.attrib["id"]])
        for key in ("clip-path", "mask", "fill", "stroke"):
            name = element.get(key, "").removeprefix("url(#").removesuffix(")")
            if name in new and element.get(key) == f"url(#{name})":
                element.set(key, f"url(#{new[name]})")
