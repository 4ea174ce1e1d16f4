"""Finds and reads the user's images: files, folders and patterns, checked before use, read as the dataset's are.

A photo is rotated as its EXIF data says. Grey becomes equal red, green and blue; transparency is dropped, as it is for
labelled images. 16 bits per channel are seen through the window of what the network learned from, or refused.
"""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pixelproof.core.errors import DataError, StateError
from pixelproof.data.dataset import Header
from pixelproof.data.images import Array, content_of
from pixelproof.data.photos import NoWindowError, Window, look, upright

ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
CONVERT = "convert it, or leave it out"


def find_images(arguments: Sequence[str], folder: Path = Path()) -> list[Path]:
    """The files that arguments name, in their order: files, all images below folders, and matches of patterns.

    Each appears once. Inside folders, hidden files and folders are skipped, and so are the masks and instances of a
    dataset.

    Args:
        arguments: files, folders and patterns.
        folder: where relative ones start.

    Raises:
        StateError: one of them matches nothing.
    """
    found: dict[str, Path] = {}
    for argument in arguments:
        for path in expanded(argument, folder):
            found.setdefault(os.path.abspath(path), path)  # noqa: PTH100 (resolve would follow links)
    return list(found.values())


def expanded(argument: str, folder: Path = Path()) -> Iterator[Path]:
    """The files of one argument, sorted; it is an error if there are none."""
    there = Path(folder, argument).exists()
    matches = [argument] if there else sorted(glob.glob(argument, root_dir=folder, recursive=True))  # noqa: PTH207
    paths = [Path(folder, match) for match in matches]
    files = [file for path in paths for file in (below(path) if path.is_dir() else [path])]
    if not files:
        found = f"no image ({', '.join(ENDINGS)}) in it" if matches else "no such file or folder, and no match"
        raise StateError(argument, found, "name images, folders of images or patterns such as 'photos/**/*.jpg'")
    yield from files


def below(folder: Path) -> list[Path]:
    """The photos in a folder and its subfolders, by file extension; of a dataset's split, those in its images/."""
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in ENDINGS and path.is_file()]
    splits = {index.parent for index in folder.rglob("index.csv")}
    labels = {split / name for split in splits for name in ("masks", "instances")}
    shown = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return [path for path in shown if labels.isdisjoint(path.parents)]


def names(paths: Sequence[Path]) -> list[Path]:
    """A unique name for each image: its path below the folder common to all, without the extension.

    If two names would then be the same (`a.png` and `a.jpg`), all keep their extensions.
    """
    whole = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100
    top = os.path.commonpath([path.parent for path in whole])
    kept = [path.relative_to(top) for path in whole]
    short = [path.with_suffix("") for path in kept]
    return short if len(set(short)) == len(short) else kept


def check_image(path: Path, window: Window | None = None) -> None:
    """Require a photograph that decodes completely; anything else is an error that names the file.

    Args:
        path: The photograph.
        window: How 16 bits per channel become 8, as they did for what the network learned from.

    Raises:
        DataError: It cannot be used.
    """
    read_photo(path, window)


def read_photo(path: Path, window: Window | None = None) -> Array:
    """The RGB pixels of an image, upright. See `check_image`."""
    return pixels_of(path, content_of(path), window)


def pixels_of(where: Path | str, content: bytes, window: Window | None = None) -> Array:
    """The same, of an image that is no file of ours: `where` names it in errors. See `check_image`."""
    try:
        return upright(where, content, look(where, io.BytesIO(content)), window)
    except NoWindowError:
        found = "16 bits per channel, and the network learned from 8 alone"
        raise DataError(where, "8 bits per channel", found, CONVERT) from None


def window_of(header: Header) -> Window | None:
    """The window through which the images were seen that a network learned from; None if there is none, or several."""
    stated = {origin["window"] for origin in header.sources if "window" in origin}
    return Window.stated(stated.pop()) if len(stated) == 1 else None
