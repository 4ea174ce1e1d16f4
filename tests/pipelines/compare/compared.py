"""A git + DVC repository whose networks are one number each: real data, real stages, real revisions, in a second."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from pipelines.compare.compare import investigate
from pipelines.compare.result import Comparison
from pipelines.compare.store import Outputs, Store
from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import open_revision
from tests.pipelines.conftest import ROOT, commit, not_needed, sh

EVIL = "<img src=x onerror=alert(1)>|`b`"  # a class's name
DVC_YAML = """\
stages:
  prepare:
    cmd: python -m code_of.prepare
    deps: [code_of/prepare.py, examples/labels.json]
    outs: [data/prepared/dataset.json, data/prepared/train, data/prepared/val, data/prepared/test, results/data]
  train:
    matrix:
      arch: ${architectures}
      seed: ${train.seeds}
    cmd: python -m code_of.train ${item.arch} ${item.seed}
    params: [train.bias]
    deps: [code_of/train.py, data/prepared/train]
    outs: ["models/${item.arch}/${item.seed}"]
  evaluate:
    matrix:
      arch: ${architectures}
      seed: ${train.seeds}
    cmd: python -m stages.evaluate --arch ${item.arch} --seed ${item.seed}
    deps:
      - data/prepared/dataset.json
      - data/prepared/val
      - data/prepared/test
      - models/${item.arch}/${item.seed}
      - stages/evaluate
      - pixelproof/core/versions.json
    outs: ["results/${item.arch}/${item.seed}/evaluate"]
  report:
    cmd: python -m code_of.report
    params: [architectures, train.seeds]
    deps: [code_of/report.py, data/prepared/dataset.json, results]
    outs:
      - metrics:
          cache: false
      - tables:
          cache: false
"""
PARAMS: dict[str, Any] = {
    "seed": 0,
    "architectures": ["unet", "fcn"],
    "train": {"seeds": [0], "bias": {"unet": 0, "fcn": 4}},
    "pipelines": {
        "tolerance": 0.02,
        "retries": {},
        "retry_seconds": 0,
        "compare": {
            "alpha": 0.05,
            "gate": {"metric": "mIoU", "alarm": 0.05},
            "objects": 0.01,
            "metrics": {
                "mIoU": {"better": "higher", "tolerance": 0.005},
                "iou": {"better": "higher", "tolerance": 0.01},
            },
        },
    },
}
# An image is its labels, 60 apart, and noise; a line of labels.json is one: its group, and its labelled square's row.
PREPARE = """\
import json
from pathlib import Path
import numpy as np
from pixelproof.data.dataset import ClassInfo, Header, Sample, SplitWriter, write_header

EVIL = json.loads(Path("examples/labels.json").read_text())
root = Path("data/prepared")
names = EVIL["classes"]
header = Header("tiny", tuple(ClassInfo(i, name, (80 * i, 200, 30)) for i, name in enumerate(names)))
write_header(root, header)
for split in ("train", "val", "test"):
    writer = SplitWriter(root, split, header)
    pixels = np.zeros(256, int)
    for name, (group, where) in EVIL[split].items():
        draw = np.random.default_rng([7, *name.encode()])
        base = np.zeros((16, 16), np.uint8)
        base[:, 6:] = 1
        base[0, :4] = 255
        noise = draw.normal(0, 18, base.shape)
        mask = base.copy()
        base[4:8, 4:8] = 2
        mask[where : where + 4, 4:8] = 2
        grey = np.clip(np.where(base == 255, 0, base) * 60 + 40 + noise, 0, 255).astype(np.uint8)
        writer.add(Sample(name, group, 16, 16, "tiny"), np.repeat(grey[..., None], 3, axis=2), mask)
        pixels += np.bincount(mask.ravel(), minlength=256)
    writer.close()
    card = {"classes": [{"name": name, "pixels": int(pixels[i])} for i, name in enumerate(names)]}
    Path("results/data").mkdir(parents=True, exist_ok=True)
    Path("results/data", f"{split}.json").write_text(json.dumps(card))
"""
TRAIN = """\
import json, sys
from pathlib import Path
import yaml
arch, seed = sys.argv[1:]
bias = yaml.safe_load(Path("params.yaml").read_text())["train"]["bias"][arch]
Path("models", arch, seed).mkdir(parents=True)
Path("models", arch, seed, "weights.json").write_text(json.dumps({"bias": bias + int(seed) / 2}))
"""
EVALUATE = """\
import argparse, json
from pathlib import Path
import numpy as np
import pyarrow as pa, pyarrow.parquet as pq
from pixelproof.scoring.confusion import confusion
from pixelproof.data.dataset import iterate, read_header
from pixelproof.data.images import write_png

parser = argparse.ArgumentParser()
parser.add_argument("--arch")
parser.add_argument("--seed")
args = parser.parse_args()
data, out = Path("data/prepared"), Path("results", args.arch, args.seed, "evaluate")
bias = json.loads(Path("models", args.arch, args.seed, "weights.json").read_text())["bias"]
classes = len(read_header(data).classes)
rows = []
for split in ("val", "test"):
    for sample, image, truth in iterate(data, split):
        guess = np.clip(np.round((image[..., 0] - 40.0 + bias) / 60), 0, 2).astype(np.uint8)
        write_png(out / "masks" / split / f"{sample.id}.png", guess)
        matrix = confusion(truth, guess, classes)
        rows += [(split, sample.id, sample.group, t, p, int(matrix[t, p])) for t, p in np.argwhere(matrix).tolist()]
found = {"boundary": {"9": {"f1": 0.5}, "10": {"f1": 0.6}}, "calibration": {"ece": 0.1 + int(args.seed) / 10}}
(out / "metrics.json").write_text(json.dumps({"val": found, "test": found}))
names = ["split", "id", "group", "truth", "prediction", "count"]
pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows))))), out / "matrices.parquet")
"""
REPORT = """\
import csv, json
from pathlib import Path
import numpy as np, pyarrow.parquet as pq, yaml

params = yaml.safe_load(Path("params.yaml").read_text())
labels = [c["name"] for c in json.loads(Path("data/prepared/dataset.json").read_text())["classes"]]

def read(path):
    with pq.ParquetFile(path) as file:  # as the project reads: threads of a dataset's reader may outlive the script
        columns = file.read(use_threads=False).to_pydict()
    return {name: np.array(values) for name, values in columns.items()}

def matrix(table):
    counts = np.zeros((len(labels), len(labels)))
    np.add.at(counts, (table["truth"], table["prediction"]), table["count"])
    return counts

def each(m):
    hits, predicted, truth = np.diag(m), m.sum(axis=0), m.sum(axis=1)
    with np.errstate(invalid="ignore"):
        precision = np.where((predicted == 0) & (truth > 0), 0, hits / predicted)
        return [hits / (truth + predicted - hits), precision, hits / truth, 2 * hits / (truth + predicted)]

Path("metrics").mkdir(exist_ok=True)
Path("tables").mkdir(exist_ok=True)
rows = [["architecture", "split", "class", "iou", "precision", "recall", "f1"]]
for arch in params["architectures"]:
    tables = [f"results/{arch}/{seed}/evaluate/matrices.parquet" for seed in params["train"]["seeds"]]
    runs = [read(table) for table in tables]
    ece = float(np.mean([0.1 + seed / 10 for seed in params["train"]["seeds"]]))
    found = {}
    for split in ("test", "val"):
        every = [matrix({name: v[run["split"] == split] for name, v in run.items()}) for run in runs]
        scores = np.array([each(m) for m in every])
        means = [np.nanmean(scores[:, at], axis=1).mean() for at in (0, 3)]
        accuracy = np.mean([np.trace(m) / m.sum() for m in every])
        of = {"mIoU": means[0], "mean_f1": means[1], "pixel_accuracy": accuracy, "boundary_f1": 0.6, "ece": ece}
        found[split] = {name: round(float(value), 6) for name, value in of.items()}
        kept = [["" if np.isnan(v) else round(float(v), 6) for v in of] for of in scores.mean(axis=0).T]
        rows += [[arch, split, label, *values] for label, values in zip(labels, kept)]
    Path("metrics", f"{arch}.json").write_text(json.dumps(found))
with open("tables/per_class.csv", "w", newline="") as file:
    csv.writer(file, lineterminator="\\n").writerows(rows)
"""
GROUPS = 12


def labels() -> dict[str, Any]:
    """What the base's data is made of."""
    splits = {"train": 4, "val": GROUPS, "test": GROUPS}
    return {
        "classes": ["ground", "road", EVIL],
        **{split: {f"{split}-{i:02}": [f"{split}-flight-{i}", 4] for i in range(n)} for split, n in splits.items()},
    }


@dataclass(frozen=True)
class History:
    """The repository, and its revisions: each of the changes starts from the base."""

    repo: Path
    base: str
    data: str
    params: str
    code: str
    both: str  # data and params

    def at(self, folder: Path) -> History:
        """A copy that a test may change."""
        shutil.copytree(self.repo, folder, symlinks=True)
        return replace(self, repo=folder)


def make(repo: Path) -> History:
    """Build the base, and from it a change of the data, of the params and of the code; each is a branch."""
    for folder in ("code_of", "examples", "stages/evaluate"):
        (repo / folder).mkdir(parents=True)
    files = {"prepare": PREPARE, "train": TRAIN, "report": REPORT}
    for name, text in files.items():
        (repo / "code_of" / f"{name}.py").write_text(text)
    for package in ("bin", "commands", "pipelines", "pixelproof"):
        shutil.copytree(ROOT / package, repo / package, ignore=not_needed)
    (repo / "stages/__init__.py").touch()
    (repo / "stages/evaluate/__init__.py").touch()
    (repo / "stages/evaluate/__main__.py").write_text(EVALUATE)
    (repo / "dvc.yaml").write_text(DVC_YAML)
    (repo / "requirements.lock").write_text("ruff==1.0\nnumpy==2.4.6\n")
    (repo / ".gitignore").write_text("/data/\n/models/\n/results/\n__pycache__/\n")
    write_params(repo)
    write_labels(repo, labels())
    sh("git", "init", "-q", "-b", "main", cwd=repo)
    sh("dvc", "init", "-q", cwd=repo)
    shutil.copy(ROOT / ".dvc/config", repo / ".dvc/config")
    (repo / ".dvcignore").write_text("__pycache__\n")
    base = reproduced(repo)

    branch(repo, "data", base)
    changed = labels()
    changed["train"]["train-new"] = ["train-flight-9", 4]
    changed["train"].pop("train-03")
    changed["val"]["val-00"][1] = 6
    changed["test"]["test-00"][1] = changed["test"]["test-01"][1] = 8
    changed["test"]["test-new"] = ["test-flight-99", 4]
    write_labels(repo, changed)
    data = reproduced(repo)

    branch(repo, "params", base)
    write_params(repo, train={"seeds": [0], "bias": {"unet": 14, "fcn": 4}})
    params = reproduced(repo)

    branch(repo, "both", data)
    write_params(repo, train={"seeds": [0], "bias": {"unet": 14, "fcn": 4}})
    both = reproduced(repo)

    branch(repo, "code", base)
    rounding = EVALUATE.replace("np.round((image[..., 0] - 40.0 + bias) / 60)", "(image[..., 0] - 40.0 + bias) // 60")
    assert rounding != EVALUATE
    (repo / "stages/evaluate/__main__.py").write_text(rounding)
    (repo / "requirements.lock").write_text("ruff==2.0\nnumpy==2.4.6\n")
    code = reproduced(repo)
    sh("git", "checkout", "-q", "main", cwd=repo)
    sh("dvc", "checkout", "-q", cwd=repo)
    return History(repo, base, data, params, code, both)


def write_params(repo: Path, **changes: Any) -> None:
    """The base's params.yaml with some sections changed."""
    (repo / "params.yaml").write_text(yaml.safe_dump(PARAMS | changes))


def write_labels(repo: Path, content: dict[str, Any]) -> None:
    """What the data is made of."""
    (repo / "examples/labels.json").write_text(json.dumps(content, indent=1))


def branch(repo: Path, name: str, start: str) -> None:
    """A new branch, with git's files alone: DVC has its own idea of what must run."""
    sh("git", "checkout", "-q", "-b", name, start, cwd=repo)


def reproduced(repo: Path) -> str:
    """Run what must run, and commit."""
    sh("dvc", "repro", "-q", cwd=repo)
    return commit(repo)


def found(base: str, head: str, cross: bool = False) -> Comparison:
    """What `compare` finds in the current folder."""
    with open_repo() as repo:
        store = Store(repo)
        return investigate(Outputs(open_revision(base), store), Outputs(open_revision(head), store), cross)
