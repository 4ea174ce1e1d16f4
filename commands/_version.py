"""Which code runs: the version in pyproject.toml, and the commit if the folder is a clone."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

from pixelproof.core.errors import StateError


def version(root: Path) -> str:
    """`pixelproof 0.1.0 (abc1234)`, without the commit outside of git.

    Raises:
        StateError: pyproject.toml cannot be read, or states no version.
    """
    try:
        stated = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    except (FileNotFoundError, ValueError, KeyError):
        raise StateError("pyproject.toml", "no version", "restore the file from git") from None
    commit = _commit(root)
    return f"pixelproof {stated} ({commit})" if commit else f"pixelproof {stated}"


def _commit(root: Path) -> str:
    """Of this folder's own repository: a copy without .git may lie in another one."""
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git, or no commit yet
        return ""
