"""reports/index.html: all sections in one self-contained page.

The page declares its own content-security policy: it loads nothing, and allows only the one script and the one style
sheet whose hashes it names. An inline `style=` would violate it, so templates call `style("width: 40%")`, which gives a
class and adds the rule to the style sheet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixelproof.core.csp import content_security_policy
from stages.report.charts.chart import HUES, SYMBOLS, turn
from stages.report.figures import ranking
from stages.report.gather import Results
from stages.report.markdown import between, percent, short, shown
from stages.report.sections import sections
from stages.report.standing import because, standing, verdict

HERE = Path(__file__).parent


@dataclass
class Styles:
    """The CSS rules that templates ask for, each with its own class."""

    classes: dict[str, str] = field(default_factory=dict)

    def __call__(self, rule: str) -> str:
        """The class that has this rule."""
        return self.classes.setdefault(rule, f"s{len(self.classes)}")

    def rules(self) -> str:
        """All rules, as CSS."""
        return "".join(f".{name} {{ {rule} }}\n" for rule, name in self.classes.items())


def render(results: Results) -> str:
    """The page, with all text escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader([HERE / "templates", HERE / "sections"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    styles = Styles()
    names, stand = ranking(results), standing(results)
    environment.filters |= {"shown": shown, "percent": percent, "between": between, "short": short}
    environment.globals |= {
        "style": styles,
        "results": results,
        "standing": stand,
        "header": results.header,
        "names": names,
        "seeds": results.seeds,
        "marks": {name: SYMBOLS[turn(i)] for i, name in enumerate(results.runs)},
        "hues": {name: i % HUES for i, name in enumerate(results.runs)},
    }
    parts = []
    for section in sections():
        context = section.context(results)
        if context is not None:
            key = section.__name__.rsplit(".", 1)[-1]
            html = environment.get_template(f"{key}.html").render(context)
            fold = getattr(section, "FOLD", None)
            made = {"id": key, "title": section.TITLE, "group": section.GROUP, "fold": fold, "html": Markup(html)}
            parts.append(made)
    groups: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        groups.setdefault(str(part["group"]), []).append(part)
    body = environment.get_template("body.html").render(
        sections=parts, groups=groups, verdict=verdict(stand), because=because(stand)
    )
    sheets = [HERE / "templates/style.css", *sorted((HERE / "sections").glob("*.css"))]
    scripts = [HERE / "templates/page.js", *sorted((HERE / "sections").glob("*.js"))]
    style = "\n".join([*map(read, sheets), styles.rules()])
    script = "\n".join(map(read, scripts))
    return environment.get_template("index.html").render(
        body=Markup(body), style=Markup(style), script=Markup(script), policy=content_security_policy(style, script)
    )


def read(path: Path) -> str:
    """Read a file of this package."""
    return path.read_text(encoding="utf-8")
