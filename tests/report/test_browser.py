"""The page in a real browser: it fits a phone and a desk, every image decodes, the views of the gallery switch."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from stages.report.__main__ import write
from stages.report.params import Params, Report, Seeds
from tests.report import fake

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --virtual-time-budget=5000 --dump-dom"
)
PROBE = """<script>addEventListener("load", () => {
  const shown = name => getComputedStyle(document.querySelector(".tiles " + name));
  const view = name => { document.getElementById("view-" + name).click();
    return [shown(".labels").opacity, shown(".wrong").display] };
  const found = { width: innerWidth, wide: document.documentElement.scrollWidth,
    broken: [...document.images].filter(image => !image.naturalWidth).length, images: document.images.length,
    labels: view("labels"), overlay: view("overlay"), wrong: view("wrong"),
    outside: performance.getEntriesByType("resource").filter(entry => !entry.name.startsWith("data:")).length };
  parent.postMessage(found, "*") })</script></body>"""
WINDOW = """<!doctype html><script>addEventListener("message", event => {
  const out = document.createElement("pre"); out.id = "found"; out.textContent = JSON.stringify(event.data);
  document.body.append(out) })</script><body><iframe width="{width}" height="900" style="border: 0" srcdoc="{page}">"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of four architectures and two seeds, with a script that looks at it from inside."""
    root = tmp_path_factory.mktemp("page")
    fake.make(root, seeds=(0, 1), images=4, size=48)
    write(root, Params(architectures=fake.ARCHITECTURES, train=Seeds(seeds=[0, 1]), report=Report(gallery=4)))
    return (root / "reports/index.html").read_text().replace("</body>", PROBE)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH: the page is not looked at in a browser")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_in_a_browser(page: str, tmp_path: Path, width: int) -> None:
    window = tmp_path / "window.html"  # a frame, because Chromium's own windows are at least 500 pixels wide
    window.write_text(WINDOW.replace("{width}", str(width)).replace("{page}", escape(page)))
    command = [str(BROWSER), *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", window.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    match = re.search(r'<pre id="found">(.*?)</pre>', dom)
    assert match, dom[-500:]
    found: dict[str, Any] = json.loads(unescape(match[1]))
    assert found["width"] == width
    assert found["wide"] <= width  # nothing makes the page itself scroll sideways
    assert (found["broken"], found["images"]) == (0, 4 + 4 * (1 + 2 * 4))
    assert found["outside"] == 0
    assert (found["labels"], found["overlay"]) == (["1", "none"], ["0.55", "none"])
    assert found["wrong"][0] == "0" and found["wrong"][1] != "none"
