"""Copies trained weights to the folder that trainings may begin from, if dvc.lock says what trained them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from commands._adding.dvc import added
from commands._trained import MODELS, WEIGHTS, facts_in, require, single, what_trains
from pipelines.dvc.content import hash_of
from pipelines.dvc.lock import read_lock
from pipelines.dvc.revision import WORKSPACE, open_revision
from pixelproof.core.errors import StateError
from pixelproof.core.files import files_below, write_bytes, write_json
from pixelproof.core.params import pick, read_yaml
from stages.configure.pretrained import FOLDER, named

KEY = "train.pretrained"


def promote(root: Path, arch: str, seed: int) -> list[str]:
    """Copy the weights of a training, with facts that tell which one it was; the lines to print.

    Args:
        root: The clone, where the process is.
        arch: The architecture.
        seed: The seed it was trained with.

    Raises:
        PixelproofError: The network is not trained, or is not the one that dvc.lock records; or a file that says which
            weights there are is damaged.
    """
    single(arch, seed)
    require(arch, seed)
    folder, target = MODELS / arch / str(seed), Path(FOLDER) / f"{arch}.safetensors"
    recorded, contents = _as_recorded(folder, arch, seed), (folder / WEIGHTS).read_bytes()
    facts, digest = facts_in(folder, "best_iteration", "val_mIoU"), hashlib.sha256(contents).hexdigest()
    before, kept = target.read_bytes() if target.is_file() else None, _kept(target)
    if before not in (None, contents) and hashlib.md5(before or b"", usedforsecurity=False).hexdigest() != kept:
        fix = f"`bin/python -m dvc add {target}` keeps them, or move them away"
        raise StateError(str(target), "weights that DVC does not keep would be lost", fix)
    again, told_by = f"bin/pixelproof promote {arch} --seed {seed}", target.with_suffix(".json")
    if not told_by.is_file():  # without facts, configure would take them for somebody else's weights
        write_json(told_by, {"unfinished": again})
    if before != contents:
        write_bytes(target, contents)
    is_added = added(root, target.as_posix(), again)
    # Last of all: killed before, it leaves facts of other weights, which configure refuses.
    write_json(told_by, facts | {"sha256": digest, "dvc": {folder.as_posix(): recorded}})
    score = f"at iteration {facts['best_iteration']}"
    if facts["val_mIoU"] is not None:
        score = f"val mIoU {facts['val_mIoU']:.3f} {score}"
    same = "the same weights as before" if before == contents else "new weights"
    told = [f"{target}: {same}, of {arch} with seed {seed}, {score}; SHA-256 {digest[:16]}..."]
    told += [f"commit {target}.dvc, {told_by} and {FOLDER}/.gitignore"] if is_added else []
    return [*told, _next(target, arch)]


def _kept(target: Path) -> str | None:
    """The MD5 of the weights that the .dvc file beside them names, if there is one.

    Raises:
        StateError: It names none: `dvc add` would refuse it once the weights are copied.
    """
    named = target.with_name(f"{target.name}.dvc")
    if not named.is_file():
        return None
    try:
        (out,) = read_yaml(named)["outs"]
        return str(out["md5"])
    except (StateError, LookupError, TypeError, ValueError):
        fix = f"restore it from git, or remove it and run `bin/python -m dvc add {target}`"
        raise StateError(str(named), f"damaged: it does not say which {target.name} DVC keeps", fix) from None


def _as_recorded(folder: Path, arch: str, seed: int) -> str:
    """The hash of a training's output in dvc.lock, which must be that of the files."""
    recorded = read_lock(open_revision(WORKSPACE)).outs.get(folder.as_posix())
    if recorded is None:
        raise StateError("dvc.lock", f"no training of {arch} with seed {seed}", what_trains(arch, seed))
    found = hash_of(folder.as_posix(), {path.as_posix(): path.read_bytes() for path in files_below(folder)})
    if found != recorded:
        fix = f"`bin/python -m dvc checkout {folder}` brings those back, or {what_trains(arch, seed)}"
        raise StateError(str(folder), "not the weights that dvc.lock records", fix)
    return recorded


def _next(target: Path, arch: str) -> str:
    value = str(pick(read_yaml(Path("params.yaml")), KEY))
    if named(value, arch) == target.as_posix():
        return f"{KEY} is {value}: the next training begins with them"
    several = f"{FOLDER}/{{arch}}.safetensors, of several networks each with its own"
    return f"{KEY} is {value}: set it to {target}, or to {several}, to begin with them"
