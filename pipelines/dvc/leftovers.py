"""`gc`: removes outputs in models/ and results/ of networks and seeds that params.yaml no longer names.

Only what DVC could restore is removed: its hash is in the dvc.lock of the working tree or of a commit, and the cache
holds every byte of it. The folders that killed stages were writing to are removed too, after a day: a process that is
not seen from here may be at work in another container, or on the host.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from pipelines.dvc.lock import LOCK
from pipelines.dvc.revision import git
from pipelines.dvc.rwlock import alone
from pipelines.words import listed
from pixelproof.core.errors import StateError
from pixelproof.core.files import files_below
from pixelproof.core.leftovers import FOLDERS, leftovers, strays

RUBBISH = {".DS_Store", "__pycache__"}
PIDS = 2**31  # a larger number is no process's
BESIDE = re.compile(r"\.(.+)\.(\d+)\.tmp")  # `.0.4711.tmp`: where process 4711 wrote what would become `0`
OF_A_RUN = re.compile(rf"({'|'.join(FOLDERS)})/[^/]+/\d+(/[^/]+)?")  # what stages write for a network and a seed
SECONDS_OF_SILENCE = 24 * 3600  # after which nobody writes to a folder any more


def clear(repo: Any, dry_run: bool = False) -> bool:
    """Remove leftovers, and say so in a line; False if there were none.

    Args:
        repo: DVC's repository of the working tree.
        dry_run: only say what would be removed.

    Raises:
        StateError: DVC is at work, and nothing was removed. Or something was kept, because DVC could not restore it, or
            no stage has written it: everything else has been removed.
    """
    with alone(repo):
        return _clear(repo, dry_run)


def _clear(repo: Any, dry_run: bool) -> bool:
    outs = [out.def_path for out in repo.index.outs]
    found = leftovers(Path(), outs)
    lost = {path: missing for path in found if (missing := not_held(repo, Path(path)))}
    gone = [path for path in found if path not in lost]
    gone += half_written([out.def_path for stage in repo.index.stages if stage.cmd for out in stage.outs])
    if gone:
        print(f"{'would remove' if dry_run else 'removed'} leftovers: {', '.join(gone)}", flush=True)
    for path in () if dry_run else gone:
        remove(Path(path))
    if lost:
        what = ", ".join(f"{path} (for {', '.join(missing)})" for path, missing in lost.items())
        raise StateError(
            what,
            "kept, as DVC could not restore all of it from dvc.lock's history and its cache",
            "move it or delete it",
        )
    if foreign := unwritten(outs, found):
        raise StateError(listed(foreign), "no stage has written it, and `report` refuses it", "move it or delete it")
    return bool(gone)


def unwritten(outs: list[str], left: list[str], root: Path = Path()) -> list[str]:
    """The files among the stages' outputs that no stage has written, without what removed networks left."""
    return [path for path in strays(root, outs) if not any(path.startswith(f"{folder}/") for folder in left)]


def not_held(repo: Any, path: Path, inner: bool = False) -> list[str]:
    """What DVC could not restore of a folder: the whole, or those of its parts that it does not hold."""
    if _worthless(path):
        return []
    if path.is_symlink() or path.parent.is_symlink():
        return [path.as_posix()]
    if unseen := not_hashed(path):
        return unseen
    if not files_below(path) or held(repo, path):
        return []
    if inner or not path.is_dir():
        return [path.as_posix()]
    return [missing for part in sorted(path.iterdir()) for missing in not_held(repo, part, inner=True)]


def not_hashed(path: Path) -> list[str]:
    """The files in a folder that DVC ignores, and so does not have: all but rubbish and what killed stages left."""
    seen = set(files_below(path))
    rest = (file for file in sorted(path.rglob("*")) if not file.is_dir() and file not in seen)
    return [file.as_posix() for file in rest if not any(map(_worthless, _up_to(file, path)))]


def _up_to(file: Path, folder: Path) -> Iterator[Path]:
    """A file and the folders around it that are in a folder."""
    return (each for each in (file, *file.parents) if each != folder and each.is_relative_to(folder))


def _worthless(path: Path) -> bool:
    return path.name in RUBBISH or abandoned(path)


def held(repo: Any, path: Path) -> bool:
    """Whether a dvc.lock records this content, and the cache has all of its objects."""
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.tree import Tree

    cache = repo.cache.local
    _, _, content = build(cache, str(path.resolve()), repo.fs, "md5", dry_run=True, ignore=repo.dvcignore)
    name = str(content.hash_info.value)
    objects = [name, *(str(info.value) for _, _, info in content)] if isinstance(content, Tree) else [name]
    return recorded(name) and all(in_cache(cache, one) for one in objects)


def in_cache(cache: Any, name: str) -> bool:
    """Whether the cache has an object, undamaged; DVC itself does not look into a read-only one."""
    path = Path(cache.oid_to_path(name))
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == name.removesuffix(".dir")


def recorded(content: str) -> bool:
    """Whether a hash is in dvc.lock, here or in any commit."""
    lock = Path(LOCK)
    if lock.is_file() and content in lock.read_text(encoding="utf-8"):
        return True
    return bool(git("log", "--all", "-1", "--format=%H", f"-S{content}", "--", LOCK))


def half_written(outs: list[str]) -> list[str]:
    """Folders beside the outputs of stages, in which processes that no longer exist were writing them."""
    targets = {*outs, *(folder.as_posix() for out in outs for folder in Path(out).parents if len(folder.parts) > 1)}
    parents = {Path(out).parent for out in targets}
    parents |= {folder for name in FOLDERS for pattern in ("*", "*/*") for folder in Path(name).glob(pattern)}
    found = [folder for parent in parents for folder in parent.glob(".*.tmp") if folder.is_dir() and abandoned(folder)]
    return sorted(
        folder.as_posix() for folder in found if _target(folder) in targets or OF_A_RUN.fullmatch(_target(folder))
    )


def _target(folder: Path) -> str:
    """What a temporary folder would have become."""
    return folder.with_name(BESIDE.sub(r"\1", folder.name)).as_posix()


def abandoned(path: Path) -> bool:
    """Whether this is a temporary folder of a process that no longer exists, in which nothing was written for a day."""
    match = BESIDE.fullmatch(path.name)
    if match is None or int(match[2]) >= PIDS or psutil.pid_exists(int(match[2])) or path.is_symlink():
        return False
    try:
        newest = max(each.lstat().st_mtime for each in (path, *path.rglob("*")))
    except FileNotFoundError:  # somebody is at work in it
        return False
    return time.time() - newest > SECONDS_OF_SILENCE


def remove(path: Path) -> None:
    """Delete a folder (it may already be gone with its parent), and its parent if that is then empty."""
    if not path.exists():
        return
    shutil.rmtree(path)
    if path.parent.parent.name and not any(path.parent.iterdir()):
        path.parent.rmdir()
