"""The error gallery: which images it takes, its numbers by another way, and what it does in a real browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas
import pytest
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, jaccard_score

from pixelproof.core.errors import PixelproofError
from pixelproof.data.dataset import Sample
from pixelproof.data.images import write_png
from pixelproof.scoring.matrices import Matrices
from stages.report.gather import Results, gather
from stages.report.page import render
from stages.report.params import Params, Report, Seeds
from stages.report.sections import gallery
from stages.report.sections.gallery import choose, context, mistakes, spread
from tests.browser import Chromium, chromium
from tests.stages.report import fake

IMAGES = 16
NAMES = {"<img src=x onerror=alert(1)>" if name == "tree" else name: color for name, color in fake.CLASSES.items()}
LABELS = range(len(NAMES))


def results_of(root: Path, count: int, seeds: tuple[int, ...] = (0,)) -> Results:
    """The fake results, with a gallery of so many images."""
    params = Params(
        architectures=fake.ARCHITECTURES,
        train=Seeds(seeds=list(seeds)),
        report=Report(gallery=count),
        evaluate={"objects": {"sizes": {"medium": 64, "large": 576}}},
    )
    return gather(root, params)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small results of four architectures, with a class that is called as no class should be."""
    made = tmp_path_factory.mktemp("gallery")
    fake.make(made, images=IMAGES, size=40, known=fake.header(NAMES))
    return made


def masks(root: Path, architecture: str, image: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Truth and prediction of an image, from the files."""
    folders = (root / "data/prepared/test/masks", root / "results" / architecture / "0/evaluate/masks/test")
    truth, prediction = (cv2.imread(str(folder / f"{image}.png"), cv2.IMREAD_UNCHANGED) for folder in folders)
    return np.asarray(truth, np.uint8), np.asarray(prediction, np.uint8)


def ious(root: Path, architecture: str, image: str) -> dict[int, float]:
    """IoU of each class that truth or prediction holds, by scikit-learn."""
    truth, prediction = masks(root, architecture, image)
    y, p = truth[truth != 255], prediction[truth != 255]
    present = sorted({*y.tolist(), *p.tolist()})
    return dict(zip(present, jaccard_score(y, p, labels=present, average=None), strict=True))


# --- which images ----------------------------------------------------------------------------------------------------


def test_images_are_chosen_in_turns() -> None:
    nan = np.nan
    miou = np.array([[0.9, 0.1, 0.2, 0.8, 0.7, nan], [0.2, 0.5, 0.9, 0.1, 0.6, nan]])
    one = np.array([[nan, nan], [nan, nan], [0.3, nan], [nan, nan], [0.9, 0.4], [nan, nan]])
    iou = np.stack([one, one])
    groups = ["a", "a", "b", "b", "c", "c"]
    # first network: 1; first class: 2; of the groups a, b and c in van der Corput's order a, c, b the first: 0;
    # second network: 3; second class: 4; left of the spread: 5
    assert choose(miou, iou, groups, 6) == [1, 2, 0, 3, 4, 5]
    assert choose(miou, iou, groups, 4) == [1, 2, 0, 3]
    assert choose(miou, iou, groups, 99) == [1, 2, 0, 3, 4, 5]
    assert choose(miou, iou, groups, 4, [[5, 0]]) == [1, 2, 0, 5], "what a finding speaks of has its turn"
    assert choose(miou[:1], np.full((1, 6, 2), nan), groups, 3) == [1, 0, 2]  # no class tells anything: two turns


def test_the_spread_halves_the_largest_gap() -> None:
    groups = sorted("abcdefgh" * 2)
    order = spread(groups)
    assert [groups[i] for i in order] == [*"aecgbfdh" * 2]
    assert sorted(order) == list(range(16)) and spread([]) == []


def test_mistakes_are_the_largest_and_each_class_finds_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.array([[9, 5, 0, 0], [4, 9, 1, 0], [0, 2, 9, 0], [0, 0, 0, 9]])
    assert mistakes(matrix) == [[0, 1, 5], [1, 0, 4], [2, 1, 2], [1, 2, 1]]  # 3 is all right
    monkeypatch.setattr(gallery, "PAIRS", 0)
    assert mistakes(matrix) == [[0, 1, 5], [2, 1, 2]]  # 1 taken for 0 is smaller than 0 taken for 1
    assert mistakes(np.diag([3, 4])) == []


# --- what the page is given ------------------------------------------------------------------------------------------


def test_the_numbers_and_the_pixels_are_those_of_the_files(root: Path) -> None:
    found = context(results_of(root, 6))
    assert found is not None
    assert len(found["data"]["images"]) == 6 and found["total"] == IMAGES
    for image in found["data"]["images"]:
        size = image["width"] * image["height"]
        pixels = np.frombuffer(zlib.decompress(base64.b64decode(image["maps"])), np.uint8).reshape(-1, size)
        assert len(pixels) == 1 + 2 * len(found["data"]["networks"])
        for at, name in enumerate(found["data"]["networks"]):
            truth, prediction = masks(root, name, image["id"])
            assert (pixels[0] == truth.ravel()).all() and (pixels[1 + at] == prediction.ravel()).all()
            assert set(pixels[5 + at]) <= {6, 9}  # of the fake's certainties, 0.6 where it is wrong
            by_class, of = ious(root, name, image["id"]), image["scores"][at]
            assert of["iou"] == [round(by_class[label], 4) if label in by_class else None for label in LABELS]
            assert of["miou"] == round(float(np.mean(list(by_class.values()))), 4)
            kept = truth != 255
            wrong = confusion_matrix(truth[kept], prediction[kept], labels=list(LABELS))
            np.fill_diagonal(wrong, 0)
            assert of["right"] == round(1 - wrong.sum() / kept.sum(), 4)
            assert of["mistakes"][0][2] == wrong.max() == wrong[tuple(of["mistakes"][0][:2])]


def test_pictures_over_the_budget_are_left_out_and_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = context(results_of(root, 6))
    assert whole is not None
    first = whole["data"]["images"][:2]
    monkeypatch.setattr(gallery, "BUDGET", sum(len(image["photo"]) + len(image["maps"]) for image in first))
    found = context(results_of(root, 6))
    assert found is not None and found["data"]["images"] == first and found["left_out"] == 4
    assert "4 more would have made the page too large" in render(results_of(root, 6))


def test_nothing_to_show(root: Path, tmp_path: Path) -> None:
    assert context(results_of(root, 0)) is None
    fake.make(tmp_path, images=2, size=24)
    for folder in ("images", "masks"):
        shutil.rmtree(tmp_path / "data/prepared/test" / folder)
    index = tmp_path / "data/prepared/test/index.csv"
    index.write_text(index.read_text().splitlines()[0] + "\n")
    assert "The test split has no images." in render(results_of(tmp_path, 4))


def test_an_image_without_a_labelled_pixel(root: Path) -> None:
    matrices = np.zeros((2, 1, 3, 3), np.int64)
    run = results_of(root, 1).runs["unet"][0]
    runs = [replace(run, matrices={"test": Matrices(["one"], ["g"], each)}) for each in matrices]
    of = gallery.scored([Sample("one", "g", 4, 4, "s")], runs, 3)
    assert choose(of.miou, of.iou, of.groups, 3) == [0]
    assert gallery.numbers(of, 0, [np.array([0]), np.array([4])])[1] == {
        "miou": None,
        "right": None,
        "iou": [None] * 3,
        "mistakes": [],
        "small": 4,
    }


@pytest.mark.parametrize("kind", ["masks", "certainty"])
@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such file"), (b"no image", "a whole PNG image"), (b"small", "40x40 pixels")]
)
def test_a_broken_picture_is_named(root: Path, tmp_path: Path, kind: str, content: bytes | None, said: str) -> None:
    shutil.copytree(root, tmp_path / "copy")
    path = tmp_path / "copy/results/pspnet-r18/0/evaluate" / kind / "test/test-00.png"
    path.unlink()
    if content == b"small":
        write_png(path, np.zeros((8, 8), np.uint8))
    elif content:
        path.write_bytes(content)
    with pytest.raises(PixelproofError) as error:
        context(results_of(tmp_path / "copy", IMAGES))
    assert all(
        text in str(error.value) for text in (f"pspnet-r18/0/evaluate/{kind}/test/test-00.png", said, "dvc repro")
    )


def test_results_of_other_images_are_named(root: Path) -> None:
    results = results_of(root, 2)
    run = results.runs["unet"][0]
    run.matrices["test"] = run.matrices["test"].select(run.matrices["test"].ids[1:])
    with pytest.raises(PixelproofError, match=r"unet/0/evaluate/matrices.parquet: test images other than .*dvc repro"):
        context(results)


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def html(root: Path) -> str:
    """The page with all images, so that eight are shown first."""
    return render(results_of(root, IMAGES))


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """A Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Chromium, html: str, tmp_path: Path) -> Iterator[Any]:
    """The report in a window; nothing may go wrong in it."""
    (tmp_path / "index.html").write_text(html)
    with browser.open(tmp_path / "index.html") as window:
        yield window.page
        assert [*window.console, *window.errors, *window.violations()] == []


def shown(page: Any) -> list[str]:
    """The ids of the cards in their order."""
    ids: list[str] = page.locator("#gallery-shots .open").all_text_contents()
    return ids


def test_filter_order_and_more(page: Any, root: Path, html: str) -> None:
    data = re.search(r'id="gallery-data">(.*?)</script>', html)
    assert data and "<" not in data[1]
    names = json.loads(data[1])["networks"]
    ids = [f"test-{i:02}" for i in range(IMAGES)]

    def by_hand(name: str, label: int | None) -> list[str]:
        kept = {i: ious(root, name, i) for i in ids}
        if label is not None:
            value = {i: round(of[label], 4) for i, of in kept.items() if label in of}
        else:
            value = {i: round(float(np.mean(list(of.values()))), 4) for i, of in kept.items()}
        return sorted(value, key=lambda i: (value[i], i))

    worst = by_hand(names[0], None)
    assert shown(page) == worst[:8]
    assert page.locator("#gallery-more").text_content() == "Show 8 more of 8"
    page.click("#gallery-more")
    assert shown(page) == worst and page.locator("#gallery-more").is_hidden()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(worst[8])
    page.select_option("#gallery-network", "2")
    assert shown(page) == by_hand(names[2], None)[:8]
    page.select_option("#gallery-class", "4")
    held = by_hand(names[2], 4)
    assert shown(page) == held[:8]
    page.select_option("#gallery-class", str(len(NAMES) - 1))
    assert shown(page) == [] and "0 images with \u2068pool\u2069" in page.locator("#gallery-said").text_content()
    page.select_option("#gallery-class", "")
    page.select_option("#gallery-order", "name")
    assert shown(page) == ids[:8]
    page.select_option("#gallery-order", "best")
    assert [*map(by_hand(names[2], None).index, shown(page))] == sorted(range(8, IMAGES), reverse=True)


def wrong_pixels(root: Path, name: str, truth: int, called: int) -> dict[str, int]:
    """How many pixels of a class each image has that were taken for another, of those that have any."""
    both = {f"test-{i:02}": masks(root, name, f"test-{i:02}") for i in range(IMAGES)}
    counts = {image: int(((true == truth) & (found == called)).sum()) for image, (true, found) in both.items()}
    return {
        image: counts[image] for image in sorted(counts, key=lambda image: (-counts[image], image)) if counts[image]
    }


def test_a_cell_opens_its_images(page: Any, root: Path) -> None:
    page.emulate_media(reduced_motion="reduce")  # scrolls at once; else the test may look on the way
    network = page.locator("#gallery-network option").nth(1).text_content()
    page.locator('[name="confusions"][value="1"]').check(force=True)
    table = page.locator(".confusion:visible table")
    table.locator("tbody tr").nth(1).locator("td").nth(0).click()
    expected = wrong_pixels(root, network, 1, 0)
    assert shown(page) == list(expected)[:8] and page.locator("#gallery-network").input_value() == "1"
    only = page.locator("#gallery-only")
    assert only.text_content().startswith("Only \u2068grass\u2069 mistaken for \u2068paved\u2069")
    assert page.evaluate("document.activeElement.id") == "gallery-only"
    assert 60 < page.locator("#gallery").bounding_box()["y"] < 90, "they are on the screen, below the navigation"
    only.click()
    assert only.is_hidden() and len(shown(page)) == 8

    # by keys: arrows move within the table, Enter opens; the diagonal is all images of the class
    table.locator("td[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#gallery-class").input_value() == "1" and only.is_hidden()
    table.locator("tbody tr").nth(len(NAMES) - 1).locator("td").first.click()
    assert shown(page) == [] and page.locator("#gallery-said").text_content().startswith("0 of these 16 images have")


def test_findings_open_their_images(page: Any, root: Path) -> None:
    network = page.locator("#gallery-network option").first.text_content()
    links = page.locator(".findings a")
    for link in links.all():
        truth, called, label, small = (
            link.get_attribute(f"data-show-{key}") for key in ("truth", "called", "label", "small")
        )
        link.click()
        if truth is not None:
            assert shown(page) == list(wrong_pixels(root, network, int(truth), int(called)))[:8]
        elif label is not None:
            assert page.locator("#gallery-class").input_value() == label
        else:
            assert small == "1"
            rows = pandas.read_parquet(root / f"results/{network}/0/evaluate/objects.parquet")
            missed = rows[(rows["split"] == "test") & (rows["kind"] == "missed") & (rows["area"] < 64)]
            counts = missed["id"].value_counts()
            assert shown(page) == sorted(counts.index, key=lambda image: (-counts[image], image))[:8]
    assert links.count() >= 3


def test_the_slider_wipes_and_the_modes_draw(page: Any, root: Path) -> None:
    card = page.locator("#gallery-shots .shot").first
    slider, image = card.locator("input"), shown(page)[0]
    assert slider.get_attribute("aria-label").endswith("truth | prediction")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    width = card.locator(".stage").bounding_box()["width"]
    clip = card.locator(".layer.truth").evaluate("e => getComputedStyle(e).clipPath")
    assert re.search(r"\b40%", clip)  # the right 40 % of the truth are wiped away
    card.locator(".stage").click(position={"x": width / 4, "y": 20})
    assert abs(int(slider.input_value()) - 25) <= 2  # the handle is where the finger is

    # pixels that are painted as mistakes are the wrong ones, and all of them
    page.locator("#gallery-controls").get_by_text("Mistakes").click()
    page.wait_for_function("document.querySelector('.shot .found canvas').width === 120")

    def drawn() -> NDArray[np.bool_]:
        opacity = page.evaluate(
            "() => { const c = document.querySelector('.shot .found canvas'), d = c.getContext('2d');"
            "return Array.from(d.getImageData(0, 0, 120, 120).data).filter((_, i) => i % 4 === 3) }"
        )
        return np.reshape(opacity, (120, 120))[1::3, 1::3] > 0

    network = page.locator("#gallery-network option").first.text_content()
    truth, prediction = masks(root, network, image)
    wrong = (truth != 255) & (truth != prediction)
    assert (drawn() == wrong).all()

    # of a chosen class, those that it has part in
    page.select_option("#gallery-class", "3")
    page.wait_for_function("document.querySelector('.shot .found canvas').width === 120")
    other, found = masks(root, network, shown(page)[0])
    of_class = (other != 255) & (other != found) & ((other == 3) | (found == 3))
    assert of_class.any() and (drawn() == of_class).all()
    page.select_option("#gallery-class", "")

    # what is under the pointer is said
    page.locator("#gallery-controls").get_by_text("Photo", exact=True).click()
    row, column = np.argwhere(wrong)[0]
    box = card.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + (column + 0.5) / 40 * box["width"], box["y"] + (row + 0.5) / 40 * box["height"])
    label = [f"\u2068{name}\u2069" for name in NAMES]
    expected = f"truth: {label[truth[row, column]]}, prediction: {label[prediction[row, column]]}, 60 % certain"
    assert page.locator("#tip").text_content() == expected


def test_the_dialog_shows_all_networks_and_gives_the_focus_back(page: Any) -> None:
    ids = shown(page)
    opener = page.locator("#gallery-shots .open").nth(1)
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#gallery-dialog")
    assert dialog.is_visible() and dialog.locator("h3").text_content() == ids[1]
    assert dialog.locator(".large figcaption > b").all_text_contents()[0] == "Ground truth"
    assert dialog.locator(".large figure").count() == 1 + len(fake.ARCHITECTURES)
    assert "pool" not in dialog.locator("tbody th").all_text_contents()  # a class that nothing of it holds
    assert dialog.locator(".legend li:visible").all_text_contents() == dialog.locator("tbody th").all_text_contents()
    page.keyboard.press("ArrowRight")
    assert dialog.locator("h3").text_content() == ids[2]
    dialog.locator(".large .stage").nth(1).hover()
    assert page.locator("#tip").text_content().startswith("truth: ")
    assert page.evaluate("document.getElementById('tip').parentElement.id") == "gallery-dialog"
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    assert page.evaluate("document.activeElement.textContent") == ids[1]
    assert page.evaluate("document.getElementById('tip').parentElement.localName") == "body"


def test_a_phone_has_one_column_and_no_script_has_pictures(browser: Chromium, html: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(html)
    phone: Any = browser.browser.new_page(viewport={"width": 390, "height": 844})
    phone.goto((tmp_path / "index.html").as_uri())
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    assert len({round(box["x"]) for box in (phone.locator(".shot").nth(i).bounding_box() for i in range(3))}) == 1
    plain = browser.browser.new_page(java_script_enabled=False)
    plain.goto((tmp_path / "index.html").as_uri())
    assert plain.locator(".still img").count() == 12
    assert plain.locator("#gallery-controls").is_hidden()
