"""Writes the ONNX file and the model card of a trained network, once the file is known to agree with PyTorch."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from commands._card import Exported, card
from commands._object_outputs import object_outputs
from commands._onnx_file import as_onnx, compare
from commands._same_objects import compare_objects
from commands._trained import NUMBERS, PREPARED, Trained, facts_in, what_trains
from pixelproof.core.errors import StateError
from pixelproof.core.files import read_json, sha256
from pixelproof.data.dataset import SPLITS
from stages.evaluate.detect import detect
from stages.train.data import Labelled, Windows, to_validate

VERSIONS = Path(__file__).parents[1] / "pixelproof/core/versions.json"


def export(trained: Trained, out: Path) -> None:
    """Export a trained network, compare it with PyTorch on the test set, and write the file and its card."""
    name, threads = trained.told, trained.params.compute.threads
    results = evidence(trained)
    test = to_validate([(PREPARED, "test")], Labelled.open([(PREPARED, "train")]).size)
    width, height = test.size
    model = trained.network(trained.fp32())
    objects = object_outputs(model, (height, width), trained.header)
    content = as_onnx(trained.arch, model, height, width, objects)
    found = compare(content, model, pixels(test), threads, objects)
    if not found.holds:
        what = "a logit" if found.output == "logits" else f"a value of {found.output}"
        unlike = f"{what} differs from PyTorch's by {found.difference:.2g} (at most {found.bound:.2g} is allowed)"
        raise refused(trained, unlike)
    said = [
        f"the largest difference of {found.output} is {found.difference:.2g} (at most {found.bound:.2g} is allowed), "
        f"{found.same:.4%} of the pixels have the same class"
    ]
    if objects:
        own = partial(detect, model, list(objects.things), trained.fp32(), "cpu")
        alike = compare_objects(content, objects, own, pixels(test), threads)
        if not alike.holds:
            raise refused(trained, alike.told())
        said.append(alike.told())
    digests = {f"{name}.onnx": hashlib.sha256(content).hexdigest(), "weights": sha256(trained.weights)}
    parameters = sum(weight.numel() for weight in model.parameters())
    exported = Exported((height, width), parameters, found.same, digests, versions(), objects)
    write_both({out / f"{name}.onnx": content, out / f"{name}.md": card(trained, results, exported).encode()})
    what = "windows of test images" if isinstance(test, Windows) else "test images"
    print(f"{len(test)} {what}: {'; '.join(said)}")
    print(f"wrote {out / name}.onnx ({len(content) / 1e6:.1f} MB) and {out / name}.md")


def pixels(test: Labelled | Windows) -> Iterator[NDArray[np.uint8]]:
    """The images of the test set, one by one."""
    return (test.read(index)[0] for index in range(len(test)))


def refused(trained: Trained, unlike: str) -> StateError:
    """The error for a file that does not do what the network does."""
    return StateError(f"ONNX of {trained.name}", unlike, "nothing was written; please report this")


def evidence(trained: Trained) -> dict[str, Any]:
    """What the stages wrote about the data and the network, whose facts must be whole: data cards and metrics."""
    facts_in(trained.weights.parent, *NUMBERS)
    paths = {split: Path(f"results/data/{split}.json") for split in SPLITS}
    paths["metrics"] = Path(f"results/{trained.arch}/{trained.seed}/evaluate/metrics.json")
    for path in paths.values():
        if not path.is_file():
            raise StateError(str(path), "no such file", what_trains(trained.arch, trained.seed))
    return {name: read_json(path) for name, path in paths.items()}


def versions() -> dict[str, str]:
    """The versions of the packages that computed the numbers, and of those that wrote and read the ONNX file."""
    read: dict[str, str] = read_json(VERSIONS)
    return read | {name: version(name) for name in ("onnx", "onnxruntime", "onnxscript")}


def write_both(contents: dict[Path, bytes]) -> None:
    """Write files that belong together: all are written to temporary files before any is renamed into place."""
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside[path].write_bytes(content)
        for path, ready in beside.items():
            ready.replace(path)
    except OSError as error:
        raise StateError(str(error.filename), str(error.strerror).lower(), "give --out another folder") from None
    finally:
        for path in beside.values():
            with contextlib.suppress(OSError):
                path.unlink()
