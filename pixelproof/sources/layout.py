"""Find a publisher's files in what was unpacked, wherever the folders around them begin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pixelproof.core.errors import DataError
from pixelproof.data.images import reason

CHECK = "check the archive"
MAC = "__MACOSX"  # a folder of archives that macOS made, which repeats the others'


def place(root: Path | None, *parts: str) -> Path:
    """The one folder or file with this path below a root: `place(root, "VOC2012", "JPEGImages")`.

    Args:
        root: Where archives were unpacked.
        parts: The end of the wanted path.

    Raises:
        DataError: There is none, or there are several.
    """
    found = places(root, *parts)
    if len(found) != 1:
        what = ", ".join(path.as_posix() for path in found[:2]) or "none"
        raise DataError(Path(root or "."), f"one {'/'.join(parts)} in it", what, CHECK)
    return found[0]


def places(root: Path | None, *parts: str) -> list[Path]:
    """Every folder or file with this path below a root, which may be the root itself."""
    if root is None:
        return []
    if root.parts[-len(parts) :] == parts:
        return [root]
    return [path for path in sorted(root.glob("**/" + "/".join(parts))) if MAC not in path.parts]


def visible(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that match a pattern, sorted, without hidden ones such as macOS's `._a.png`."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def listed(path: Path) -> list[str]:
    """The first word of each line of a publisher's list; lines that begin with # and empty ones are left out.

    Raises:
        DataError: The file cannot be read, lists nothing, or lists a name twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(path, "a list of images", reason(error), CHECK) from None
    except UnicodeDecodeError as error:
        raise DataError(path, "a list of images", str(error), CHECK) from None
    names = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    if not names or len(set(names)) != len(names):
        twice = next((name for name in names if names.count(name) > 1), "")
        raise DataError(path, "names of images, each once", f"{twice!r} twice" if twice else "none", CHECK)
    return names


def paired(images: Sequence[Path], masks: Sequence[Path], ending: str = "") -> list[tuple[Path, Path]]:
    """Images with the masks of the same names.

    Args:
        images: Files of images.
        masks: Files of masks.
        ending: What the stems of masks have more than those of images.

    Raises:
        DataError: One of them has no partner.
    """
    by_name = {path.stem.removesuffix(ending): path for path in masks}
    for path in images:
        if path.stem not in by_name:
            raise DataError(path, "its mask", "none", CHECK)
    if extra := by_name.keys() - {path.stem for path in images}:
        raise DataError(by_name[min(extra)], "its image", "none", CHECK)
    return [(path, by_name[path.stem]) for path in sorted(images)]
