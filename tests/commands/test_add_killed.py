"""`add`, killed at any moment: the images are as they were or as they will be, and the next `add` cleans up."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixelproof.core.params import check
from stages.cvat.archive import find_exports
from stages.cvat.convert import convert
from stages.cvat.params import Params
from stages.cvat.store import convert_store, is_store
from tests.commands.adding import Clone, export, flight, in_all
from tests.workspace import ROOT

NAMES = ("replace", "rename", "unlink", "mkdir", "rmdir")
IMAGES = {f"flight{number // 2}/{name}": value for number, (name, value) in enumerate(flight(0, 6).items())}


class Killed(BaseException):
    """Stands for SIGKILL."""


def die_at(number: int, patch: pytest.MonkeyPatch) -> Callable[[], int]:
    """From the given change of the disk on, none is made; returns what counts them."""
    done = 0

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            done += 1
            if done > number:
                raise Killed
            return change(*arguments, **options)

        return instead

    def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        nonlocal done
        if "w" not in mode:
            return plain(file, mode, *arguments, **options)
        done += 1
        found = plain(file, mode, *arguments, **options) if done <= number + 1 else None
        if done > number:  # a file that was opened, and not written
            if found:
                found.close()
            raise Killed
        return found

    plain = io.open
    for name in NAMES:
        patch.setattr(os, name, counted(getattr(os, name)))
    patch.setattr(io, "open", opened)
    return lambda: done


def canonical(clone: Clone, target: Path) -> dict[str, bytes]:
    """What the stage cvat makes of the clone as it is."""
    section = check(Params, {"cvat": clone.params()["cvat"]}).cvat
    folder = clone.folder / section.exports
    if is_store(folder):
        convert_store(folder, target, section)
    else:
        convert(find_exports(folder), target, section)
    # the header lists the classes: one more does the images no harm
    files = (path for path in target.rglob("*") if path.is_file() and path.name != "dataset.json")
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in files}


def prepared(start: str, folder: Path) -> tuple[Clone, Path]:
    """A clone, and an export that is to be added."""
    clone = Clone.at(folder)
    first = export(IMAGES, "12")
    if start == "nothing":
        (clone.folder / "examples/cvat").mkdir(parents=True)
        export({"old.png": (90, 1)}, "1").zip(clone.folder / "examples/cvat/old.zip")
        clone.edit(classes=[{"name": name, "color": "#010203", "thing": True} for name in ("panel", "yard")])
        return clone, first.zip(folder.parent / "first.zip")
    if start == "0.1.0":
        first.zip(clone.store / "first.zip")
        export(flight(50, 1)).folder(clone.store / "second")
        classes = [{"name": name, "color": "#010203", "thing": True} for name in ("panel", "yard")]
        clone.edit(exports="data/annotations", classes=classes, group="folder")
    else:
        clone.told(first.zip(folder.parent / "first.zip"))
    changed = {name: (seed, left + 2) for name, (seed, left) in [*IMAGES.items()][1:]} | flight(30, 2)
    again = export(changed, "12", labels=("panel", "fence"))
    again.images[0] = again.images[0].replace('label="panel"', 'label="fence"')
    return clone, again.zip(folder.parent / "again.zip")


@pytest.mark.parametrize("start", ["nothing", "0.1.0", "a store"])
def test_killed_before_any_change_of_the_disk(start: str, tmp_path: Path) -> None:
    clone, path = prepared(start, tmp_path / "whole")
    start_again = shutil.copytree(clone.folder, tmp_path / "as it was")
    old = canonical(clone, tmp_path / "old")
    with pytest.MonkeyPatch.context() as patch:
        count = die_at(1 << 30, patch)
        clone.told(path)
        changes = count()
    new, files = canonical(clone, tmp_path / "new"), clone.files()
    assert old != new and changes > 20
    seen = set()
    for number in range(0, changes, 2 if start == "a store" else 5):
        clone = Clone(shutil.copytree(start_again, tmp_path / f"{number}/clone"))
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            patch.setattr(os, "getpid", lambda pid=number: pid)  # its unfinished files are not called as the next one's
            die_at(number, patch)
            clone.told(path)
        now = canonical(clone, tmp_path / f"{number}/now")
        assert now in (old, new), f"killed before change {number} of {changes}"
        seen.add(now == new)
        clone.told(path)
        assert clone.files() == files, f"after change {number} of {changes}"
    assert seen == {False, True}


def test_an_export_that_was_taken_over_is_not_taken_for_a_newer_one(tmp_path: Path) -> None:
    """The task comes with other labels, and `add` is killed before it removes the older export from the folder."""
    clone, path = prepared("0.1.0", tmp_path / "clone")
    dry = canonical(clone, tmp_path / "old")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr("commands._adding.add.tidy", die_when(lambda: is_store(clone.store)))
        clone.told(path)
    assert (clone.store / "first.zip").exists()
    new = canonical(clone, tmp_path / "new")
    assert new != dry
    third = export(flight(70, 2), "13").zip(tmp_path / "third.zip")
    assert in_all(clone.add(third, dry=True)) == in_all(clone.add(third)) == (2, 0, 0, 8)
    now = canonical(clone, tmp_path / "now")
    files = {name: content for name, content in now.items() if name in new and not name.endswith("index.csv")}
    assert files == {name: content for name, content in new.items() if not name.endswith("index.csv")}
    assert sorted(each.name for each in clone.store.iterdir()) == ["exports", "index.csv", "photographs"]


def die_when(ready: Callable[[], bool]) -> Callable[[Path], None]:
    def instead(_: Path) -> None:
        if ready():
            raise Killed

    return instead


SCRIPT = """
import sys
from pathlib import Path
from commands._adding.add import Request, add
print("ready", flush=True)
add(Request([Path(sys.argv[1])]), Path(sys.argv[2]))
print("done", flush=True)
"""


def test_killed_by_the_system(tmp_path: Path) -> None:
    clone, path = prepared("a store", tmp_path / "clone")
    old = canonical(clone, tmp_path / "old")
    for number, delay in enumerate((0.02, 0.05, 0.1, 0.2)):
        command = [sys.executable, "-c", SCRIPT, str(path), str(clone.folder)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout and process.stdout.readline() == b"ready\n"
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        now = canonical(clone, tmp_path / f"now{number}")
        if now != old:
            break
    clone.told(path)
    new, files = canonical(clone, tmp_path / "new"), clone.files()
    assert now in (old, new)
    other, path = prepared("a store", tmp_path / "other/clone")
    other.told(path)
    assert other.files() == files
