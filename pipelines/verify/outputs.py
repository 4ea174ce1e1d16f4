"""Whether the working tree's outputs have the bytes of HEAD's, and whether this processor is one that promises it."""

from __future__ import annotations

from pathlib import Path

from pipelines.dvc.lock import DvcLock, unlike
from pipelines.words import listed
from pixelproof.core.machine import processor

PROCESSORS = Path("benchmarks/results/portable.md")


def of_bytes(committed: DvcLock, here: DvcLock, portable: bool, different: bool = False) -> str:
    """A line on which outputs have other bytes than HEAD's dvc.lock records.

    Args:
        committed: HEAD's dvc.lock.
        here: the working tree's.
        portable: whether params.yaml asks for the same bytes on other processors.
        different: whether metrics differ: if no output does, they were edited, and nothing is said.

    Returns:
        An empty text also if HEAD has no outputs.
    """
    model, _ = processor()
    other = unlike(committed.outs, here.outs)
    if not committed.outs or (different and not other):
        return ""
    if not other:
        said = f"every output has the bytes of HEAD's dvc.lock ({len(committed.outs)} outputs)"
        return f"{said}, on {model}"
    some = f"{listed(other)} ({len(other)} of {len(committed.outs)} outputs)"
    said = f"other bytes than in HEAD's dvc.lock: {some}, on {model}"
    if not portable:
        return said
    known = PROCESSORS.is_file() and model in PROCESSORS.read_text(encoding="utf-8")
    return f"{said}, which is {'' if known else 'not '}in {PROCESSORS}"
