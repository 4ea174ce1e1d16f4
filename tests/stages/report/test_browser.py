"""The report in a real browser: whatever sections it has, it fits, asks for nothing, and can be used by everyone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.report.__main__ import write
from stages.report.params import Params, Report, Seeds
from tests import browser
from tests.browser import HOSTILE, WIDTHS, Chromium, Window, each_look
from tests.stages.report import fake

OUTSIDE = "https://example.org/a"
INTRUDERS = f"""
<script>window.hacked = 1</script><style>body {{ display: none }}</style><base href="{OUTSIDE}/">
<img src="x" onerror="window.hacked = 1"><img src="{OUTSIDE}.png">
<link rel="stylesheet" href="{OUTSIDE}.css"><p id="painted" style="color: rgb(1, 2, 3)">painted</p>
<a id="run" href="javascript:window.hacked = 1">run</a>
"""
FOCUSED = """() => {
  const one = document.activeElement;
  window.reached ??= new Set();
  if (one === document.body || reached.has(one)) return null;
  reached.add(one);
  const ring = getComputedStyle(one.matches(".views input") ? one.nextElementSibling : one);
  return [one.outerHTML.slice(0, 120), ring.outlineStyle];
}"""
NEVER_FOCUSED = """() => {
  const usable = "a[href], button, select, input, summary, [tabindex='0'], .scroll";
  return [...document.querySelectorAll(usable)].filter(one => one.checkVisibility() && !reached.has(one)
    && !one.matches("input[type=radio]:not(:checked)")).map(one => one.outerHTML.slice(0, 120));
}"""
PANELS = """group => Object.fromEntries([...document.querySelectorAll(`[data-panel^="${group}/"]`)]
  .map(panel => [panel.dataset.panel, !panel.hidden]))"""
COLUMN = """(head, column) => [...head.closest("table").tBodies[0].rows]
  .map(row => row.cells[column].dataset.value ?? row.cells[column].textContent.trim())"""
MARKS = "table => [...table.tHead.rows[0].cells].map(head => head.getAttribute('aria-sort'))"
PAPER = "getComputedStyle(document.body).backgroundColor"
UNFOLD = "for (const one of document.querySelectorAll('details.whole')) one.open = true"
TEXTS = """() => [...document.querySelectorAll("figure svg text")].filter(text => text.getBoundingClientRect().width)
  .map(text => parseFloat(getComputedStyle(text).fontSize) * text.ownerSVGElement.getBoundingClientRect().width
    / text.ownerSVGElement.viewBox.baseVal.width)"""
MARKED = """() => [...new Set([...document.querySelectorAll("main .mark")]
  .map(mark => `${mark.nextSibling.textContent.trim()}: ${mark.outerHTML}`))]"""
CURRENT = "[...document.querySelectorAll('nav [aria-current]')].map(link => link.hash.slice(1))"
CUT_NAV = """() => [...document.querySelectorAll("nav a, nav button")].filter(one => {
  if (!one.checkVisibility()) return false;
  const box = one.getBoundingClientRect();
  return box.left < 0 || box.right > innerWidth || one.parentElement.scrollWidth > one.parentElement.clientWidth + 1;
}).map(one => one.textContent)"""
TIPS = 8  # marks of a section that the pointer looks for


def made(root: Path, seeds: tuple[int, ...] = (0, 1), **settings: Any) -> Path:
    """A report of fake results."""
    fake.make(root, seeds=seeds, **settings)
    write(root, Params(architectures=fake.ARCHITECTURES, train=Seeds(seeds=list(seeds)), report=Report(gallery=4)))
    return root / "reports/index.html"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of four architectures and two seeds."""
    return made(tmp_path_factory.mktemp("page"), images=4, size=48)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """A browser for all tests here."""
    with browser.chromium() as running:
        yield running


@pytest.fixture
def window(chromium: Chromium, page: Path) -> Iterator[Window]:
    """The page on a desk; nothing that a test does there makes it complain."""
    with chromium.open(page) as opened:
        yield opened
        assert browser.troubles(opened) == []


@each_look
def test_it_fits_asks_for_nothing_and_keeps_nobody_out(chromium: Chromium, page: Path, width: int, scheme: str) -> None:
    with chromium.open(page, width, scheme) as window:
        browser.keep_picture(window, f"report-{width}-{scheme}")
        assert browser.troubles(window) == []
        assert browser.barriers(window, contrast=(width, scheme) in ((1280, "light"), (390, "dark"))) == []
        assert browser.troubles(window) == [], "with everything opened"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_that_goes_on_has_a_shadow_there(chromium: Chromium, page: Path, scheme: str) -> None:
    with chromium.open(page, 390, scheme) as window:
        before, at_the_end = browser.shadows(window)
    assert before > 25 and at_the_end <= 2


@pytest.mark.parametrize("width", WIDTHS)
def test_texts_of_charts_have_one_size(chromium: Chromium, page: Path, width: int) -> None:
    with chromium.open(page, width) as window:
        window.page.evaluate(browser.OPEN_ALL)
        sizes = window.page.evaluate(TEXTS)
        assert len(sizes) > 100 and {round(size, 1) for size in sizes} == {12}


def test_a_network_has_one_mark_and_legends_one_order(window: Window) -> None:
    window.page.evaluate(browser.OPEN_ALL)
    marks = window.page.evaluate(MARKED)
    names, looks = zip(*(mark.split(": ", 1) for mark in marks), strict=True)
    assert sorted(names) == sorted(fake.ARCHITECTURES) and len(set(looks)) == len(looks)
    legends = [one.locator("li").all_inner_texts() for one in window.page.locator(".legend:has(.mark)").all()]
    assert len(legends) >= 3 and all(legend == legends[0] for legend in legends)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_navigation_is_whole_and_marks_where_one_is(chromium: Chromium, page: Path, width: int) -> None:
    with chromium.open(page, width) as window:
        window.page.emulate_media(reduced_motion="reduce")
        groups = window.page.locator("nav [data-group]")
        assert groups.count() == 5 and groups.first.get_attribute("aria-current") == "location"
        for name in ("architectures", "gallery", "landing", "provenance"):
            section = window.page.locator(f"#{name}")
            window.page.evaluate("name => { location.hash = name }", name)
            for _ in range(100):  # until it has scrolled there
                if name in window.page.evaluate(CURRENT):
                    break
                window.page.wait_for_timeout(50)
            assert name in window.page.evaluate(CURRENT)
            group = section.get_attribute("data-group")
            marked = window.page.locator("nav [data-group][aria-current]").all_inner_texts()
            assert marked == [group]
            assert window.page.evaluate(CUT_NAV) == []
            assert section.bounding_box()["y"] >= 0  # type: ignore[index]
        assert window.page.locator("#landing > details").get_attribute("open") is not None, (
            "a link opens what is folded"
        )
        assert window.page.locator("#measurement > details").get_attribute("open") is None


def test_a_desk_needs_few_screens(chromium: Chromium, page: Path) -> None:
    with chromium.open(page) as window:
        assert window.page.evaluate("document.documentElement.scrollHeight") < 12_000
        last = window.page.locator(".findings li").last.bounding_box()
        assert last is not None and last["y"] < WIDTHS[1280], "what to do next is on the first screen"
        images = window.page.locator(".example img").all()
        assert len(images) == 3 and all(image.bounding_box()["y"] < 700 for image in images)  # type: ignore[index]


def test_without_scripts_everything_shows(chromium: Chromium, page: Path) -> None:
    with chromium.open(page, 390, java_script_enabled=False) as window:
        window.page.locator("details.whole").evaluate_all("folded => folded.forEach(one => { one.open = true })")
        assert [one for one in window.page.locator("[data-panel]").all() if not one.is_visible()] == []
        assert not window.page.locator("#theme").is_visible(), "a button that would do nothing"
        assert browser.flaws(window) == []


def test_the_policy_lets_nothing_else_run(chromium: Chromium, page: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.html"
    spoilt.write_text(page.read_text().replace("</main>", INTRUDERS + "</main>"))
    with chromium.open(spoilt) as window:
        window.page.locator("#run").click()
        assert not browser.hacked(window)
        assert window.page.locator("#painted").evaluate("one => getComputedStyle(one).color") != "rgb(1, 2, 3)"
        refused = {tuple(found.split()[1:3]) for found in window.violations()}
    inline = {(f"{kind}-src-{where}", "inline") for kind in ("script", "style") for where in ("elem", "attr")}
    outside = {("img-src", f"{OUTSIDE}.png"), ("style-src-elem", f"{OUTSIDE}.css"), ("base-uri", f"{OUTSIDE}/")}
    assert refused >= inline | outside


def test_names_stay_text(chromium: Chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colours = [(20 * i, 100, 30) for i in range(len(HOSTILE))]

    def report(name: str, classes: Sequence[str], networks: Sequence[str], group: str) -> Path:
        monkeypatch.setattr(fake, "ARCHITECTURES", list(networks))
        monkeypatch.setattr(fake, "SKILL", dict(zip(networks, (0.9, 0.8), strict=True)))
        monkeypatch.setattr(fake, "PRICE", dict.fromkeys(networks, (1000, 1000)), raising=False)
        known = fake.header(dict(zip(classes, colours, strict=True)))
        return made(tmp_path / name, seeds=(0,), images=2, size=24, known=known, group=group)

    with chromium.open(report("plain", "abcdefg", ("aa", "bb"), "flight"), bypass_csp=True) as window:
        expected = browser.elements(window)
    networks = (HOSTILE[0], HOSTILE[2])
    hostile = report("hostile", HOSTILE, networks, HOSTILE[1])
    with chromium.open(hostile, 390, bypass_csp=True) as window:  # so that escaping alone has to do it
        browser.keep_picture(window, "report-hostile-390")
        assert browser.unseen(window, HOSTILE) == []
        assert browser.elements(window) == expected
        hovered(window)
        assert browser.elements(window) == expected
        assert not browser.hacked(window)
        assert browser.troubles(window) == []


def test_tables_sort(window: Window) -> None:
    window.page.evaluate(UNFOLD)
    for table in window.page.locator("table.sortable:visible").all():
        whole = sorted(table.locator("tbody tr").all_inner_texts())
        heads = table.locator("thead th").all()
        for column, head in enumerate(heads):
            upward, of_numbers = in_order(head.evaluate(COLUMN, column))
            ways = [("descending", upward[::-1]), ("ascending", upward)]
            for way, expected in ways if of_numbers else ways[::-1]:  # first the best numbers, or the first names
                head.locator("button").click()
                found = head.evaluate(COLUMN, column)
                assert [value for value in found if value] == expected
                assert found == sorted(found, key=lambda value: of_numbers and value == ""), "what is absent is last"
                assert table.evaluate(MARKS) == [way if i == column else None for i in range(len(heads))]
        assert sorted(table.locator("tbody tr").all_inner_texts()) == whole


def in_order(values: list[str]) -> tuple[list[str], bool]:
    """The values that there are, upward, and whether they are numbers."""
    present = [value for value in values if value]
    try:
        return sorted(present, key=float), True
    except ValueError:
        return sorted(present, key=str.casefold), False


def test_views_switch(window: Window) -> None:
    window.page.evaluate(UNFOLD)
    for group in window.page.locator("[data-views]:visible").all():
        name = group.get_attribute("data-views")
        for view in group.locator("label").all():
            view.click()
            chosen = f"{name}/{view.locator('input').get_attribute('value')}"
            panels = window.page.evaluate(PANELS, name)
            if panels:  # else the section's own script has another use for its views
                assert [panel for panel, shown in panels.items() if shown] == [chosen]


def test_the_theme_switches(window: Window) -> None:
    button = window.page.locator("#theme")
    light = window.page.evaluate(PAPER)
    assert button.inner_text() == "Dark"
    button.click()
    assert button.inner_text() == "Light" and window.page.evaluate(PAPER) != light
    button.click()
    assert button.inner_text() == "Dark" and window.page.evaluate(PAPER) == light


def test_tab_reaches_everything_and_shows_where_it_is(window: Window) -> None:
    reached: list[list[str]] = []
    while len(reached) < 1000:
        window.page.keyboard.press("Tab")
        found = window.page.evaluate(FOCUSED)
        if found is None:
            break
        reached.append(found)
    assert window.page.evaluate(NEVER_FOCUSED) == []
    assert [html for html, outline in reached if outline == "none"] == []
    assert reached[0][0].startswith('<a class="skip"')


def test_tips_show_at_the_pointer(window: Window) -> None:
    window.page.evaluate(UNFOLD)
    assert hovered(window) > 0


def hovered(window: Window) -> int:
    """Move the pointer to marks of all sections that have any; how many sections that are."""
    tip = window.page.locator("#tip")
    sections = [one for one in window.page.locator("section").all() if one.locator("[data-tip]:visible").count()]
    for section in sections:
        marks = section.locator("[data-tip]:visible")
        known = set(marks.evaluate_all("marks => marks.map(mark => mark.dataset.tip)"))
        shown = []
        for mark in marks.all()[:TIPS]:
            mark.evaluate("mark => mark.scrollIntoView({ block: 'center', behavior: 'instant' })")
            box = mark.bounding_box() or pytest.fail("a mark without a place")
            window.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            if tip.is_visible():  # another mark, or the gap in a line, may lie there
                shown.append(tip.text_content())
                place = tip.bounding_box() or pytest.fail("a tip without a place")
                assert place["x"] >= 0 and place["x"] + place["width"] <= window.page.evaluate("innerWidth")
        assert shown and set(shown) <= known
    return len(sections)
