"""The first lines of a comparison: what makes it doubtful, then the verdict."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.compare import words
from pipelines.compare.facts import SeedsOf
from pipelines.compare.result import Comparison


def title(found: Comparison, shown: Callable[[str], str] = str) -> str:
    """The headline: alarms first, then architectures that are gone, the verdict, and new architectures."""
    facts = found.facts
    return "; ".join(
        [
            *(alarm.text for alarm in facts.alarms),
            *([f"gone: {', '.join(map(shown, facts.gone))}"] if facts.gone else []),
            words.headline(found, shown),
            *([f"new: {', '.join(map(shown, facts.new))}"] if facts.new else []),
        ]
    )


def seeds_words(of: SeedsOf) -> str:
    """How many seeds each revision has, and which are compared."""
    base, head = (words.counted(len(side), "seed") for side in (of.base, of.head))
    pairs = [str(old) if old == new else f"{old} with {new}" for old, new in of.compared]
    listed = f"base {', '.join(map(str, of.base))}; head {', '.join(map(str, of.head))}"
    return f"{base} in the base, {head} in the head ({listed}); compared: seed {', '.join(pairs)}"
