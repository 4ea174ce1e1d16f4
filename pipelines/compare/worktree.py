"""A revision's own code and data in a git worktree beside the clone, and its evaluate stage run there.

Neither the index, nor the working tree, nor any DVC state of the clone is touched: the stage is run by itself, not
through DVC, on copies of what the cache holds.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.compare.labels import DATA
from pipelines.compare.runs import MATRICES, folder
from pipelines.compare.store import Outputs
from pipelines.dvc.lock import base_name
from pipelines.dvc.revision import Revision, git
from pipelines.processes import Command, run
from pixelproof.core.errors import StateError

AUTHOR = {f"GIT_{role}_{what}": "pixelproof" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
LAST_LINES = 5  # of a stage that failed


@contextmanager
def worktree(side: Revision) -> Iterator[Path]:
    """A folder with the files that git tracks in a revision; for the workspace, also what is not committed yet."""
    with tempfile.TemporaryDirectory(prefix="pixelproof-") as scratch:
        place = Path(scratch) / "tree"
        # Hooks would run here too, and one of DVC's checks data out.
        git(
            "-c",
            "core.hooksPath=/dev/null",
            "worktree",
            "add",
            "--quiet",
            "--detach",
            str(place),
            side.commit or _snapshot(Path(scratch)),
        )
        try:
            yield place
        finally:
            git("worktree", "remove", "--force", str(place))


def _snapshot(scratch: Path) -> str:
    """A commit, on no branch, of the working tree as it is."""
    own_index = AUTHOR | {"GIT_INDEX_FILE": str(scratch / "index")}
    git("read-tree", "HEAD", env=own_index)
    git("add", "--all", env=own_index)
    tree = git("write-tree", env=own_index).decode().strip()
    return git("commit-tree", tree, "-p", "HEAD", "-m", "The working tree", env=own_index).decode().strip()


def evaluate_there(place: Path, model: Outputs, data: Outputs, arch: str, seed: int) -> bytes:
    """The matrices of one network of a revision, whose worktree this is, on the images and labels of another."""
    for path in inputs(model, arch, seed):
        source = data if path.startswith(f"{DATA}/") else model
        if not (place / path).exists():
            _copy(source, path, place / path)
    command = [sys.executable, "-m", "stages.evaluate", "--arch", arch, "--seed", str(seed)]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    code, lines = run(Command(command, place, environment))
    if code:
        said = " | ".join(lines[-LAST_LINES:]) or "no output"
        what = f"{model.side.name}: evaluating {arch}-{seed} on the data of {data.side.name}"
        raise StateError(what, f"ended with {code}: {said}", "compare without --cross-evaluate")
    return (place / folder(arch, seed) / MATRICES).read_bytes()


def inputs(model: Outputs, arch: str, seed: int) -> list[str]:
    """What the evaluate stage reads of other stages' outputs, according to the revision's own dvc.lock."""
    name = f"evaluate@{arch}-{seed}"
    record = model.lock.stages.get(name)
    if record is None:
        stages = sorted({base_name(stage) for stage in model.lock.stages})
        found = f"no stage {name}, only {', '.join(stages) or 'none'}"
        raise StateError(f"{model.side.name}: dvc.lock", found, "run `dvc repro` there, or leave out --cross-evaluate")
    return [path for path in record.deps if _writer(model, path) is not None]


def _writer(outputs: Outputs, path: str) -> str | None:
    """The output that a path is, or is part of."""
    above = [path, *(parent.as_posix() for parent in Path(path).parents)]
    return next((out for out in above if out in outputs.lock.outs), None)


def _copy(source: Outputs, path: str, target: Path) -> None:
    """Copy an output, or a part of one, from what DVC keeps."""
    out = _writer(source, path)
    listing = source.listing(out) if out is not None and source.is_folder(out) else None
    if out is not None and listing is not None:
        below = "" if out == path else path.removeprefix(f"{out}/")
        names = [name for name in listing if not below or name == below or name.startswith(f"{below}/")]
        source.fetch((out, name) for name in names)
        contents = {out + "/" + name: source.read(out, name) for name in names}
    else:
        contents = {path: source.file(path)}
    for name, content in contents.items():
        if content is None:
            raise StateError(
                f"{source.side.name}: {name}",
                f"neither in the cache nor in the default remote{source.store.why()}",
                f"run `{source.pull() or 'dvc repro'}`",
            )
        beside = target if name == path else target / name.removeprefix(f"{path}/")
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
