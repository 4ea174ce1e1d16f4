"""The folds that prepare divided train and val into, if it did, as the stages and commands after it see them.

Each network of a run (an architecture with a seed) learns from all folds but one, and its weights are in a folder of
the run's named by that one: `models/unet/0/fold-2`. Without folds there is one network, in the run's own folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import Sample, read_split

JUDGED = "val"  # the split that holds every image of the folds, whole


def folds_in(root: Path) -> tuple[int, ...]:
    """The folds of a prepared dataset; empty without any.

    Args:
        root: The dataset's folder.

    Raises:
        DataError: Some images are in a fold and others are not.
    """
    return folds_of(read_split(root, JUDGED), root / JUDGED)


def folds_of(samples: Iterable[Sample], where: Path | str) -> tuple[int, ...]:
    """The folds of some images; empty if none is in any.

    Args:
        samples: Lines of an index.
        where: Their split, for the error.

    Raises:
        DataError: Some are in a fold and others are not, so that nothing would keep these from being learnt.

    Example:
        >>> folds_of([Sample("a", "g", 4, 4, "s", fold=1), Sample("b", "h", 4, 4, "s", fold=0)], "val")
        (0, 1)
        >>> folds_of([Sample("a", "g", 4, 4, "s")], "val")
        ()
    """
    found = {sample.fold for sample in samples}
    known = sorted(fold for fold in found if fold is not None)
    if known and None in found:
        raise DataError(where, "a fold for each image", "images without one", "run `dvc repro augment`")
    return tuple(known)


def folder_of(run: Path, fold: int | None) -> Path:
    """Where the network of a fold is, in the folder of its run.

    Args:
        run: `models/<architecture>/<seed>`.
        fold: The fold that it did not learn from; None without folds.

    Example:
        >>> folder_of(Path("models/unet/0"), 2).as_posix()
        'models/unet/0/fold-2'
        >>> folder_of(Path("models/unet/0"), None).as_posix()
        'models/unet/0'
    """
    return run if fold is None else run / f"fold-{fold}"
