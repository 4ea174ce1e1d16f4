"""`python benchmarks/large.py`: a photograph of 24 megapixels with 300 polygons, from its export to its measurements.

Targets: `init` and the tiling in 10 s each, evaluate and measure below 1 GiB each. The photograph is made on the fly:
fields and, on them, huts of some hundred pixels. It is one of three in an export of CVAT; two small ones fill the other
splits. `prepare` runs twice: once with the photograph in train, where it is cut into tiles, and once in test, where it
stays whole. The network is trained on the tiles for some iterations, so that its predictions are not noise.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table
from pixelproof.data.splitting import split_of

WIDTH, HEIGHT, POLYGONS = 6000, 4000, 300
FIELDS = {"soil": (150, 110, 70), "grass": (80, 150, 70)}
HUTS = {"hut": (200, 70, 60), "barn": (90, 90, 200)}
GIB = 2**30
LINKED = ("bin", "commands", "pipelines", "pixelproof", "stages", "dvc.yaml", "pretrained", ".venv")
SETTINGS: dict[str, Any] = {
    "architectures": ["unet"],
    "augment.copies": 0,
    "train.batch": 2,
    "train.val_batch": 2,
    "train.iterations": 20,
    "train.val_interval": 20,
    "train.checkpoint_interval": 20,
    "measure.landing.safe": ["soil", "grass"],
    "measure.landing.forbidden": ["barn"],
    "measure.landing.keep_distance": {"hut": {"pixels": 40}},
    "measure.landing.radius": {"pixels": 60},
}


@dataclass(frozen=True)
class Cost:
    """What one process took, its children included."""

    seconds: float
    processor: float  # seconds of all cores together: what other work on the machine does not change
    peak: int  # bytes


def outline(draw: np.random.Generator, centre: tuple[float, float], radius: float, corners: int) -> NDArray[Any]:
    """A polygon around a point."""
    angles = np.sort(draw.random(corners)) * 2 * np.pi
    reach = radius * (0.7 + 0.3 * draw.random(corners))
    return np.stack([centre[0] + reach * np.cos(angles), centre[1] + reach * np.sin(angles)], axis=1)


def photograph(width: int, height: int, polygons: int, seed: int) -> tuple[bytes, str]:
    """A JPEG, and its shapes in the XML of CVAT: a field over all of it, and polygons on it."""
    draw = np.random.default_rng(seed)
    image = np.full((height, width, 3), FIELDS["soil"], np.uint8)
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    shapes = [("soil", frame, 0)]
    for number in range(polygons):
        kinds = FIELDS if number < polygons // 10 else HUTS
        name = list(kinds)[int(draw.integers(2))]
        radius = width / (12 if kinds is FIELDS else 100) * (0.5 + draw.random())
        points = outline(draw, (draw.random() * width, draw.random() * height), radius, 24)
        points = np.clip(points, 0, [width, height])
        cv2.fillPoly(image, [np.round(points).astype(np.int32)], kinds[name])
        shapes.append((name, points, 1 + number))
    noise = draw.integers(-20, 21, (height, width, 1), np.int16)
    noisy = np.clip(image + noise, 0, 255).astype(np.uint8)
    content = bytes(cv2.imencode(".jpg", cv2.cvtColor(noisy, cv2.COLOR_RGB2BGR))[1].tobytes())
    return content, "".join(
        f'<polygon label="{name}" source="manual" occluded="0" z_order="{order}" points="'
        + ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
        + '"></polygon>'
        for name, points, order in shapes
    )


def export(path: Path) -> None:
    """An export of CVAT with the photograph and two small ones, each in a folder of its own."""
    sizes = {"large/one.jpg": (WIDTH, HEIGHT, POLYGONS), "b/two.jpg": (900, 600, 20), "c/three.jpg": (900, 600, 20)}
    images = []
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, size) in enumerate(sizes.items()):
            content, shapes = photograph(*size, seed=number)
            archive.writestr(f"images/{name}", content)
            head = f'<image id="{number}" name="{name}" width="{size[0]}" height="{size[1]}">'
            images.append(f"{head}{shapes}</image>")
        labels = "".join(
            f"<label><name>{name}</name><color>#{r:02x}{g:02x}{b:02x}</color><type>any</type><attributes></attributes>"
            "</label>"
            for name, (r, g, b) in (FIELDS | HUTS).items()
        )
        meta = f"<version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"
        head = '<?xml version="1.0" encoding="utf-8"?>'
        archive.writestr("annotations.xml", f"{head}<annotations>{meta}{''.join(images)}</annotations>")


def run(folder: Path, module: str, *arguments: str) -> Cost:
    """Run a module there; its output is shown only if it fails."""
    log = folder / "log.txt"
    start = time.perf_counter()
    with log.open("wb") as file:
        command = [sys.executable, "-m", module, *arguments]
        files = [(os.POSIX_SPAWN_DUP2, file.fileno(), 1), (os.POSIX_SPAWN_DUP2, file.fileno(), 2)]
        here = Path.cwd()
        os.chdir(folder)
        process = os.posix_spawn(sys.executable, command, os.environ, file_actions=files)
        os.chdir(here)
        _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"error: {module} ended with {os.waitstatus_to_exitcode(status)}:\n{log.read_text()[-3000:]}")
    used = usage.ru_utime + usage.ru_stime
    return Cost(time.perf_counter() - start, used, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def set_params(folder: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """Change params.yaml there; returns all of it."""
    values: dict[str, Any] = yaml.safe_load((folder / "params.yaml").read_text())
    for path, value in changes.items():
        *above, last = path.split(".")
        section = values
        for name in above:
            section = section[name]
        section[last] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return values


def salt(split: dict[str, Any], wanted: str) -> int:
    """A salt that puts the photograph into a split, and an image into each."""
    for number in range(10_000):
        found = {name: split_of(name, split["val"], split["test"], number) for name in ("large", "b", "c")}
        if found["large"] == wanted and len(set(found.values())) == 3:
            return number
    raise ValueError("no salt fills every split")


def measure(folder: Path, changes: dict[str, Any]) -> dict[str, Cost]:
    """Each step in a process of its own, as DVC runs them."""
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "params.yaml", folder)
    # In a process of its own: a child's peak begins with its parent's.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(export, folder / "task.zip").result()
    found = {"init": run(folder, "commands", "init", "task.zip")}
    values = set_params(folder, SETTINGS | changes)
    found["cvat"] = run(folder, "stages.cvat")
    for wanted in ("train", "test"):
        set_params(folder, {"prepare.split.salt": salt(values["prepare"]["split"], wanted)})
        found[f"prepare, photograph in {wanted}"] = run(folder, "stages.prepare")
        if wanted == "train":
            run(folder, "stages.augment")
            run(folder, "stages.configure")
            found["train"] = run(folder, "stages.train", "--arch", "unet", "--seed", "0")
    for stage in ("evaluate", "measure"):
        found[stage] = run(folder, f"stages.{stage}", "--arch", "unet", "--seed", "0")
    return found


def main() -> None:
    """Measure and print."""
    changes = dict(argument.split("=", 1) for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory() as temporary:
        found = measure(Path(temporary), {key: yaml.safe_load(value) for key, value in changes.items()})
        size = yaml.safe_load((Path(temporary) / "params.yaml").read_text())["prepare"]["shape"]
    asked = {"init": "10 s", "prepare, photograph in train": "10 s", "evaluate": "1 GiB", "measure": "1 GiB"}
    rows = [
        [name, f"{cost.seconds:.1f} s", f"{cost.processor:.1f} s", f"{cost.peak / GIB:.2f} GiB", asked.get(name, "")]
        for name, cost in found.items()
    ]
    title = f"A photograph of {WIDTH}x{HEIGHT} with {POLYGONS} polygons, in tiles of {size['width']}x{size['height']}"
    print_table(title, ["step", "time", "processor time", "peak memory", "target: at most"], rows)


if __name__ == "__main__":
    main()
