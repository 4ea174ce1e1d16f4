"""The measure stage on a folder as evaluate leaves it: what it writes is consistent, and the same each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas
import pytest

from pixelproof.core.errors import PixelproofError
from pixelproof.data.dataset import ClassInfo, Header, Sample, SplitWriter, write_header
from pixelproof.data.images import write_png
from pixelproof.scoring.objects import components
from stages.measure.__main__ import measure
from stages.measure.params import Measure
from tests.stages.measure.shapes import rectangle
from tests.test_setup import locked

GRASS, WATER, CAR, PERSON = range(4)
NAMES = ("grass", "water", "car", "person")
HEADER = Header("tiny", tuple(ClassInfo(i, name, (i, i, i), thing=i >= CAR) for i, name in enumerate(NAMES)))
SIZE = (40, 48)
RESULTS = Path("results/unet/0/measure")
PARAMS: dict[str, Any] = {
    "split": "test",
    "metres_per_pixel": None,
    "objects": {"iou": 0.5, "smallest": 4, "grey_levels": 8},
    "landing": {
        "safe": ["grass"],
        "forbidden": ["water"],
        "keep_distance": {"person": {"metres": 1.0, "pixels": 5.0}},
        "radius": {"metres": 1.0, "pixels": 5.0},
        "disks": 2,
        "certainty_levels": 10,
        "pictures": 1,
    },
}


def params(**landing: Any) -> Measure:
    return Measure.model_validate(PARAMS | {"landing": PARAMS["landing"] | landing})


def scene(*boxes: tuple[int, int, int, int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Grass with rectangles on it: class, top, left, height, width."""
    mask = np.full(SIZE, GRASS, np.uint8)
    for kind, *box in boxes:
        mask[rectangle(SIZE, *box)] = kind
    return mask


POND = scene((WATER, 0, 0, 40, 48))
# id -> scale, truth, prediction
SCENES = {
    # a car 2 pixels longer than it is, a second one that is not seen, a person who is seen, and one who is not there
    "a": (
        0.25,
        scene((CAR, 4, 4, 5, 10), (CAR, 20, 4, 5, 10), (PERSON, 30, 30, 3, 3)),
        scene((CAR, 4, 4, 5, 12), (PERSON, 30, 30, 3, 3), (PERSON, 4, 40, 3, 3)),
    ),
    "b": (None, scene((WATER, 0, 0, 40, 24)), scene()),  # the network sees no water
    "c": (0.25, POND, POND),  # nothing to land on, and none looked for
    "d": (0.25, scene(), POND),  # there was a place
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone after evaluate."""
    write_tree(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_tree(root: Path) -> None:
    draw, data, evaluated = np.random.default_rng(5), root / "data/prepared", root / "results/unet/0/evaluate"
    write_header(data, HEADER)
    for split in ("val", "test"):
        writer = SplitWriter(data, split, HEADER)
        for name, (scale, truth, guess) in SCENES.items() if split == "test" else ():
            image = draw.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
            writer.add(Sample(name, "flight", SIZE[1], SIZE[0], "tiny", scale), image, truth)
            write_guess(evaluated, f"{split}/{name}", guess)
            write_png(evaluated / "certainty" / split / f"{name}.png", np.full(SIZE, 255, np.uint8))
        writer.close()


def write_guess(evaluated: Path, name: str, guess: Any) -> None:
    """Predicted classes, and the objects that hang together."""
    write_png(evaluated / "masks" / f"{name}.png", guess)
    numbers = components(guess, [CAR, PERSON]).as_map().astype(np.uint16)
    write_png(evaluated / "instances" / f"{name}.png", numbers)


def tables(root: Path, name: str) -> pandas.DataFrame:
    """A table from Parquet, which its CSV must equal."""
    table = pandas.read_parquet(root / RESULTS / f"{name}.parquet")
    text = pandas.read_csv(root / RESULTS / f"{name}.csv", keep_default_na=False, na_values=[""])
    assert list(text.columns) == list(table.columns) and len(text) == len(table)
    for column in table.columns:
        whole = text[column].fillna("").astype(str).str.lower() if table[column].dtype == object else None
        if whole is None:
            assert np.array_equal(text[column].astype(float), table[column].astype(float), equal_nan=True), column
        else:
            assert list(whole) == ["" if value is None else str(value).lower() for value in table[column]], column
    return table


def read(root: Path, name: str) -> Any:
    return json.loads((root / RESULTS / name).read_text())


def test_objects_and_their_errors(root: Path) -> None:
    measure("unet", 0, params())
    table = tables(root, "objects")
    assert table[["id", "class", "kind"]].to_numpy().tolist() == [
        ["a", "car", "found"],
        ["a", "person", "invented"],
        ["a", "person", "found"],
        ["a", "car", "missed"],
    ]
    car, invented, person, missed = (table.iloc[i] for i in range(4))
    assert car["iou"] == pytest.approx(50 / 60, abs=1e-6)
    expected = {
        "area": 10,
        "height": 0,
        "width": 2,
        "oriented_height": 2,
        "orientation": 0,
        "area_m2": 0.625,
        "width_m": 0.5,
    }
    assert {name: car[f"error_{name}"] for name in expected} == pytest.approx(expected)
    assert (car["area"], car["true_area"], car["true_width_m"], car["metres_per_pixel"]) == (60, 50, 2.5, 0.25)
    assert person["error_area"] == person["error_contrast"] == 0 and not car["border"]
    assert invented.filter(like="true_").isna().all() and invented["area"] == 9
    assert pandas.isna(missed["area"]) and (missed["true_area"], missed["true_object"]) == (50, 2)
    assert (missed["left"], missed["top"]) == (4, 20)

    found = read(root, "summary.json")
    assert (found["split"], found["images"], sorted(found["classes"])) == ("test", 4, ["car", "person"])
    cars, persons = found["classes"]["car"], found["classes"]["person"]
    assert {kind: cars[kind] for kind in ("true", "predicted", "found", "missed", "invented")} == {
        "true": 2, "predicted": 1, "found": 1, "missed": 1, "invented": 0,
    }  # fmt: skip
    assert (persons["found"], persons["invented"], persons["missed"]) == (1, 1, 0)
    assert cars["errors"]["area"] == {"objects": 1, "median_absolute": 10, "median_relative": 0.2, "bias": 10}
    assert persons["errors"]["orientation"]["objects"] == 0  # a square has no direction
    assert persons["errors"]["orientation"]["bias"] is None


def test_places_and_their_score(root: Path) -> None:
    measure("unet", 0, params())
    table = tables(root, "landing")
    # a: by prediction and by truth; b: half of it is water, which the network did not see; the best that it could have
    # chosen is 11.5 pixels (half of 24, from a pixel's centre). A corner is left beside its disk. c and d: no disk.
    assert table[["id", "rank"]].to_numpy().tolist() == [["a", 1], ["a", 2], ["b", 1], ["b", 2]]
    assert table["verdict"].tolist()[2] == "false" and table["touched"].tolist()[2] == "water"
    b = table.iloc[2]
    columns = ["x", "y", "radius", "true_clearance", "best_clearance", "lost"]
    assert b[columns].tolist() == [19, 19, 19.5, 0, 11.5, 11.5]
    assert pandas.isna(b["radius_m"]) and not b["landable"] and b["certainty"] == 1
    a = table.iloc[0]
    assert a["radius_m"] == pytest.approx(a["radius"] / 4, abs=1e-6)

    found = read(root, "landing.json")
    assert found["asked"] and found["without_disk"] == ["c", "d"]
    assert (found["images"], found["images_with_place"], found["images_without_disk"]) == (4, 3, 2)
    assert found["missed_places"] == 1 and found["false_by_class"]["water"] == 1
    firsts = table[table["rank"] == 1]
    assert found["first_disks"]["chosen"] == len(firsts) == 2
    assert found["disks"]["safe_share"] == pytest.approx((table["verdict"] == "safe").mean(), abs=1e-6)
    assert found["clearance_lost"]["pixels"]["mean"] == pytest.approx(firsts["lost"].mean(), abs=1e-6)
    assert found["clearance_lost"]["metres"]["disks"] == 1  # b has no scale
    assert found["pictures"] == ["a"]
    pictures = list((root / RESULTS / "landing").iterdir())
    assert [path.name for path in pictures] == ["a.png"]
    drawn = np.asarray(cv2.imread(str(pictures[0])))
    assert drawn.shape == (400, 480, 3)  # ten times as large
    assert (drawn == (233, 180, 86)).all(axis=2).sum() > 100  # a disk in its colour, as OpenCV orders it


def test_a_perfect_prediction_has_no_error_and_loses_nothing(root: Path) -> None:
    for name, (_, truth, _) in SCENES.items():
        write_guess(root / "results/unet/0/evaluate", f"test/{name}", truth)
    measure("unet", 0, params())
    objects, landing = tables(root, "objects"), tables(root, "landing")
    assert (objects["kind"] == "found").all() and (objects["iou"] == 1).all()
    assert (objects.filter(like="error_").fillna(0) == 0).all(axis=None)
    assert (landing["verdict"] == "safe").all() and (landing[landing["rank"] == 1]["lost"] == 0).all()
    assert (landing["radius"] == landing["true_clearance"])[landing["rank"] == 1].all()
    assert read(root, "landing.json")["missed_places"] == 0


def test_doubt_about_the_ground_makes_disks_smaller(root: Path) -> None:
    measure("unet", 0, params())
    before = tables(root, "landing").iloc[0]
    for name in SCENES:
        write_png(root / f"results/unet/0/evaluate/certainty/test/{name}.png", np.full(SIZE, 204, np.uint8))
    measure("unet", 0, params())
    after = tables(root, "landing").iloc[0]
    assert after["radius"] == pytest.approx(0.8 * before["radius"], abs=0.002) and after["certainty"] == 0.8


def test_same_bytes_every_time(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    for folder in (root, tmp_path / "elsewhere"):
        folder.mkdir(exist_ok=True)
        if folder != root:
            write_tree(folder)
        monkeypatch.chdir(folder)
        measure("unet", 0, params())
        files = sorted(path for path in (folder / RESULTS).rglob("*") if path.is_file())
        written.append({path.relative_to(folder): path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert sorted(path.name for path in written[0]) == [
        "a.png", "landing.csv", "landing.json", "landing.parquet", "objects.csv", "objects.parquet", "summary.json",
    ]  # fmt: skip


def test_a_split_without_images_and_a_landing_that_nobody_asked_for(root: Path) -> None:
    measure("unet", 0, Measure.model_validate(PARAMS | {"split": "val"}))
    assert len(tables(root, "objects")) == len(tables(root, "landing")) == 0
    assert read(root, "landing.json")["disks"]["safe_share"] is None
    assert read(root, "summary.json")["classes"]["car"]["errors"]["area"]["bias"] is None
    measure("unet", 0, params(safe=[], forbidden=["no such class"]))
    assert read(root, "landing.json") == {"asked": False, "split": "test"}
    assert len(tables(root, "objects")) == 4 and not (root / RESULTS / "landing").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"safe": ["gras"]}, r"measure.landing.safe: found 'gras'; allowed: car, grass, .*did you mean 'grass'"),
        ({"keep_distance": {"dog": {"pixels": 1.0}}}, r"measure.landing.keep_distance: found 'dog'; allowed: car"),
        (
            {"radius": {"metres": 1.0}},
            r"test/b: expected metres_per_pixel, because measure.landing.radius .* add pixels",
        ),
    ],
)
def test_what_landing_cannot_do_is_one_line(root: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PixelproofError, match=message) as caught:
        measure("unet", 0, params(**changes))
    assert "\n" not in str(caught.value) and not list((root / RESULTS).parent.glob("*measure*"))


@pytest.mark.parametrize(
    ("landing", "message"),
    [
        ({"safe": ["grass", "person"]}, "'person' twice"),
        ({"radius": {}}, "needs metres, pixels or both"),
        ({"radius": {"metres": 0.0, "pixels": 0.0}}, "above 0"),
    ],
)
def test_landing_that_contradicts_itself_is_refused(landing: dict[str, Any], message: str) -> None:
    with pytest.raises((PixelproofError, ValueError), match=message):
        params(**landing)


def test_a_scale_in_the_params_is_for_images_without_one(root: Path) -> None:
    given = Measure.model_validate(PARAMS | {"metres_per_pixel": 0.5})
    measure("unet", 0, given)
    scales = tables(root, "landing")[["id", "metres_per_pixel"]].drop_duplicates().to_numpy().tolist()
    assert scales == [["a", 0.25], ["b", 0.5]]


@pytest.mark.parametrize(
    ("path", "array", "message"),
    [
        ("masks/test/b.png", None, r"masks/test/b.png: no such file; run `dvc repro evaluate@unet-0`"),
        ("certainty/test", None, r"certainty/test: no such folder; run `dvc repro evaluate@unet-0`"),
        (
            "certainty/test/b.png",
            np.zeros((2, 2), np.uint8),
            r"certainty/test/b.png: expected certainties of \(40, 48\)",
        ),
        ("instances/test/b.png", np.zeros(SIZE, np.uint8), r"instances/test/b.png: expected objects of .* in uint16"),
        ("masks/test/b.png", np.full(SIZE, 9, np.uint8), r"masks/test/b.png: expected class ids 0 to 3"),
        ("masks/test/b.png", np.zeros((2, 2), np.uint8), r"masks/test/b.png: expected 48x40 pixels, found 2x2"),
        ("", None, r"results/unet/0/evaluate: no such folder; run `dvc repro evaluate@unet-0`"),
    ],
)
def test_what_evaluate_did_not_write_is_one_line(root: Path, path: str, array: Any, message: str) -> None:
    at = root / "results/unet/0/evaluate" / path
    if array is not None:
        write_png(at, array)
    elif at.is_dir():
        at.rename(root / "moved")
    else:
        at.unlink()
    with pytest.raises(PixelproofError, match=message) as caught:
        measure("unet", 0, params())
    assert "\n" not in str(caught.value) and not (root / RESULTS).exists()


def test_the_version_that_measure_depends_on_is_the_locked_one() -> None:
    versions = json.loads((Path(__file__).parents[3] / "stages/measure/versions.json").read_text())
    assert versions == {"scikit-image": locked()["scikit-image"]}


def test_nobody_lands_on_padding(root: Path) -> None:
    """The lower half of an image is padding, as `prepare.shape: fit` makes it, and the network takes it for grass."""
    writer = SplitWriter(root / "data/prepared", "test", HEADER)
    image, truth = np.full((*SIZE, 3), 90, np.uint8), scene()
    image[20:], truth[20:] = 0, 255
    writer.add(Sample("e", "flight", SIZE[1], SIZE[0], "tiny"), image, truth)
    for folder in ("images", "masks"):
        for path in (root / "data/prepared/test" / folder).iterdir():
            if path.stem != "e":
                path.unlink()
    writer.close()
    evaluated = root / "results/unet/0/evaluate"
    write_guess(evaluated, "test/e", scene())
    write_png(evaluated / "certainty/test/e.png", np.full(SIZE, 255, np.uint8))
    measure("unet", 0, params())
    disks = tables(root, "landing")
    assert len(disks) == 2 and (disks["y"] + disks["radius"] <= 20).all() and (disks["verdict"] == "safe").all()
