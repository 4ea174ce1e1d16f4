"""Remembered work: found again only where nothing differs, bounded, whole after a kill, shared by processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pixelproof.core.errors import DataError
from pixelproof.data.remembered import VARIABLE, Parts, Remembered, digest_of
from tests.workspace import ROOT


@dataclass(frozen=True)
class Outline:
    points: np.ndarray
    label: str


def opened(folder: Path, limit: int = 1 << 20, base: str = "") -> Remembered:
    return Remembered(folder, base, limit)


def never() -> Parts:
    raise AssertionError("made again")


def entries(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def grow_old(folder: Path, seconds: float = 60) -> None:
    for path in entries(folder):
        before = path.stat().st_mtime - seconds
        os.utime(path, (before, before))


def test_work_is_done_once(tmp_path: Path) -> None:
    parts = {"mask": b"\n1\x00", "instances": b"", "image": bytes(1000)}
    assert opened(tmp_path).recall(["a", 1], lambda: parts) == parts
    assert opened(tmp_path).recall(["a", 1], never) == parts


@pytest.mark.parametrize("change", [{"key": ["a", 2]}, {"key": ["a", "1"]}, {"base": "other code"}])
def test_anything_that_differs_is_made_again(tmp_path: Path, change: dict[str, object]) -> None:
    opened(tmp_path).recall(["a", 1], lambda: {"mask": b"old"})
    key: object = change.get("key", ["a", 1])
    again = opened(tmp_path, base=str(change.get("base", ""))).recall(key, lambda: {"mask": b"new"})  # type: ignore[arg-type]
    assert again == {"mask": b"new"}


def test_digests_tell_values_apart() -> None:
    points = np.array([[0.0, 1.0]])
    different = [
        (None,), (0,), (False,), (0.0,), (-0.0,), ("0",), (b"0",), (Path("0"),), ("a", "b"), ("ab",), (["a"], "b"),
        (["a", "b"],), ({"a": "b"},), (points,), (points.astype(np.float32),), (points.reshape(1, 2, 1),),
        (Outline(points, "a"),), (Outline(points, "b"),), (Outline(points + 1e-9, "a"),), ("\ud800",),
    ]  # fmt: skip
    assert len({digest_of(*values) for values in different}) == len(different)
    assert digest_of(Outline(points.copy(), "a")) == digest_of(Outline(np.array([[0.0, 1.0]]), "a"))
    with pytest.raises(TypeError, match="no digest of a set"):
        digest_of({"a"})


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_damage_is_found_and_repaired(tmp_path: Path, damage: str) -> None:
    opened(tmp_path).recall(["a"], lambda: {"mask": b"right" * 100})
    (path,) = entries(tmp_path)
    content = path.read_bytes()
    if damage == "other":  # a whole entry, of another key
        opened(tmp_path).recall(["b"], lambda: {"mask": b"wrong"})
        spoilt = next(each for each in entries(tmp_path) if each != path).read_bytes()
    else:
        spoilt = {"cut": content[:-1], "flip": content[:-1] + b"!", "empty": b""}[damage]
    path.write_bytes(spoilt)
    assert opened(tmp_path).recall(["a"], lambda: {"mask": b"right"}) == {"mask": b"right"}
    assert opened(tmp_path).recall(["a"], never) == {"mask": b"right"}


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    for name in "abc":
        opened(tmp_path).recall([name], lambda: {"mask": bytes(1000)})
        grow_old(tmp_path)
    opened(tmp_path).recall(["a"], never)  # now b is the oldest
    grow_old(tmp_path)
    opened(tmp_path, limit=3500).recall(["d"], lambda: {"mask": bytes(1000)})
    for name in "acd":
        opened(tmp_path).recall([name], never)
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 3500


def test_of_a_dataset_that_is_too_large_the_same_part_stays(tmp_path: Path) -> None:
    made = []
    for _ in range(3):
        done = opened(tmp_path, limit=5500)
        for number in range(20):
            done.recall([number], lambda: {"mask": bytes(1000)})
        made.append(done.made)
        grow_old(tmp_path)
    assert made == [20, 15, 15]
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 5500


def test_it_takes_half_of_the_free_disk_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 3000}))
    done = opened(tmp_path)
    for number in range(5):
        done.recall([number], lambda: {"mask": bytes(1000)})
    assert len(list(entries(tmp_path))) == 1


def test_a_full_disk_fails_no_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pixelproof.data.remembered.write_bytes", full)
    assert opened(tmp_path).recall(["a"], lambda: {"mask": b"1"}) == {"mask": b"1"}


def test_what_cannot_be_made_is_not_remembered(tmp_path: Path) -> None:
    def fail() -> Parts:
        raise DataError("x", "a whole image", "half of one", "replace it")

    with pytest.raises(DataError):
        opened(tmp_path).recall(["a"], fail)
    assert not list(entries(tmp_path))


def test_the_variable_says_how_much(tmp_path: Path) -> None:
    stage = ROOT / "stages/cvat"
    assert Remembered.of(stage, {}).limit == 20 * 2**30
    assert Remembered.of(stage, {VARIABLE: "0.5"}).limit == 2**29
    none = Remembered.of(stage, {VARIABLE: "0"}, tmp_path)
    for _ in range(2):
        none.recall(["a"], lambda: {"mask": b"1"})
    assert none.made == 2 and not list(entries(tmp_path))
    for wrong in ("much", "-1", "nan", "inf"):
        with pytest.raises(DataError, match=f"{VARIABLE}: expected a number of GiB, 0 for none"):
            Remembered.of(stage, {VARIABLE: wrong})


def test_a_change_of_code_forgets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, ground = tmp_path / "stages/cvat", tmp_path / "pixelproof"
    for path in (stage / "draw.py", ground / "data/images.py", ground / "core/versions.json", ground / "nn/build.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")
    monkeypatch.setattr("pixelproof.data.remembered.CODE", ground)

    def base() -> str:
        return Remembered.of(stage, {}).base

    before = [base()]
    for path in (stage / "draw.py", ground / "data/images.py", ground / "core/versions.json"):
        path.write_text("2\n")
        before.append(base())
    assert len(set(before)) == 4
    (ground / "nn/build.py").write_text("2\n")
    assert base() == before[-1]
    monkeypatch.setattr("cv2.__version__", "0.0")
    assert base() != before[-1]


WRITER = """
import sys
from pathlib import Path
from pixelproof.data.remembered import Remembered
done = Remembered(Path(sys.argv[1]), "", int(sys.argv[3]))
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    content = number.to_bytes(4, "big") * 50_000
    assert done.recall([number], lambda: {"mask": content}) == {"mask": content}, number
print(done.made)
"""


def writer(folder: Path, count: int, limit: int = 1 << 30) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(count), str(limit)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_several_processes_share_a_folder(tmp_path: Path) -> None:
    for limit in (1 << 30, 5_000_000):  # with room for all, and removing what others wrote
        several = [writer(tmp_path, 100, limit) for _ in range(4)]
        for one in several:
            assert one.wait(timeout=120) == 0
        grow_old(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_kill_leaves_whole_entries(tmp_path: Path) -> None:
    killed = writer(tmp_path, 100_000)
    assert killed.stdout and killed.stdout.readline() == "ready\n"
    time.sleep(0.3)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    whole = [path for path in entries(tmp_path) if path.suffix != ".tmp"]
    assert whole
    (tmp_path / "00").mkdir(exist_ok=True)
    left = tmp_path / "00/.entry.1.tmp"  # as a kill in the middle of writing leaves it
    left.write_bytes(bytes(10))
    grow_old(tmp_path, 2 * 3600)
    assert writer(tmp_path, len(whole) + 1).wait(timeout=120) == 0  # compares what it recalls
    assert not left.exists()


def test_a_copy_with_another_base_does_not_see_it(tmp_path: Path) -> None:
    done = opened(tmp_path)
    done.recall(["a"], lambda: {"mask": b"1"})
    assert replace(done, base="portable").recall(["a"], lambda: {"mask": b"2"}) == {"mask": b"2"}
