"""Settings for a folder of images and masks: writes its classes.csv and params.yaml."""

from __future__ import annotations

import filecmp
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commands._shape import propose as propose_shape
from commands._values import MANY, Found, check_values, count, exchanged, held, merged, propose, stated
from pipelines.compare.words import counted
from pipelines.edit import set_values
from pipelines.words import listed
from pixelproof.core.errors import DataError
from pixelproof.core.files import whole_folder, write_text
from pixelproof.core.params import check, read_yaml
from pixelproof.data.dataset import UNSPLIT
from pixelproof.data.photos import Measured, look
from pixelproof.data.splitting import Split, best_salt, images_per_split
from pixelproof.sources.folder import measured
from pixelproof.sources.labels import check_not_swapped
from pixelproof.sources.pairs import Pair, find_pairs, has_pairs, slug
from pixelproof.sources.table import IGNORED, NAME, Line, read_table, table_text

FOLDER = "data/folders"
GROUPED = "the folders around `images` that name no split are the groups, and an image in none is one"


def is_folder(path: Path, root: Path) -> bool:
    """Whether a path is a folder of images beside masks: no export of CVAT, nor a folder that contains the clone."""
    if not path.is_dir() or root.resolve().is_relative_to(path.resolve()):
        return False
    return not any(path.glob("**/annotations.xml")) and has_pairs(path)


def init_folder(folder: Path, root: Path, portable: bool | None = None) -> list[str]:
    """Write classes.csv for what the masks hold, and params.yaml; returns the lines to print.

    A folder outside the clone is copied to `data/folders/`. What an earlier classes.csv says, in the copy or else in
    the folder, is kept, and lines for new values are added. `portable` becomes `compute.portable`; None keeps it.
    """
    place = _place(folder, root)
    is_there = (root / place).exists() and (root / place).samefile(folder)
    if not is_there:
        _check_links(folder)
        _check_copy(root / place, place, folder)
    pairs = find_pairs(folder)
    named = next((each for each in (root / place, folder) if (each / NAME).exists()), None)
    kept = read_table(named) if named else None
    found = count(pairs)
    if len(found.values) > MANY:
        check_not_swapped(pairs[0].image, pairs[0].mask)
    check_values(folder, found, kept)
    files = list(stated(folder))
    names = {value: name for _, known in files for name, value in known.items()} if found.by_color else {}
    lines = propose(found, names)
    if kept and kept.colors == found.by_color:
        lines = merged(lines, list(kept.lines), found.by_color)
    changes, told = _split(folder, pairs, root, held(found, lines))
    deep = None if _stated(place, root) else measured(pair.image for pair in pairs)
    changes |= _window(place, root, deep)
    if not is_there:
        with whole_folder(root / place) as beside:
            _copy(folder, beside)
    write_text(root / place / NAME, table_text(lines, found.by_color))
    changes |= {"download.dataset": "folder", "download.folder.path": place.as_posix()}
    changes |= {"prepare.sources": ["download"], "prepare.map": {}, "measure.landing.safe": []}
    changes |= {} if portable is None else {"compute.portable": portable}
    proposed = None if _is_configured(place, root) else propose_shape(_sizes(pairs), {})
    changes |= {"prepare.shape": proposed.shape.model_dump()} if proposed else {}
    write_text(root / "params.yaml", set_values((root / "params.yaml").read_text(), changes))
    return [
        *_told(pairs, found, lines),
        *(_disagreement(path, known, found) for path, known in files if found.by_color),
        *_exchanged(exchanged(found, lines, names.keys())),
        *told,
        *([deep.told("download.folder.window")] if deep else []),
        *(proposed.reasons if proposed else []),
        f"in {place}; changed in params.yaml: {', '.join(sorted(changes))}",
        f"next: write your names into {place / NAME} (`ignore`: no class)",
        f"then `bin/python -m dvc add {_added(place)}` and `make repro`",
    ]


def _check_links(folder: Path) -> None:
    """Refuse a folder with links that a copy cannot follow."""
    for path in sorted(path for path in folder.rglob("*") if path.is_symlink()):
        if not path.exists():
            raise DataError(path, "a file or a folder", "a link that leads nowhere", "remove or mend it")
        if path.is_dir() and path.parent.resolve().is_relative_to(path.resolve()):
            raise DataError(path, "a link out of its folder", f"one to {path.readlink()}, around it", "remove it")


def _check_copy(copy: Path, place: Path, folder: Path) -> None:
    """Refuse to write over what the folder does not have: another folder of this name, or work in its copy."""
    files = sorted(path.relative_to(copy) for path in copy.rglob("*") if path.is_file())
    lost = [path for path in files if path != Path(NAME) and not _same(copy / path, folder / path)]
    if lost:
        names = listed([path.as_posix() for path in lost])
        found = f"{counted(len(lost), 'file')} that it has not, or that it has otherwise: {names}"
        fix = f"go on with them (`bin/pixelproof init {place}`), or remove all but {NAME} to copy it again"
        raise DataError(place, f"an earlier copy of {folder}", found, fix)


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def _copy(folder: Path, target: Path) -> None:
    """Copy a folder with what its links lead to."""
    try:
        shutil.copytree(folder, target, dirs_exist_ok=True)
    except shutil.Error as error:
        path, *_ = error.args[0][0]  # of the first of them
        raise DataError(path, "a file to copy", "one that cannot be read", "remove it, or make it readable") from None


def _sizes(pairs: list[Pair]) -> list[tuple[int, int]]:
    """Width and height of each image, from the beginning of its file."""
    found = []
    for pair in pairs:
        with pair.image.open("rb") as file:
            facts = look(pair.image, file)
        found.append((facts.width, facts.height))
    return found


def _is_configured(place: Path, root: Path) -> bool:
    """Whether params.yaml is for this folder already: a shape that was chosen then stays."""
    section = read_yaml(root / "params.yaml")["download"]
    return bool(section["dataset"] == "folder" and section["folder"]["path"] == place.as_posix())


def _stated(place: Path, root: Path) -> Any:
    """The window that params.yaml has for this folder already."""
    section = read_yaml(root / "params.yaml")["download"]["folder"]
    return section.get("window") if section["path"] == place.as_posix() else None


def _window(place: Path, root: Path, deep: Measured | None) -> dict[str, Any]:
    """What `download.folder.window` becomes where that changes; params.yaml of an older version may lack the key."""
    section = read_yaml(root / "params.yaml")["download"]["folder"]
    window = deep.window.model_dump() if deep else _stated(place, root)
    if section.get("window") == window:
        return {}
    if "window" in section:
        return {"download.folder.window": window}
    return {"download.folder": section | {"window": window}}


def _split(
    folder: Path, pairs: list[Pair], root: Path, holds: Mapping[str, Mapping[str, int]]
) -> tuple[dict[str, Any], list[str]]:
    """The salt that divides the groups best, if the folder has no splits; and what to tell of them."""
    counts = Counter(pair.split for pair in pairs)
    if UNSPLIT not in counts:
        return {}, [f"splits, as in the folder: {', '.join(f'{split} {counts[split]}' for split in sorted(counts))}"]
    shares = check(Split, (read_yaml(root / "params.yaml").get("prepare") or {}).get("split") or {}, "prepare.split.")
    groups = Counter(pair.group for pair in pairs)
    salt = best_salt(groups, shares.val, shares.test, holds, shares.folds)
    if salt is None:
        enough = f"of enough groups for {shares.folds} folds and test" if shares.folds else "of three groups or more"
        fix = f"{'each needs one' if shares.folds else 'train, val and test need one each'}; {GROUPED}"
        raise DataError(folder, f"images {enough}", f"{len(groups)}", fix)
    images = images_per_split(groups, shares.val, shares.test, salt, shares.folds)
    if shares.learn_val:
        images["train"] += images.pop("val")
    listed = ", ".join(f"{split} {number}" for split, number in images.items())
    return {"prepare.split.salt": salt}, [f"splits: {listed} images, by prepare.split.salt over {len(groups)} groups"]


def _place(folder: Path, root: Path) -> Path:
    """The folder's place in the clone, where it is copied to unless it is there already."""
    if folder.resolve().is_relative_to(root.resolve()):
        return folder.resolve().relative_to(root.resolve())
    return Path(FOLDER) / slug(folder.resolve().name)


def _added(place: Path) -> Path:
    """What `dvc add` is to be given: git tracks what it then writes into `data/`, but not into folders inside."""
    return Path(*place.parts[:2]) if place.parts[:1] == ("data",) else place


def _told(pairs: list[Pair], found: Found, lines: list[Line]) -> list[str]:
    """What the folder holds."""
    kinds = " and ".join(f"{number} {kind}" for kind, number in sorted(found.kinds.items()))
    stems = Counter(pair.image.stem for pair in pairs)
    again = sum(number > 1 for number in stems.values())
    noise = len(found.values) - len({line.value for line in lines} & found.values.keys())
    shown = "#{:06X}" if found.by_color else "{}"
    told = [
        f"{len(pairs)} images with masks: {kinds}, read as {'colours' if found.by_color else 'ids'}",
        *(f"  {shown.format(line.value)}  {line.share:>8}  {line.name}" for line in lines),
    ]
    if again:
        told.append(f"{again} names repeat in several folders: an id carries its folder, such as {pairs[0].id}")
    if void := [shown.format(line.value) for line in lines if line.name == IGNORED]:
        told.append(f"taken for void, not for a class: {', '.join(void)}")
    if noise:
        told.append(f"{noise} further values are taken for the nearest of these (column `within`)")
    if found.jpegs:
        told.append(
            f"{found.jpegs} masks are JPEGs, which blur edges: refused unless download.folder.lossy_masks is true"
        )
    return told


def _exchanged(colors: dict[int, int]) -> list[str]:
    """Which colours may be of masks that were written in the wrong order."""
    if not colors:
        return []
    listed = ", ".join(f"#{color:06X} (#{other:06X})" for color, other in colors.items())
    return [
        f"maybe others with red and blue exchanged (BGR written as RGB), as no mask holds both: {listed}; if so, remove"
        f" their lines from {NAME}: `make repro` then names each such mask"
    ]


def _disagreement(path: Path, known: dict[str, int], found: Found) -> str:
    """Which colours of a file of the user's are in no mask."""
    missing = [f"{name} #{value:06X}" for name, value in known.items() if value not in found.colors]
    if not missing:
        return f"names from {path.name}"
    return f"{path.name}: {len(missing)} of its {len(known)} colours are in no mask: {', '.join(missing)}"
