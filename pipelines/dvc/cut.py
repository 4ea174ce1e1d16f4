"""A dvc.lock that a kill has left empty or cut off: DVC opens the file for writing, and then fills it.

DVC then answers everything with `validation failed`. The last committed one is put in its place; of stages that had run
since, DVC's run cache has the results. A file that ends as DVC ends it, or begins otherwise, was not cut off: what is
wrong with it, such as the marks of a merge, is for its owner to mend.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from pipelines.dvc.lock import LOCK
from pipelines.dvc.revision import git
from pipelines.dvc.rwlock import alone
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_bytes
from pixelproof.core.progress import say

ASIDE = "dvc.lock.cut"
BEGINS = b"schema: '2.0'\n"


def restore_lock(repo: Any) -> None:
    """Replace a dvc.lock that was cut off, and say so; what was left of it is kept among DVC's temporary files.

    Args:
        repo: DVC's repository.

    Raises:
        StateError: DVC is at work here, and may be writing it.
    """
    path = Path(repo.root_dir, LOCK)
    if repo.tmp_dir is None or not _cut(path):
        return
    with alone(repo):
        if not _cut(path):  # another process was just writing it
            return
        aside = Path(repo.tmp_dir, ASIDE)
        write_bytes(aside, path.read_bytes())
        committed = _committed(path)
        if committed is None:
            path.unlink()
        else:
            write_bytes(path, committed)
    where = aside.relative_to(repo.root_dir).as_posix()
    begun = "removed, as no commit has one" if committed is None else "that of the last commit is in its place"
    say(f"{LOCK}: a process of DVC that was killed had cut it off; {begun}; what was left is in {where}")


def _cut(path: Path) -> bool:
    """Whether DVC cannot read the file, which begins as DVC begins it, and ends otherwise than DVC ends it."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import YAMLError, parse_yaml
    from voluptuous import Invalid

    try:
        content = path.read_bytes()
    except OSError:  # none yet, or one that DVC itself must complain of
        return False
    if content.endswith(b"\n") or not (content.startswith(BEGINS) or BEGINS.startswith(content)):
        return False
    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(content.decode(), str(path)))
    except (YAMLError, Invalid, UnicodeDecodeError):
        return True
    return False


def _committed(path: Path) -> bytes | None:
    try:
        return git("-C", str(path.parent), "show", f"HEAD:./{path.name}")
    except (subprocess.CalledProcessError, StateError):
        return None
