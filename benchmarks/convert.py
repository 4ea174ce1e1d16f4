"""`python benchmarks/convert.py [IMAGES]`: convert images in Cityscapes' layout and size; interrupt it, and go on.

The photographs (2048x1024), labels and objects are made on the fly: fields of many sizes with the noise of a camera, so
that PNGs are as large as the publisher's (2.3 MB). Memory is what all processes hold together, shared pages counted
once (PSS), looked at twenty times a second. Target: below 1.5 GiB whatever the number of images; all cores; after a
SIGKILL half-way the rest alone is converted, and the bytes are those of a run that was let alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table
from pixelproof.core.files import files_below, sha256

WIDTH, HEIGHT, WHOLE = 2048, 1024, 3475
IDS = np.array([4, 7, 8, 11, 17, 20, 21, 22, 23, 24, 26, 33], np.uint8)
WORK = """
import sys
from pathlib import Path
from pixelproof.sources import cityscapes
from pixelproof.sources.request import Request
root, target, kept, workers = sys.argv[1:]
request = Request(seed=0, archive=Path(root), options={}, workers=int(workers), kept=Path(kept) if kept else None)
cityscapes.convert(request, Path(target))
"""


def frame(root: Path, number: int) -> None:
    """One image with its labels and objects."""
    random = np.random.default_rng(number)
    split = "val" if number % 7 == 0 else "train"
    name = f"aachen_{number:06d}_000019"
    size = (WIDTH, HEIGHT)
    ids = cv2.resize(random.choice(IDS, (16, 32)), size, interpolation=cv2.INTER_NEAREST)
    objects = np.where(ids >= 24, ids.astype(np.uint16) * 1000 + 1, ids)
    image = cv2.resize(random.integers(0, 256, (16, 32, 3), np.uint8), size).astype(np.int16)
    noise = cv2.resize(random.integers(-12, 13, (HEIGHT, WIDTH // 2), np.int16), size)
    noisy = np.clip(image + noise[..., None], 0, 255).astype(np.uint8)
    for folder, ending, content in (
        ("leftImg8bit", "leftImg8bit", noisy),
        ("gtFine", "gtFine_labelIds", ids),
        ("gtFine", "gtFine_instanceIds", objects),
    ):
        path = root / folder / split / "aachen" / f"{name}_{ending}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), content)


def begin(root: Path, target: Path, kept: str, workers: int) -> subprocess.Popen[bytes]:
    """Start a conversion in a process group of its own."""
    target.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", WORK, str(root), str(target), kept, str(workers)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL, start_new_session=True)


def finish(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Seconds until its end, and the most GiB that its processes held together."""
    start, most = time.perf_counter(), 0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        most = max(most, held(watched))
        time.sleep(0.05)
    if process.returncode:
        sys.exit(f"error: the conversion ended with {process.returncode}")
    return time.perf_counter() - start, most / 2**30


def held(process: psutil.Process) -> int:
    """The bytes of a process and its children."""
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_full_info().pss
    except (psutil.Error, OSError):
        return 0  # one ended meanwhile
    return total


def digests(target: Path) -> dict[str, str]:
    """`path -> SHA-256` of all files."""
    return {path.relative_to(target).as_posix(): sha256(path) for path in files_below(target)}


def measure(base: Path, count: int) -> list[list[str]]:
    """Convert a part and all with one process, all with all cores, and all once more, killed half-way."""
    few, many, cores = base / "few", base / "many", os.cpu_count() or 1
    for root, number in ((few, count // 4), (many, count)):
        for each in range(number):
            frame(root, each)
    rows = []
    for root, number, workers in ((few, count // 4, 1), (many, count, 1), (many, count, cores)):
        seconds, gib = finish(begin(root, base / f"out-{number}-{workers}", "", workers))
        rows.append([f"{number}, {workers} processes", f"{seconds:.1f} s", f"{1000 * seconds / number:.0f} ms",
                     f"{gib:.2f} GiB", f"{WHOLE * seconds / number / 60:.1f} min"])  # fmt: skip
    kept = str(base / "kept")
    process = begin(many, base / "killed", kept, cores)
    time.sleep(seconds / 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    there = len(list(Path(kept, "notes").glob("*.json")))
    seconds, gib = finish(begin(many, base / "again", kept, cores))
    same = digests(base / "again") == digests(base / f"out-{count}-{cores}") == digests(base / f"out-{count}-1")
    rows.append([f"the other {count - there} after a SIGKILL, {cores} processes", f"{seconds:.1f} s",
                 f"{1000 * seconds / max(1, count - there):.0f} ms", f"{gib:.2f} GiB",
                 "the same bytes" if same else "OTHER BYTES"])  # fmt: skip
    return rows


def main(arguments: Sequence[str] = sys.argv[1:]) -> None:
    """Measure and print."""
    count = int(arguments[0]) if arguments else 200
    with tempfile.TemporaryDirectory() as base:
        rows = measure(Path(base), count)
    head = ["images", "time", "an image", "memory at most", f"all {WHOLE} would take"]
    print_table(f"Images in Cityscapes' layout, {WIDTH}x{HEIGHT}", head, rows)


if __name__ == "__main__":
    main()
