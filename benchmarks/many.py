"""`python benchmarks/many.py dvc|stages|disk [IMAGES...]`: what many images cost, and a few that are labelled anew.

    dvc      DVC's own commands on folders of tiny images (1,000 and 10,000); target: 10 s for a status of 10,000
    stages   cvat and prepare on 3,000 photographs of 640x480 with ten shapes each: all of them, then again after the
             labels of 1 in 150 changed (200 of 30,000); target: a tenth of the time for all
    disk     what 200 photographs take on the disk, from the labels to the prepared dataset with DVC's cache, as a
             multiple of the photographs; target: 1.3

Each run writes to a temporary folder. Processor time is given beside the time: other work on the machine does not
change it. Stages are timed with the files in the system's cache.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table
from pixelproof.data.remembered import FOLDER, VARIABLE

WIDTH, HEIGHT, SHAPES = 640, 480, 10
ANEW = 150  # one image in so many is labelled anew
NAMES = {"land": "#8c783c", "water": "#286edc", "house": "#c83c3c"}
SHAPED = {"as they are": (WIDTH, HEIGHT), "scaled to 320x240": (320, 240)}
Cost = tuple[float, float]  # seconds, and seconds of the processor


def cost(work: Callable[[], object]) -> Cost:
    """What some work took, its child processes included."""

    def used() -> float:
        several = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in several)

    start, before = time.perf_counter(), used()
    work()
    return time.perf_counter() - start, used() - before


def run(*command: str, gib: str = "20") -> None:
    """A Python module in the current folder."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: gib, "DVC_SITE_CACHE_DIR": str(Path("../site").resolve())}
    done = subprocess.run([sys.executable, "-m", *command], env=env, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


@contextmanager
def folder() -> Iterator[None]:
    """A temporary current folder."""
    with tempfile.TemporaryDirectory() as base:
        Path(base, "clone").mkdir()
        os.chdir(Path(base, "clone"))
        try:
            yield
        finally:
            os.chdir(ROOT)


def dvc_repository(graph: dict[str, Any], cache: str = "") -> None:
    """DVC, without git, in the current folder."""
    run("dvc", "init", "-q", "--no-scm")
    settings = f"[cache]\n    type = {cache}\n" if cache else ""
    Path(".dvc/config").write_text(f"[core]\n    no_scm = true\n    analytics = false\n{settings}")
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": graph}))


# --- DVC -------------------------------------------------------------------------------------------------------------


def of_dvc(count: int) -> list[str]:
    """The times of DVC's commands on a folder of so many tiny images."""
    with folder():
        Path("images").mkdir()
        for number in range(count):
            Path(f"images/{number:06d}.png").write_bytes(tiny(number))
        counting = f"\"{sys.executable}\" -c \"import os; open('count', 'w').write(str(len(os.listdir('images'))))\""
        dvc_repository({"count": {"cmd": counting, "deps": ["images"], "outs": ["count"]}})
        costs = [cost(lambda: run("dvc", "add", "-q", "images"))]
        run("dvc", "repro", "-q")
        costs.append(cost(lambda: run("dvc", "status", "-q")))
        path = Path("images/000007.png")
        path.unlink()
        path.write_bytes(tiny(count))
        costs.append(cost(lambda: run("dvc", "add", "-q", "images")))
        costs.append(cost(lambda: run("dvc", "repro", "-q")))
        Path("images").rename("../images")  # deleting takes long, too
        costs.append(cost(lambda: run("dvc", "checkout", "-q")))
    return [f"{count:,}", *map(said, costs)]


def tiny(number: int) -> bytes:
    """A PNG of 16x16 that no other number gives."""
    pixels = np.random.default_rng(number).integers(0, 256, (16, 16), np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


# --- our stages ------------------------------------------------------------------------------------------------------


def of_stages(count: int) -> list[list[str]]:
    """The times of cvat and prepare: all new, nothing changed; then a few labelled anew, without memory and with it."""
    costs: dict[str, list[Cost]] = {"cvat": [], **{f"prepare, {shape}": [] for shape in SHAPED}}
    with folder():
        export(count)
        time_each(costs, "20")
        time_each(costs, "20")
        export_labels(count, anew=True)
        time_each(costs, "0", "20")  # in turn: other work on the machine meets both
        held = sum(path.stat().st_size for path in files(FOLDER))
        print(f"All of this is remembered in {held / 1e6:.0f} MB.")
    return [[name, *map(said, several), share(several[3], several[2])] for name, several in costs.items()]


def time_each(costs: dict[str, list[Cost]], *gibs: str) -> None:
    """Run each stage with so much memory, and keep what it took."""
    for gib in gibs:
        costs["cvat"].append(cost(lambda gib=gib: run("stages.cvat", gib=gib)))  # type: ignore[misc]
    for shape, size in SHAPED.items():
        write_params(*size)
        for gib in gibs:
            costs[f"prepare, {shape}"].append(cost(lambda gib=gib: run("stages.prepare", gib=gib)))  # type: ignore[misc]


def share(part: Cost, whole: Cost) -> str:
    """By the clock, and of the processor."""
    return f"{100 * part[0] / whole[0]:.1f} % ({100 * part[1] / whole[1]:.1f} %)"


def export(count: int) -> None:
    """An export of CVAT: a folder of photographs that all differ."""
    Path("data/annotations/images").mkdir(parents=True)
    for number in range(count):
        small = np.random.default_rng(number).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
        cv2.imwrite(f"data/annotations/images/{number:06d}.jpg", cv2.resize(small, (WIDTH, HEIGHT)))
    export_labels(count)
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stages()}))
    write_params(WIDTH, HEIGHT)


def export_labels(count: int, anew: bool = False) -> None:
    """Its annotations; if labelled anew, a few images have other ones."""
    labels = "".join(f"<label><name>{name}</name><color>{color}</color></label>" for name, color in NAMES.items())
    images = "".join(labelled(number, anew and number % ANEW == 0) for number in range(count))
    head = f"<version>1.1</version><meta><task><id>1</id><labels>{labels}</labels></task></meta>"
    Path("data/annotations/annotations.xml").write_text(f"<annotations>{head}{images}</annotations>")


def labelled(number: int, anew: bool) -> str:
    """One image with its shapes: outlines of 24 points."""
    random = np.random.default_rng([number, anew])
    shapes = []
    for at in range(SHAPES):
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        radii = random.uniform(20, 90) * random.uniform(0.7, 1, 24)
        x = np.clip(random.uniform(0, WIDTH) + radii * np.cos(angles), 0, WIDTH)
        y = np.clip(random.uniform(0, HEIGHT) + radii * np.sin(angles), 0, HEIGHT)
        points = ";".join(f"{a:.2f},{b:.2f}" for a, b in zip(x, y, strict=True))
        shapes.append(f'<polygon label="{[*NAMES][at % 3]}" occluded="0" points="{points}" z_order="0"></polygon>')
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    return f'<image id="{number}" name="{number:06d}.jpg" subset="Train" {size}>{"".join(shapes)}</image>'


def stages() -> dict[str, Any]:
    """The two stages for dvc.yaml."""
    outs = {
        "cvat": ["data/cvat"],
        "prepare": ["data/prepared/dataset.json", "data/prepared/train", "results/data"],
    }
    deps = {"cvat": ["data/annotations"], "prepare": ["data/cvat"]}
    return {
        name: {"cmd": f'"{sys.executable}" -m stages.{name}', "params": [name], "deps": deps[name], "outs": outs[name]}
        for name in outs
    }


def write_params(width: int, height: int) -> None:
    """The sections that the two stages read."""
    classes = [{"name": name, "color": color, "thing": name == "house"} for name, color in NAMES.items()]
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["cvat"] |= {"exports": "data/annotations", "group": "image", "background": "land", "classes": classes}
    values["prepare"] |= {"sources": ["cvat"], "map": {}}
    values["prepare"]["shape"] = {"mode": "stretch", "width": width, "height": height, "overlap": 0}
    values["prepare"]["split"] |= {"val": 0.0, "test": 0.0}
    Path("params.yaml").write_text(yaml.safe_dump({name: values[name] for name in ("cvat", "prepare")}))


# --- the disk --------------------------------------------------------------------------------------------------------


def of_disk(count: int) -> list[list[str]]:
    """What photographs that no stage changes take, by what DVC's cache links."""
    rows = []
    for cache in ("", "hardlink,copy"):
        with folder():
            export(count)
            photographs = files(Path("data/annotations/images"))
            whole = on_disk(photographs)
            dvc_repository(stages(), cache)
            run("dvc", "add", "-q", "data/annotations")
            run("dvc", "repro", "-q")
            copies = [path for path in files(Path("data")) if path.parent.name == "images"]
            sizes = [copies + [in_cache(path) for path in photographs], files(Path()), files(FOLDER)]
            name = f"`{cache}`" if cache else "DVC's default (reflink, copy), on a disk without reflinks"
            rows.append([name, *(f"{on_disk(each) / whole:.2f}" for each in sizes)])
    return rows


def files(folder: Path) -> list[Path]:
    """All files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def in_cache(path: Path) -> Path:
    """Where DVC keeps a file's content."""
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    return Path(".dvc/cache/files/md5") / digest[:2] / digest[2:]


def on_disk(found: list[Path]) -> int:
    """The bytes of the blocks of files; one with several names counts once."""
    return sum({there.st_ino: there.st_blocks * 512 for there in (path.stat() for path in found)}.values())


def said(one: Cost) -> str:
    """Both times."""
    return f"{one[0]:.1f} s ({one[1]:.1f} s)"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["dvc", "stages", "disk"])
    parser.add_argument("images", nargs="*", type=int, help="how many")
    given = parser.parse_args(arguments)
    if given.what == "dvc":
        head = [
            "images",
            "add",
            "status",
            "add after one changed",
            "repro of a stage that reads them",
            "checkout of all",
        ]
        rows = [of_dvc(count) for count in given.images or (1000, 10_000)]
        print_table("DVC on folders of tiny images: time (processor time)", head, rows)
        return
    count = (given.images or [3000 if given.what == "stages" else 200])[0]
    if given.what == "stages":
        head = ["stage", "first run", "nothing changed", "labelled anew, nothing remembered", "labelled anew", "share"]
        title = f"{count:,} photographs of {WIDTH}x{HEIGHT}, {-(-count // ANEW)} labelled anew: time (processor time)"
        print_table(title, head, of_stages(count))
    else:
        head = ["cache.type", "photographs", "all files", "of these remembered"]
        print_table(f"The disk that {count} photographs take, as a multiple of them", head, of_disk(count))


if __name__ == "__main__":
    main()
