"""reports/summary.md: the report's tables as Markdown, for a terminal or a comment."""

from __future__ import annotations

from stages.report.figures import Figure, over_seeds, ranking
from stages.report.gather import MEASURES, Results


def summary(results: Results) -> str:
    """The comparison and the classes as Markdown."""
    seeds = len(next(iter(results.runs.values())))
    names = ranking(results)
    data = ", ".join(f"{card['images']} {split}" for split, card in results.cards.items())
    over = "one seed" if seeds == 1 else f"mean ± standard deviation over {seeds} seeds"
    measured = [*(("test", key) for key in MEASURES), ("val", "mIoU")]
    classes = [
        [plain(label), *(shown(over_seeds(results.runs[name], "test", "classes", label, "iou")) for name in names)]
        for label in results.header.names()
    ]
    parts = [
        f"# {plain(results.title)}",
        f"{len(results.header.classes)} classes; images: {data}. One confusion matrix over each split; {over}.",
        "## Architectures",
        table(
            ["architecture", *(f"{MEASURES[key]} ({split})" for split, key in measured)],
            [[plain(name), *(shown(over_seeds(results.runs[name], *keys)) for keys in measured)] for name in names],
        ),
        "## Classes (IoU, test)",
        table(["class", *map(plain, names)], classes),
    ]
    return "\n\n".join(parts) + "\n"


def shown(figure: Figure) -> str:
    """A figure with three digits; one that nothing could tell is said to be absent."""
    if figure.mean is None:
        return "absent"
    return f"{figure.mean:.3f}" + (f" ± {figure.deviation:.3f}" if figure.deviation is not None else "")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table: names to the left, numbers to the right."""
    rule = [":--", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def plain(name: str) -> str:
    """A name that Markdown and HTML leave as it is."""
    text = " ".join(name.split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join("\\" + letter if letter in "\\|`*_[]#~!" else letter for letter in text)


def percent(share: float | None, digits: int = 0) -> str:
    """A share in per cent; a small one is not shown as none."""
    if share is None:
        return "absent"
    least = 10.0**-digits
    value = share * 100
    text = f"< {least:g}" if 0 < value < least else f"{value:.{digits}f}"
    return text + "\u00a0%"  # a space that no line breaks at
