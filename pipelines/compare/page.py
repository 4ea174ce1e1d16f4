"""comparison.html: one file that loads nothing, runs no script, and states its own content-security policy."""

from __future__ import annotations

from pathlib import Path

from pipelines.compare import opening, words
from pipelines.compare.result import ALARM, GATE_SPLIT, IMPROVED, REGRESSED, SHOWN_SPLIT, Comparison, Pictures
from pixelproof.core.csp import content_security_policy

TEMPLATES = Path(__file__).parent / "templates"


def as_page(found: Comparison, worse: Pictures, better: Pictures) -> str:
    """The page, every text in it escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(words, name) for name in ("score", "signed", "interval", "probability", "name_of", "split_words")
    }
    environment.filters["seeds_words"] = opening.seeds_words
    style = environment.get_template("style.css").render(colors=found.classes.colors if found.classes else ())
    return environment.get_template("comparison.html").render(
        found=found,
        headline=opening.title(found),
        seeds=words.seeds(found),
        style=style,
        policy=content_security_policy(style),
        splits=words.SPLIT_NAMES,
        gate_split=GATE_SPLIT,
        shown_split=SHOWN_SPLIT,
        regressed=REGRESSED,
        improved=IMPROVED,
        alarm=ALARM,
        galleries=[("worse", worse), ("better", better)],
    )
