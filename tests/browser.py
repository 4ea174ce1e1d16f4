"""Pages in a real browser: the system's Chromium, driven by Playwright, with all that a page does and asks for noted.

Playwright's own download of a browser is not used. What makes a page good is told by functions that return a list of
what is wrong, so that a test is `assert troubles(window) == []`, and its failure names the trouble.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = {1280: 900, 390: 844}  # a desk and a phone, with their heights
each_look = pytest.mark.parametrize(
    ("width", "scheme"), [(width, scheme) for width in WIDTHS for scheme in ("light", "dark")]
)
HOSTILE = (  # names that anyone may give: none of them is markup, and all of them are shown
    '<img src=x onerror="window.hacked=1">',
    "</script><script>window.hacked=1</script>",
    "\"><b>'&amp;`",
    "</style></svg><svg onload=window.hacked=1>",
    "a class name of many words that goes on and on until no column has a place for it anywhere",
    "x" * 70,
    "שלום {{ 7 * 7 }} %s",
)
NOTE_VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", event =>
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""
UNDECODABLE = """() => Promise.all([...document.querySelectorAll("img, image")].map(async picture => {
  const image = new Image();
  image.src = picture.getAttribute("src") ?? picture.getAttribute("href") ?? "";
  return image.decode().then(() => null, () => `no image: ${image.src.slice(0, 60)}`);
})).then(found => found.filter(Boolean))"""
OVERFLOWING = """() => {
  const wide = [...document.querySelectorAll("body *")].filter(one =>
    one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, [role=region], nav"));
  const page = document.documentElement.scrollWidth;
  const why = wide.slice(0, 5).map(one => one.outerHTML.slice(0, 120));
  return page > innerWidth ? [`the page is ${page} pixels wide`, ...why] : [];
}"""
CUT = """() => [...document.querySelectorAll("figure svg text")].filter(text => {
  const [own, place] = [text.getBoundingClientRect(), text.closest("figure").getBoundingClientRect()];
  return own.width && !text.closest(".scroll") && (own.left < place.left - 1 || own.right > place.right + 1);
}).map(text => `sticks out of its figure: ${text.textContent}`)"""
COVERED = """() => [...document.querySelectorAll(".scroll tbody tr:first-child th:first-child")].filter(head =>
  getComputedStyle(head).position === "sticky"
    && head.getBoundingClientRect().width > 0.75 * head.closest(".scroll").getBoundingClientRect().width
).map(head => `leaves no room for the other columns: ${head.textContent.slice(0, 80)}`)"""
GOES_ON = """() => [...document.querySelectorAll(".scroll")].find(one =>
  one.checkVisibility() && one.scrollWidth > one.clientWidth + 30)"""
LOST = """() => {
  const ids = [...document.querySelectorAll("[id]")].map(one => one.id);
  const links = [...document.querySelectorAll("a[href^='#']")].map(link => link.hash.slice(1));
  return [...ids.filter((id, i) => ids.indexOf(id) !== i).map(id => `twice the id ${id}`),
    ...links.filter(id => !ids.includes(id)).map(id => `no place to go: #${id}`)];
}"""
OPEN_ALL = """() => {
  for (const one of document.querySelectorAll("[data-panel][hidden]")) one.hidden = false;
  for (const one of document.querySelectorAll("details")) one.open = true;
}"""
RUN_AXE = """async contrast => {
  const rules = { "color-contrast": { enabled: contrast } };
  const found = await axe.run({ exclude: ["tbody tr:nth-child(n + 6)"] }, { resultTypes: ["violations"], rules });
  return found.violations.flatMap(({ impact, id, nodes }) =>
    nodes.map(node => `${impact}: ${id}: ${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`));
}"""


@dataclass
class Window:
    """An open page, and what it did until now."""

    page: Page
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        """What the page's content-security policy has refused."""
        return [f"policy: {found}" for found in self.page.evaluate("window.violations")]


@dataclass
class Chromium:
    """A running browser, which opens files."""

    browser: Browser

    @contextmanager
    def open(self, path: Path, width: int = 1280, scheme: str = "light", **settings: Any) -> Iterator[Window]:
        """A file in a window and a profile of its own, without a network."""
        size: Any = {"width": width, "height": WIDTHS[width]}
        context = self.browser.new_context(viewport=size, color_scheme=scheme, offline=True, **settings)  # type: ignore[arg-type]
        try:
            page = context.new_page()
            window = Window(page)
            page.set_default_timeout(60_000)
            page.add_init_script(NOTE_VIOLATIONS)
            page.on("console", lambda message: window.console.append(f"console: {message.text}"))
            page.on("pageerror", lambda error: window.errors.append(f"error: {error}"))
            page.on("request", lambda request: window.requests.append(request.url))
            page.goto(path.resolve().as_uri())
            yield window
        finally:
            context.close()


@contextmanager
def chromium() -> Iterator[Chromium]:
    """The system's browser; where there is none, or no Playwright, the test is skipped.

    Not for longer than a module: while it runs, nothing else in this process may use asyncio.
    """
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip("no Chromium on PATH: the pages are not looked at in a browser")
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: no page is looked at in a browser")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=executable, args=["--disable-gpu"], chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield Chromium(browser)
        finally:
            browser.close()


def troubles(window: Window) -> list[str]:
    """What no page of ours does: complain, ask for anything, break its own policy, or look broken."""
    outside = [f"asked for {url[:80]}" for url in window.requests[1:] if not url.startswith("data:")]
    return [*window.console, *window.errors, *outside, *window.violations(), *flaws(window)]


def flaws(window: Window) -> list[str]:
    """What anyone would see: pictures that are none, things cut off, a page that scrolls sideways, links to nowhere."""
    return [flaw for script in (UNDECODABLE, OVERFLOWING, CUT, COVERED, LOST) for flaw in window.page.evaluate(script)]


def shadows(window: Window) -> tuple[int, int]:
    """How far the right edge of the first table that goes on there is from its background: at first, and at its end."""
    import cv2
    import numpy as np

    table = window.page.evaluate_handle(GOES_ON).as_element()
    assert table is not None, "no table is wider than this window"
    found = []
    for where in ("0", "one.scrollWidth"):
        table.evaluate(f"one => one.scrollLeft = {where}")
        image = np.asarray(cv2.imdecode(np.frombuffer(table.screenshot(), np.uint8), cv2.IMREAD_COLOR), int)
        edge, everywhere = (np.median(part.reshape(-1, 3), axis=0) for part in (image[:, -5:-2], image))
        found.append(int(abs(edge - everywhere).max()))
    return found[0], found[1]


def barriers(window: Window, contrast: bool = True) -> list[str]:
    """What axe-core finds that keeps people out, with all panels and details open; of long tables the first rows.

    Contrast takes most of its time, and depends on the scheme more than on the width.
    Deque Systems, axe-core: https://github.com/dequelabs/axe-core
    """
    window.page.evaluate(OPEN_ALL)
    window.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    return list(window.page.evaluate(RUN_AXE, contrast))


def elements(window: Window) -> Counter[str]:
    """How many elements of each kind there are: names that stay text make none.

    Labels of charts are not counted, for a long one may take more lines, or the place of another.
    """
    every = "() => [...document.querySelectorAll('*:not(svg text, svg tspan)')].map(one => one.localName)"
    return Counter(window.page.evaluate(every))


def hacked(window: Window) -> bool:
    """Whether one of the hostile names was run."""
    return bool(window.page.evaluate("'hacked' in window"))


def unseen(window: Window, names: tuple[str, ...]) -> list[str]:
    """The names that the page does not show as they are."""
    text = " ".join(window.page.evaluate("document.body.textContent").split())
    return [name for name in names if " ".join(name.split()) not in text]


def keep_picture(window: Window, name: str) -> None:
    """Keep what the page looks like where the environment asks for it, for people to look at."""
    folder = os.environ.get("PIXELPROOF_SCREENS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        window.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
