"""Has DVC keep a version of a folder that people add to, and notices where another version is meant to be there."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

from pixelproof.core.errors import StateError

PENDING = ".pixelproof/not-kept"  # the folder is newer than what DVC keeps


def check_version(root: Path, folder: str, file: str) -> None:
    """Require a folder to be the version that its .dvc file names, told by one of its files.

    After `git pull` without `dvc checkout` it is an older one, and adding to that would drop what colleagues added.
    After an addition that was killed it is a newer one, which is well.

    Args:
        root: The clone.
        folder: Relative to it.
        file: A file in it that is another in each version.

    Raises:
        StateError: It is not.
    """
    named, path, pending = root / f"{folder}.dvc", root / folder / file, root / PENDING
    if not named.exists() or not path.exists() or not _has_dvc(root):
        return
    if _digest_kept(root, folder, file) == hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest():
        pending.unlink(missing_ok=True)
    elif not pending.exists():
        fix = f"run `bin/python -m dvc pull {folder}`; if yours is newer, `bin/python -m dvc add {folder}`"
        raise StateError(folder, f"not the version that {folder}.dvc names", fix)


def begin(root: Path) -> None:
    """Note that a folder is about to be newer than what DVC keeps of it."""
    (root / PENDING).touch()


def _digest_kept(root: Path, folder: str, file: str) -> str | None:
    """The MD5 of a file in the version that DVC keeps; None if that is not in DVC's cache, or lacks the file."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            (out,) = repo.stage.load_one(str(root.resolve() / f"{folder}.dvc")).outs
            tree = out.get_obj()
    except FileNotFoundError:
        return None
    except sqlite3.Error as error:  # of the databases in which DVC keeps what it knows of files
        raise StateError(
            "DVC's database", str(error), "check that its folder can be written, and has space left"
        ) from None
    except DvcException as error:
        raise StateError(f"{folder}.dvc", str(error), "restore it from git") from None
    return {"/".join(key): digest.value for key, _, digest in tree}.get(file) if tree is not None else None


def _has_dvc(root: Path) -> bool:
    home = root.resolve()
    return (root / ".dvc").is_dir() and any((place / ".git").exists() for place in (home, *home.parents))


def keep(root: Path, folder: str) -> list[str]:
    """Run `dvc add`, which writes a .dvc file for git; the lines to print.

    Args:
        root: The clone.
        folder: Relative to it.

    Raises:
        StateError: DVC failed. The folder itself is as it should be.
    """
    command = f"bin/python -m dvc add {folder}"
    if not added(root, folder, command):
        return [f"no repository of DVC and git here; in one: `{command}`, then `make repro`"]
    (root / PENDING).unlink(missing_ok=True)
    return [f"{folder}.dvc names this version: commit it with params.yaml; next: `make repro`"]


def added(root: Path, path: str, command: str) -> bool:
    """Run `dvc add` on a folder or a file; False if this is no repository of DVC and git.

    Args:
        root: The clone.
        path: Relative to it.
        command: The same as typed, for the error.

    Raises:
        StateError: DVC failed. What was to be added is as it should be.
    """
    if not _has_dvc(root):
        return False
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "add", "--quiet", path], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise StateError(f"{path} is complete, but `dvc add`", lines[0] if lines else "failed", f"run `{command}`")
    return True
