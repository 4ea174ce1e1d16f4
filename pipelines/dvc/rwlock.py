"""DVC's lock, and its list of who reads and writes which path, `.dvc/tmp/rwlock`; an unreadable list is removed.

DVC opens the file for writing and then fills it. A kill, a Ctrl-C or a full disk in between leaves it empty, and from
then on every command of DVC refuses. Whose entries it held is lost with them; so it is removed only when no process of
DVC is at work in the repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from pixelproof.core.errors import StateError
from pixelproof.core.progress import say


def remove_unreadable(repo: Any) -> None:
    """Remove the list if nobody can read it any more, and say so.

    Args:
        repo: DVC's repository.

    Raises:
        StateError: it cannot be read, and a process of DVC is at work here.
    """
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    tmp = repo.tmp_dir
    path = Path(tmp or "", RWLOCK_FILE)
    if tmp is None or readable(path):
        return
    shown = path.relative_to(repo.root_dir).as_posix()
    hardlink = repo.config["core"]["hardlink_lock"]
    with make_lock(str(path.with_name(RWLOCK_LOCK)), tmp_dir=tmp, hardlink_lock=hardlink, wait=True):
        if readable(path):  # another process was just writing it
            return
        if owners := sorted(at_work(Path(repo.root_dir))):
            found = f"unreadable, and DVC is at work here (process {', '.join(map(str, owners))})"
            raise StateError(shown, found, "wait for it to end, or end it; then run this again")
        path.unlink()
    say(f"{shown}: removed; a process of DVC that was killed had left it unreadable")


def readable(path: Path) -> bool:
    """Whether DVC can read the list; it need not exist."""
    from dvc.rwlock import SCHEMA
    from voluptuous import Invalid

    try:
        SCHEMA(json.loads(path.read_text(encoding="utf-8")))
    except OSError:  # none yet, or one that DVC itself must complain of
        return True
    except (ValueError, RecursionError, Invalid):
        return False
    return True


@contextmanager
def alone(repo: Any) -> Iterator[None]:
    """Hold DVC's lock on the repository during the block, so that no command of DVC begins meanwhile.

    DVC gives this lock back while the command of a stage runs, but keeps itself in its list. A process of another
    container cannot be recognized in that list: as for DVC itself, its entry is that of a process that has ended.

    Raises:
        StateError: DVC is at work here.
    """
    from dvc.lock import LockError

    again = "wait for it to end, or end it; then try again"
    try:
        repo.lock.lock()
    except LockError:
        raise StateError(".dvc", "DVC is at work here and holds its lock", again) from None
    try:
        if owners := sorted(listed(repo) & set(at_work(Path(repo.root_dir)))):
            raise StateError(".dvc", f"DVC is at work here (process {', '.join(map(str, owners))})", again)
        yield
    finally:
        repo.lock.unlock()


def listed(repo: Any) -> set[int]:
    """The processes in DVC's list, those that were killed included."""
    from dvc.rwlock import RWLOCK_FILE, SCHEMA

    try:
        found = SCHEMA(json.loads(Path(repo.tmp_dir, RWLOCK_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return set()
    readers = [one for several in found["read"].values() for one in several]
    return {int(one["pid"]) for one in (*found["write"].values(), *readers)}


def at_work(root: Path) -> Iterator[int]:
    """The other processes of DVC whose folder is in a repository."""
    ours = {psutil.Process().pid, *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        try:
            words, folder = process.cmdline()[:4], Path(process.cwd())
        except (psutil.Error, OSError):  # it has just ended, or is another user's
            continue
        dvc = any(Path(word).name == "dvc" for word in words)
        if dvc and process.pid not in ours and folder.is_relative_to(root):
            yield process.pid
