"""Settings for your own data: copies a CVAT export into the repository and writes params.yaml for it."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from commands._describe import describe
from commands._edit import set_values
from commands._shape import propose, seen
from pixelproof.core.errors import DataError
from pixelproof.core.files import whole_folder, write_bytes, write_text
from pixelproof.core.params import check, load, read_yaml
from pixelproof.data.dataset import IGNORE, SPLITS, UNSPLIT, Sample, iterate, read_header, read_instances
from pixelproof.data.splitting import Split, best_salt, images_per_split
from stages.cvat.archive import export_name, find_exports, open_export
from stages.cvat.convert import convert, items_of, measured, open_labels
from stages.cvat.params import IGNORED, Cvat, Params

FOLDER = "data/annotations"
OBJECT = 0.1  # of its image: a label whose objects cover less on average is assumed to be a thing
UNLABELLED = 0.05  # if more of the pixels than this lie outside every shape, they become a class of their own
BACKGROUND = {"name": "background", "color": "#000000", "thing": False}
NEIGHBOURS = (
    "frames of one flight may end up in both train and test: a folder per flight in CVAT's image names prevents it"
)
VOID = ("ignore", "void", "unlabeled", "unlabelled")


def init(export: Path, root: Path, portable: bool | None = None) -> list[str]:
    """Check the export, copy it into `data/annotations/`, write params.yaml; returns the lines to print.

    A second export is added to the first: what params.yaml then says is kept, and new labels are appended. `portable`
    becomes `compute.portable`; None keeps it.
    """
    if root.resolve().is_relative_to(export.resolve()):
        fix = "name the .zip, or the folder with annotations.xml"
        raise DataError(export, "an export of CVAT", "a folder that contains this clone", fix)
    before = load("cvat", Params, root).cvat
    kept = before if before.exports == FOLDER else None
    split = check(Split, (read_yaml(root / "params.yaml").get("prepare") or {}).get("split") or {}, "prepare.split.")
    exports = _with_those_there(export, root / FOLDER)
    with ExitStack() as stack:
        opened = [open_labels(stack.enter_context(open_export(path))) for path in exports]
        params = describe(opened, FOLDER, kept)
        deep = None if params.window else measured(item.photograph for item in items_of(opened, params))
    params = params.model_copy(update={"window": deep.window if deep else params.window})
    with tempfile.TemporaryDirectory() as scratch:
        convert(exports, Path(scratch) / "data", params)
        found = measure(Path(scratch) / "data")
        proposed = propose(*seen(Path(scratch) / "data"))
    params = settled(params, found, kept)
    groups = Counter(sample.group for sample in found.samples[UNSPLIT])
    ready = not groups or all(found.samples[name] for name in SPLITS)  # the user's own splits fill train, val and test
    salt = split.salt if kept or ready else _salt(export, groups, split)
    changes = _changes(params, salt, again=kept is not None)
    changes |= {} if kept else {"prepare.shape": proposed.shape.model_dump()}
    changes |= {} if portable is None else {"compute.portable": portable}
    text = set_values((root / "params.yaml").read_text(), changes)
    _copy(export, root / FOLDER)
    write_text(root / "params.yaml", text)
    shares = images_per_split(groups, split.val, split.test, salt)
    shares = {name: count + len(found.samples[name]) for name, count in shares.items()}
    told = [deep.told("cvat.window")] if deep else []
    return _told(params, found, shares, sorted(changes), [*told, *([] if kept else proposed.reasons)])


@dataclass(frozen=True)
class Found:
    """What the export contains once its shapes are drawn as masks."""

    samples: dict[str, list[Sample]]  # by split: those of CVAT's subsets, and those that are still to be split
    unlabelled: float  # share of the pixels that no shape covers
    shares: list[float | None]  # by class: the mean share of its image that one object covers


def measure(root: Path) -> Found:
    """Count pixels and objects of a converted export, in which every new label was treated as a thing."""
    shares: list[list[float]] = [[] for _ in read_header(root).classes]
    samples: dict[str, list[Sample]] = {split: [] for split in (*SPLITS, UNSPLIT)}
    outside, pixels = 0, 0
    for split, (sample, _, mask) in ((s, each) for s in samples if (root / s).is_dir() for each in iterate(root, s)):
        samples[split].append(sample)
        outside, pixels = outside + int(np.count_nonzero(mask == IGNORE)), pixels + mask.size
        instances = read_instances(root, split, sample)
        if instances is not None:
            counts = np.bincount(instances.ravel())
            owner = np.zeros(len(counts), np.uint8)
            owner[instances] = mask  # an instance has one class
            for number, count in zip(owner[1:], counts[1:], strict=True):
                shares[int(number)].append(int(count) / mask.size)
    return Found(samples, outside / pixels, [sum(each) / len(each) if each else None for each in shares])


def settled(params: Cvat, found: Found, kept: Cvat | None) -> Cvat:
    """Settle what an export does not say; what params.yaml says about earlier labels and the background stays.

    A label is assumed to be a thing if its objects cover a tenth of the image or less, on average. Pixels outside every
    shape belong to a label called background if there is one, to a new class of that name if there are many, else to
    none.
    """
    values = params.model_dump()
    known = {label.name: label.thing for label in kept.classes} if kept else {}
    for label, share in zip(values["classes"], found.shares, strict=True):
        label["thing"] = known.get(label["name"], share is not None and share <= OBJECT)
    name = next((label.name for label in params.classes if label.name.lower() == BACKGROUND["name"]), IGNORED)
    if name == IGNORED and found.unlabelled > UNLABELLED and not kept:
        values["classes"].append(BACKGROUND)
        name = str(BACKGROUND["name"])
    return Cvat.model_validate({**values, "background": kept.background if kept else name})


def _with_those_there(export: Path, folder: Path) -> list[Path]:
    """The export, and those already in `data/annotations/`; one of the same name is replaced."""
    there = find_exports(folder) if folder.is_dir() and any(folder.iterdir()) else []
    return [*(path for path in there if export_name(path) != export_name(export)), export]


def _salt(export: Path, groups: Counter[str], split: Split) -> int:
    salt = best_salt(groups, split.val, split.test)
    if salt is None:
        raise DataError(export, "images of three groups or more", f"{len(groups)}", "train, val and test need one each")
    return salt


def _changes(params: Cvat, salt: int, again: bool) -> dict[str, Any]:
    section = {f"cvat.{key}": value for key, value in params.model_dump(exclude_defaults=True).items()}
    if again:
        return {key: section[key] for key in ("cvat.classes", "cvat.skip", "cvat.window") if key in section}
    void = {label.name: IGNORED for label in params.classes if label.name.lower() in VOID}
    return {
        "download.dataset": "none",
        **section,
        "prepare.sources": ["cvat"],
        "prepare.map": {"cvat": void} if void else {},
        "prepare.split.salt": salt,
        "measure.landing.safe": [],  # only the user knows which classes are safe to land on
    }


def _copy(export: Path, folder: Path) -> None:
    """Copy an export completely or not at all; one that is already in place stays."""
    target = folder / export.name
    if target.exists() and target.samefile(export):
        return
    if export.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with whole_folder(target) as beside:
            shutil.copytree(export, beside, dirs_exist_ok=True)
    else:
        write_bytes(target, export.read_bytes())


def _told(params: Cvat, found: Found, shares: dict[str, int], changed: list[str], shape: Sequence[str]) -> list[str]:
    """What was found and decided, so that the user can change any of it by editing one line."""
    things = [label.name for label in params.classes if label.thing]
    others = [label.name for label in params.classes if not label.thing]
    samples = [sample for split in found.samples.values() for sample in split]
    size = Counter(f"{sample.width}x{sample.height}" for sample in samples).most_common(1)[0][0]
    groups = len({sample.group for sample in samples})
    return [
        f"{len(samples)} images (mostly {size}) in {groups} groups, by cvat.group: {params.group}",
        f"{100 * found.unlabelled:.1f} % of the pixels lie outside every shape; cvat.background: {params.background}",
        f"things (countable objects): {', '.join(things) or 'none'}",
        f"not things: {', '.join(others) or 'none'}",
        f"please check: a label is assumed to be a thing if its objects cover {100 * OBJECT:.0f} % of an image or less",
        f"splits: {', '.join(f'{split} {images}' for split, images in shares.items())} images, by prepare.split.salt",
        *([NEIGHBOURS] if params.group == "image" else []),
        *([f"skipped, as they have no area: {', '.join(params.skip)} (cvat.skip)"] if params.skip else []),
        *shape,
        f"copied to {FOLDER}/; changed in params.yaml: {', '.join(changed)}",
        f"next: `bin/python -m dvc add {FOLDER}`, then `make repro`",
    ]
