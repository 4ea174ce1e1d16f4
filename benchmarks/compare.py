"""`python benchmarks/compare.py`: `compare` from the stored matrices; target: at most 2 minutes and 2 GiB.

1,000 validation and 1,000 test images of 19 classes, 10 architectures, each revision's matrices in a DVC cache of a
repository made for it, with the tests as strict as params.yaml says. Random matrices: only their size matters.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table
from pixelproof.core.errors import ExitCode

IMAGES, GROUPS, CLASSES, ARCHITECTURES = 1000, 100, 19, 10


def main() -> None:
    """Build the two revisions, compare them, and print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        repo = Path(scratch) / "repo"
        build(repo)
        found = [measured(repo) for _ in range(rounds)]
    seconds, memory = (statistics.median(values) for values in zip(*found, strict=True))
    rows = [[f"{ARCHITECTURES} x 2 x {IMAGES:,} images x {CLASSES} classes", f"{seconds:.1f} s", f"{memory:.2f} GiB"]]
    title = f"compare, from the stored matrices: median of {rounds} (target: 120 s, 2 GiB)"
    print_table(title, ["", "time", "peak memory"], rows)


def build(repo: Path) -> None:
    """A repository with two commits whose dvc.lock name matrices in the cache."""
    repo.mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"architectures": [f"net-{i}" for i in range(ARCHITECTURES)]}
    params["train"]["seeds"] = [0]
    (repo / "params.yaml").write_text(yaml.safe_dump(params))
    (repo / ".gitignore").write_text("/results/\n/data/\n")
    sh(repo, "git", "init", "-q", "-b", "main")
    sh(repo, sys.executable, "-m", "dvc", "init", "-q")
    stages = {
        f"evaluate@net-{i}-0": {"cmd": "true", "outs": [f"results/net-{i}/0/evaluate"]} for i in range(ARCHITECTURES)
    }
    stages |= {"prepare": {"cmd": "true", "outs": ["data/prepared/dataset.json"]}}
    # A stage's name in dvc.yaml cannot have an @, so each gets its own; compare reads only dvc.lock.
    listed = {name.replace("@", "-"): stage for name, stage in stages.items()}
    (repo / "dvc.yaml").write_text(yaml.safe_dump({"stages": listed}))
    for number in range(2):
        write_outputs(repo, number)
        sh(repo, sys.executable, "-m", "dvc", "commit", "-q", "-f")
        sh(repo, "git", "add", "-A")
        sh(repo, "git", "-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-q", "-m", f"revision {number}")


def write_outputs(repo: Path, number: int) -> None:
    """What prepare and evaluate would have written."""
    classes = [{"id": i, "name": f"class-{i}", "color": [i, i, i], "thing": False} for i in range(CLASSES)]
    header = {"name": "random", "classes": classes, "sources": [], "ignore_index": 255}
    (repo / "data/prepared").mkdir(parents=True, exist_ok=True)
    (repo / "data/prepared/dataset.json").write_text(json.dumps(header))
    truth = np.random.default_rng(0).integers(0, 2000, (2, IMAGES, CLASSES))
    for arch in range(ARCHITECTURES):
        folder = repo / f"results/net-{arch}/0/evaluate"
        folder.mkdir(parents=True, exist_ok=True)
        draw = np.random.default_rng([1, arch, number])
        shares = np.full((CLASSES, CLASSES), 0.2 / CLASSES) + np.eye(CLASSES) * 0.8
        matrices = draw.multinomial(truth, shares)
        (folder / "matrices.parquet").write_bytes(matrices_parquet(matrices))


def matrices_parquet(matrices: NDArray[np.int64]) -> bytes:
    """The table that evaluate writes."""
    split, image, true, predicted = np.nonzero(matrices)
    columns = {
        "split": np.array(["val", "test"])[split],
        "id": np.array([f"image-{i:04}" for i in range(IMAGES)])[image],
        "group": np.array([f"flight-{i % GROUPS:03}" for i in range(IMAGES)])[image],
        "truth": true.astype(np.uint8),
        "prediction": predicted.astype(np.uint8),
        "count": matrices[split, image, true, predicted].astype(np.uint32),
    }
    text = io.BytesIO()
    pq.write_table(pa.table(columns), text, compression="zstd")
    return text.getvalue()


def measured(repo: Path) -> tuple[float, float]:
    """Seconds and GiB of one comparison of the two commits, in its own process."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "commands", "compare", "HEAD~1", "HEAD", "--out", "out"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}  # the repository has no code
    process = psutil.Popen(command, cwd=repo, stdout=subprocess.DEVNULL, env=environment)
    most = 0
    while process.poll() is None:
        try:
            most = max(most, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    if process.wait() not in (0, ExitCode.NOT_DONE):  # 2: no metrics/ here, which is said once the pages are written
        sys.exit("error: compare failed, see above")
    return time.perf_counter() - start, most / 2**30


def sh(folder: Path, *command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    main()
