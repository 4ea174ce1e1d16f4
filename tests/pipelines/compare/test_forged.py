"""Records that were forged so that every hash fits: images left out, metrics added, lists exchanged."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines.compare.as_markdown import as_markdown
from pipelines.compare.facts import twins
from pipelines.compare.kept import _given
from pipelines.compare.page import as_page
from pipelines.compare.store import Outputs, Store
from pipelines.dvc.check import untrue_at
from pipelines.dvc.graph import open_repo
from pipelines.dvc.lock import DvcLock, Record
from pipelines.dvc.revision import open_revision
from pixelproof.core.errors import StateError
from tests.pipelines.compare.compared import History, found
from tests.pipelines.conftest import commit, python, sh

pytestmark = [pytest.mark.slow, pytest.mark.promise]  # the repository takes a while to build
RESULTS = Path("results/unet/0/evaluate")
WHERE = f"{RESULTS}/matrices.parquet"


def forged(change: Callable[[pd.DataFrame], pd.DataFrame]) -> str:
    """A commit whose matrices of unet were edited, with a cause that explains it and metrics/ that follow from it."""
    code = Path("stages/evaluate/__main__.py")
    code.write_text(code.read_text() + "# a cause\n")
    change(pd.read_parquet(WHERE, use_threads=False)).to_parquet(WHERE, index=False)
    sh("dvc", "commit", "-q", "-f", "evaluate@unet-0", "evaluate@fcn-0", cwd=Path())
    sh("dvc", "repro", "-q", "--single-item", "report", cwd=Path())
    return commit(Path())


def without_images(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["split"] != "val") | (table["id"] > "val-06")]


def of_another_image(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(id=table["id"].replace("val-00", "val-zz"))


def regrouped(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(group=table["group"].replace("val-flight-1", "val-flight-0"))


def without_pixels(table: pd.DataFrame) -> pd.DataFrame:
    wrong = (table["split"] == "val") & (table["truth"] == 0) & (table["prediction"] != 0)
    assert wrong.any()
    return table[~wrong]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_images, "val lacks 7 of the 12 images of data/prepared/val (val-00, val-01, val-02 and 4 more)"),
        (of_another_image, "val lacks 1 of the 12 images of data/prepared/val (val-00)"),
        (regrouped, "val has 1 images in other groups than data/prepared/val (val-01)"),
        (without_pixels, "true pixels of ground, but results/data/val.json counted"),
    ],
)
def test_matrices_that_are_not_of_the_data_are_refused(
    history: History, change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    head = forged(change)
    with open_repo() as repo:
        partial, false = untrue_at(repo, open_revision(head))
    assert false == [] and said in partial[0] and partial[0].startswith(f"{WHERE}: val ")
    result = found(history.base, head)
    assert list(result.facts.unlike_data) == partial
    lines = as_markdown(result), as_page(result, [], [])
    assert lines[0].startswith("### Comparison: the head's results are not of its data; ")
    assert all("evaluation data changed" not in text for text in lines)


def test_what_hides_a_collapse_fails_check_and_compare(history: History) -> None:
    head = forged(without_images)
    line = f"{WHERE}: val lacks 7 of the 12 images of data/prepared/val (val-00, val-01, val-02 and 4 more)"
    done = python("compare", history.base, head, "--require-evidence", cwd=history.repo)
    assert done.returncode == 2 and done.stderr.startswith(f"error: {head}: {line}; run `dvc repro --force")
    checked = python("check", head, cwd=history.repo)
    assert checked.returncode == 1 and line in checked.stdout.splitlines()


def test_other_images_of_the_same_data_are_no_change_of_it_even_if_the_data_is_not_here(history: History) -> None:
    head = forged(without_images)
    with open_repo() as repo:
        lock = Outputs(open_revision(head), Store(repo)).lock
    for path in ("data/prepared/val", "results/data"):
        digest = lock.hash_of(path) or ""
        Path(".dvc/cache/files/md5", digest[:2], digest[2:]).unlink()
    result = found(history.base, head)
    assert result.facts.unlike_data == () and result.facts.unexplained
    assert result.facts.alarms[0].things == ("data/prepared/val: 7 images",)
    assert "evaluation data changed" not in as_markdown(result) + as_page(result, [], [])


def metrics(name: str, change: Callable[[dict[str, dict[str, float]]], object]) -> None:
    content = json.loads(Path("metrics/unet.json").read_text())
    change(content)
    Path(f"metrics/{name}.json").write_text(json.dumps(content))


def table(change: Callable[[list[list[str]]], object]) -> None:
    path = Path("tables/per_class.csv")
    rows = list(csv.reader(path.read_text().splitlines()))
    change(rows)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda: metrics("supernet", dict), "metrics/supernet.json: of a network without results"),
        (Path("metrics/fcn.json").unlink, "metrics/fcn.json: no such file, although dvc.lock has its results"),
        (lambda: metrics("unet", lambda of: of["val"].pop("mIoU")), "metrics/unet.json: val.mIoU is missing"),
        (
            lambda: metrics("unet", lambda of: of["val"].update(best=1)),
            "metrics/unet.json: val.best is no number that report writes",
        ),
        (
            lambda: table(lambda rows: rows[1].__setitem__(3, "0.99")),
            "tables/per_class.csv: unet/test/ground: iou is 0.99, but the matrices give",
        ),
        (lambda: table(lambda rows: rows.pop(2)), "tables/per_class.csv: unet/test/road is missing"),
        (
            lambda: table(lambda rows: rows.append(["supernet", *rows[1][1:]])),
            "tables/per_class.csv: supernet/test/ground is of a network without results",
        ),
        (lambda: table(lambda rows: rows.append(rows[1])), "tables/per_class.csv: not a table of architecture, "),
        (Path("tables/per_class.csv").unlink, "tables/per_class.csv: no such file"),
        (lambda: Path("tables/best.csv").write_text("a\n"), "tables/best.csv: no table that report writes"),
    ],
)
def test_files_keys_and_rows_that_results_do_not_give_are_refused(
    history: History, edit: Callable[[], object], said: str
) -> None:
    edit()
    sh("dvc", "commit", "-q", "-f", "report", cwd=Path())
    head = commit(Path())
    with open_repo() as repo:
        partial, false = untrue_at(repo, open_revision(head))
        assert untrue_at(repo, open_revision(history.base)) == ([], [])
    assert partial == [] and len(false) == 1 and false[0].startswith(said)


def test_another_catalogue_of_metrics_is_no_forgery(history: History) -> None:
    path = Path("pixelproof/scoring/catalogue.py")
    path.write_text(path.read_text() + "# other code\n")
    metrics("unet", lambda of: of["val"].update(best=1))
    head = commit(Path())
    sh("git", "checkout", "-q", history.base, cwd=Path())
    with open_repo() as repo:
        assert untrue_at(repo, open_revision(head)) == ([], [])


@pytest.mark.parametrize(
    "left", [b"", b"{", b"[" * 100_000, b"[]", b'[{"md5": 1}]', b'[{"md5": 1, "relpath": "a"}]', None]
)
def test_a_list_in_the_cache_that_is_not_what_its_name_says_is_one_line(history: History, left: bytes | None) -> None:
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    names = [lock["stages"][f"evaluate@{arch}-0"]["outs"][0]["md5"] for arch in ("unet", "fcn")]
    mine, other = (Path(".dvc/cache/files/md5", name[:2], name[2:]) for name in names)
    mine.chmod(0o644)
    mine.write_bytes(other.read_bytes() if left is None else left)
    with pytest.raises(StateError) as error:
        found(history.base, history.params)
    assert f"the list of results/unet/0/evaluate in DVC's cache ({names[0]}): damaged" in str(error.value)
    assert "\n" not in str(error.value)


def test_two_seeds_with_the_same_results_are_named() -> None:
    outs: dict[str, str | None] = {
        f"results/unet/{seed}/evaluate": digest for seed, digest in enumerate(("a.dir", "b.dir", "a.dir"))
    }
    weights: dict[str, str | None] = {f"models/unet/{seed}": "w.dir" for seed in range(3)}
    lock = DvcLock({"evaluate": Record(outs=outs), "train": Record(outs=weights)})
    assert twins(lock) == ["results/unet/2/evaluate is results/unet/0/evaluate"]


def test_a_split_without_images_has_rows_without_numbers() -> None:
    """As report writes them: a dataset whose test labels are kept back is no forgery."""
    counted = SimpleNamespace(counts=np.array([[[3, 1], [0, 4]]], np.int64))
    seeds: Any = {0: {"val": counted}}
    given = _given("unet", seeds, ["iou"], ("sky", "road"))
    assert given["unet", "val", "sky"] == [0.75] and given["unet", "val", "road"] == [0.8]
    assert given["unet", "test", "sky"] == given["unet", "test", "road"] == [None]
