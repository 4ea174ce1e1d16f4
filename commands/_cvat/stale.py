"""Images that the server no longer vouches for: nothing in their task is finished any more, or the task is gone.

No export speaks of such a task, so nothing replaces what earlier ones said: it is told, and goes when a person says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from pixelproof.core.errors import StateError
from stages.cvat.store import is_store, read_index


def held(store: Path) -> Counter[str]:
    """How many images of each task a store holds."""
    return Counter(line.task for line in read_index(store)) if is_store(store) else Counter()


def told(stale: Mapping[str, str], images: Mapping[str, int], removed: Collection[str] = ()) -> list[str]:
    """The line about those that stay, if there are any.

    Args:
        stale: Why the server does not vouch for a task, by its number.
        images: How many there are of each task.
        removed: Those to remove.

    Raises:
        StateError: One of `removed` is not stale.
    """
    if wrong := sorted({*removed} - stale.keys()):
        found = "there are no images of it, or the server vouches for them"
        raise StateError(f"--remove {wrong[0]}", found, "leave it out")
    left = [task for task in sorted(stale, key=int) if task not in removed]
    if not left:
        return []
    each = ", ".join(f"task {task} ({images[task]} images: {stale[task]})" for task in left)
    flags = " ".join(f"--remove {task}" for task in left)
    return [
        f"still in the data, though the server no longer vouches for them: {each}; remove them by `pull` with {flags}"
    ]
