"""`python -m stages.cvat init EXPORT`: take a team's own export into the repository and write params.yaml for it."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from stages.cvat.convert import convert
from stages.cvat.describe import describe
from stages.cvat.edit import set_values
from stages.cvat.export import export_name, find_exports, open_export
from stages.cvat.params import IGNORED, Cvat, Params
from stages.dataset import IGNORE, UNSPLIT, Sample, iterate
from stages.errors import DataError
from stages.files import whole_folder, write_bytes, write_text
from stages.params import check, load, read_yaml
from stages.splitting import Split, best_salt, images_per_split

FOLDER = "annotations"
UNLABELLED = 0.05  # with more of the pixels than this outside every shape, they are a class of their own
BACKGROUND = {"name": "background", "color": "#000000", "thing": False}
VOID = ("ignore", "void", "unlabeled", "unlabelled")


def init(export: Path, root: Path) -> list[str]:
    """Check the export, copy it into `annotations/`, write params.yaml; returns what to tell the person.

    A second export is added to the first: what params.yaml says by then is kept, and new labels are appended.
    """
    before = load("cvat", Params, root).cvat
    kept = before if before.exports == FOLDER else None
    split = check(Split, (read_yaml(root / "params.yaml").get("prepare") or {}).get("split") or {}, "prepare.split.")
    exports = _with_those_there(export, root / FOLDER)
    with ExitStack() as stack:
        params = describe([stack.enter_context(open_export(path)) for path in exports], FOLDER, kept)
    with tempfile.TemporaryDirectory() as scratch:
        convert(exports, Path(scratch) / "data", params)
        samples, unlabelled = _measure(Path(scratch) / "data")
    params = params if kept else with_background(params, unlabelled)
    groups = Counter(sample.group for sample in samples)
    salt = split.salt if kept else _salt(export, groups, split)
    changes = _changes(params, salt, again=kept is not None)
    text = set_values((root / "params.yaml").read_text(), changes)
    _copy(export, root / FOLDER)
    write_text(root / "params.yaml", text)
    shares = images_per_split(groups, split.val, split.test, salt)
    return _told(params, samples, len(groups), unlabelled, shares, sorted(changes))


def with_background(params: Cvat, unlabelled: float) -> Cvat:
    """What becomes of pixels outside every shape: a label that is called background, or a new class if they are many."""
    values = params.model_dump()
    name = next((label.name for label in params.classes if label.name.lower() == "background"), None)
    if name is None and unlabelled > UNLABELLED:
        values["classes"].append(BACKGROUND)
        name = str(BACKGROUND["name"])
    return Cvat.model_validate({**values, "background": name or IGNORED})


def _with_those_there(export: Path, folder: Path) -> list[Path]:
    """The export, and those that `annotations/` holds already; one of the same name is replaced."""
    there = find_exports(folder) if folder.is_dir() and any(folder.iterdir()) else []
    return [*(path for path in there if export_name(path) != export_name(export)), export]


def _measure(root: Path) -> tuple[list[Sample], float]:
    """The images, and the share of their pixels that no shape covers."""
    samples, outside, pixels = [], 0, 0
    for sample, _, mask in iterate(root, UNSPLIT):
        samples.append(sample)
        outside, pixels = outside + int(np.count_nonzero(mask == IGNORE)), pixels + mask.size
    return samples, outside / pixels


def _salt(export: Path, groups: Counter[str], split: Split) -> int:
    salt = best_salt(groups, split.val, split.test)
    if salt is None:
        raise DataError(export, "images of three groups or more", f"{len(groups)}", "train, val and test need one each")
    return salt


def _changes(params: Cvat, salt: int, again: bool) -> dict[str, Any]:
    section = {f"cvat.{key}": value for key, value in params.model_dump().items()}
    if again:
        return {key: section[key] for key in ("cvat.classes", "cvat.skip")}
    void = {label.name: IGNORED for label in params.classes if label.name.lower() in VOID}
    return {
        "download.dataset": "none",
        **section,
        "prepare.sources": ["cvat"],
        "prepare.map": {"cvat": void} if void else {},
        "prepare.split.salt": salt,
    }


def _copy(export: Path, folder: Path) -> None:
    """Copy an export whole or not at all; one that lies there already stays."""
    target = folder / export.name
    if target.exists() and target.samefile(export):
        return
    if export.is_dir():
        folder.mkdir(exist_ok=True)
        with whole_folder(target) as beside:
            shutil.copytree(export, beside, dirs_exist_ok=True)
    else:
        write_bytes(target, export.read_bytes())


def _told(
    params: Cvat, samples: list[Sample], groups: int, unlabelled: float, shares: dict[str, int], changed: list[str]
) -> list[str]:
    """What was found and decided, so that a person can disagree by editing one line."""
    things = [label.name for label in params.classes if label.thing]
    others = [label.name for label in params.classes if not label.thing]
    sizes = Counter(f"{sample.width}x{sample.height}" for sample in samples).most_common(1)[0][0]
    return [
        f"{len(samples)} images (most of {sizes}) in {groups} groups, by cvat.group: {params.group}",
        f"{100 * unlabelled:.1f} % of the pixels lie in no shape; cvat.background: {params.background}",
        f"things, which can be counted: {', '.join(things) or 'none'}",
        f"not things: {', '.join(others) or 'none'}",
        "please check: a label counts as thing if it is drawn with boxes or ellipses, or twice or more in an image",
        f"splits: {', '.join(f'{split} {images}' for split, images in shares.items())} images, by prepare.split.salt",
        *([f"left out, without an area: {', '.join(params.skip)} (cvat.skip)"] if params.skip else []),
        f"copied to {FOLDER}/; written into params.yaml: {', '.join(changed)}",
        f"images become prepare.width x prepare.height; next: `dvc add {FOLDER}`, then `dvc repro`",
    ]
