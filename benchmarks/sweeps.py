"""`python benchmarks/sweeps.py`: a sweep of 100 points of a toy graph, killed 5 times: 0 lost, 0 run twice.

The sweep process is killed while points are at work, and started again. Every stage logs when it ends, and every point
that is an experiment is counted. A point would be run twice if one of its stages ended twice.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table

DVC_YAML = """\
stages:
  prepare:
    cmd: python code/stage.py prepare data/prepared
    deps: [code/stage.py]
    outs: [data/prepared]
  train:
    cmd: python code/stage.py train models/unet
    params: [train.lr]
    deps: [code/stage.py, data/prepared]
    outs: [models/unet]
  report:
    cmd: python code/stage.py report metrics
    params: [train.lr]
    deps: [code/stage.py, models/unet]
    outs: [{metrics: {cache: false}}]
"""
PARAMS_YAML = """\
seed: 0
train: {lr: 0}
pipelines:
  tolerance: 0.02
  retries: {}
  retry_seconds: 0.1
  compare:
    {alpha: 0.05, objects: 0.01, gate: {metric: mIoU, alarm: 0.05}, metrics: {mIoU: {better: higher, tolerance: 0.005}}}
"""
STAGE_PY = """\
import json, pathlib, sys, time
import yaml
name, out = sys.argv[1:]
rate = yaml.safe_load(open("params.yaml"))["train"]["lr"]
time.sleep(0.5)
folder = pathlib.Path(out)
folder.mkdir(parents=True)
metrics = {"val": {"mIoU": rate / 1000}, "test": {"mIoU": rate / 2000}}
(folder / "unet.json").write_text(json.dumps(metrics))
with open(LOG, "a") as log:
    log.write(f"{name} {rate}\\n")
"""


def make(folder: Path, points: int) -> None:
    """The repository: a graph of three stages, and a sweep."""
    (folder / "code").mkdir(parents=True)
    (folder / "experiments").mkdir()
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "params.yaml").write_text(PARAMS_YAML)
    (folder / "code/stage.py").write_text(STAGE_PY.replace("LOG", repr(str(folder / "ended"))))
    (folder / "experiments/rates.yaml").write_text(f"grid: {{train.lr: {list(range(1, points + 1))}}}\n")
    (folder / ".gitignore").write_text("/data/\n/models/\n/ended\n/.pixelproof/\n")
    sh(folder, "git", "init", "-q", "-b", "main")
    sh(folder, sys.executable, "-m", "dvc", "init", "-q")
    sh(folder, "git", "add", "-A")
    sh(folder, "git", "-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-q", "-m", "toy")


def sh(folder: Path, *command: str) -> str:
    """Run a command there, which must succeed; returns what it printed."""
    return subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True, text=True).stdout


def environment() -> dict[str, str]:
    """This one's, with our code, and with the interpreter of these stages."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PYTHONPATH": str(ROOT), "PATH": path}


def sweep(folder: Path, jobs: int) -> subprocess.Popen[bytes]:
    """Start the sweep."""
    code = (
        "from pathlib import Path; from pipelines.sweeps.run import run; from pipelines.sweeps.spec import read_sweep; "
        f"state = run(read_sweep(Path('rates')), {jobs}); raise SystemExit(bool(state.failed))"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=environment(), stderr=subprocess.DEVNULL)


def ended(folder: Path) -> Counter[str]:
    """How often each stage of each point ran to its end."""
    log = folder / "ended"
    return Counter(log.read_text().splitlines() if log.exists() else [])


def kills(folder: Path, points: int, count: int, jobs: int) -> int:
    """Run the sweep, killing it at moments spread over its course; returns how often it was killed."""
    draw, killed = random.Random(0), 0
    while True:
        process = sweep(folder, jobs)
        at = points * (killed + 1) / (count + 1) if killed < count else float("inf")
        while process.poll() is None and sum(name.startswith("train") for name in ended(folder)) < at:
            time.sleep(0.05)
        time.sleep(draw.uniform(0, 2) if killed < count else 0)
        if process.poll() is not None:
            if process.returncode:
                sys.exit(f"error: the sweep ended with {process.returncode}")
            return killed
        process.kill()
        process.wait()
        killed += 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="pixelproof-") as scratch:
        folder = Path(scratch).resolve() / "toy"
        make(folder, given.points)
        began = time.monotonic()
        killed = kills(folder, given.points, given.kills, given.jobs)
        seconds = time.monotonic() - began
        listed = sh(folder, sys.executable, "-m", "dvc", "exp", "list", "--name-only").split()
        twice = [name for name, times in ended(folder).items() if times > 1]
        trees = sh(folder, "git", "worktree", "list").count("\n") - 1
    wanted = {f"rates-lr={rate}" for rate in range(1, given.points + 1)}
    row = [given.points, killed, len(wanted - set(listed)), len(twice), len(set(listed) - wanted), trees]
    head = ["points", "killed", "lost", "stages run twice", "other experiments", "worktrees left", "time"]
    title = f"A sweep of {given.points} points of a toy graph, {given.jobs} side by side, killed with SIGKILL"
    print_table(title, head, [[*map(str, row), f"{seconds:.0f} s"]])


if __name__ == "__main__":
    main()
