"""Reads DVC's list of a folder by its hash. A list may be damaged, or a stranger's: it is believed only if it fits."""

from __future__ import annotations

from typing import Any

from pipelines.dvc.content import hash_of_digests
from pixelproof.core.errors import StateError

Listing = dict[str, str]  # a file's path below the folder -> its MD5
CACHE, MEND = "DVC's cache", "remove that file from .dvc/cache, then run `dvc pull` or `dvc repro`"
HEX = frozenset("0123456789abcdef")


def read_list(odb: Any, oid: str, path: str, where: str, fix: str) -> Listing | None:
    """The files of a folder; None if the cache or remote has no list of this name.

    Args:
        odb: DVC's cache or remote.
        oid: the hash of the list, which is its name.
        path: the folder, for errors.
        where: what `odb` is, for errors.
        fix: what to do about a damaged list.

    Raises:
        StateError: the list is damaged: it has another hash than its name, or is no list of names and hashes.
    """
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree
    from dvc_objects.errors import ObjectFormatError

    try:
        tree = Tree.load(odb, HashInfo("md5", oid))
        found = {"/".join(key): entry.value for key, _, entry in tree}
        damaged = not all(map(_fits, found, found.values())) or hash_of_digests("", found) != oid
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ObjectFormatError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        damaged = True
    if damaged:
        raise StateError(f"the list of {path} in {where} ({oid})", "damaged", fix)
    return found


def _fits(name: str, digest: Any) -> bool:
    """Whether an entry names a file below the folder, and its MD5."""
    inside = all(part not in ("", ".", "..") for part in name.split("/"))
    return inside and isinstance(digest, str) and len(digest) == 32 and HEX.issuperset(digest)
