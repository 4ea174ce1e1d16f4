"""The data card of all splits: as JSON for programs, as Markdown for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pixelproof.data.dataset import NOTES, SPLITS, ClassInfo
from pixelproof.data.images import Array
from pixelproof.data.splitting import fold_name
from stages.prepare.card import Card
from stages.prepare.findings import Conclusions, Findings, left_out, uneven, unlabelled
from stages.prepare.mapping import spelt_alike
from stages.prepare.params import Prepare
from stages.prepare.plan import FOLDED, LEFT_OUT, Placed, Source

SIZES = 10  # sizes of images that are listed


def summary(
    placed: list[Placed], cards: Mapping[str, Card], findings: Findings, found: Conclusions, sheets: Mapping[str, str]
) -> dict[str, Any]:
    """What results/data/card.json says.

    Args:
        placed: All images.
        cards: Those of the splits.
        findings: What was seen of the images.
        found: What follows from it.
        sheets: The contact sheet of each class.
    """
    params, classes = findings.params, cards["train"].classes
    sources = list({one.source.name: one.source for one in placed}.values())
    parts = {split: card.pixels for split, card in cards.items() if card.images}
    if folds := cards["val"].folds:
        parts = {fold_name(number): folds[number].pixels for number in sorted(folds)} | {
            split: found for split, found in parts.items() if split not in FOLDED
        }
    pixels = {part: {info.name: found[info.id] for info in classes} for part, found in parts.items()}
    return {
        "sources": [origin for source in sources for origin in source.header.sources],
        "classes": [_class(info, sources, params, sheets) for info in classes],
        "splits": {split: cards[split].as_json() for split in SPLITS},
        "sizes": {split: _sizes([one for one in placed if split in one.splits]) for split in SPLITS},
        "frozen": len(findings.frozen),
        "duplicates": found.as_json(),
        "dropped": {
            "images_in_no_split": sum(one.split == LEFT_OUT for one in placed),
            "blank_tiles": {split: cards[split].fate.tiles["blank"] for split in SPLITS},
            "classes": {source.name: _ignored(source, params, findings.values) for source in sources},
        },
        "unlabelled_images": {split: findings.unlabelled[split] for split in SPLITS},
        "warnings": [
            *spelt_alike(classes, params.map.get(params.sources[0], {})),
            *left_out(placed),
            *unlabelled(findings),
            *uneven(findings, pixels, placed),
            *found.warnings(),
        ],
    }


def _class(info: ClassInfo, sources: list[Source], params: Prepare, sheets: Mapping[str, str]) -> dict[str, Any]:
    """A class, with the classes of the sources that it is made of."""
    made = {
        source.name: [
            name for name in source.header.names() if params.map.get(source.name, {}).get(name, name) == info.name
        ]
        for source in sources
    }
    return {
        "id": info.id,
        "name": info.name,
        "color": list(info.color),
        "thing": info.thing,
        "from": made,
        "sheet": sheets.get(info.name),
    }


def _sizes(placed: list[Placed]) -> list[dict[str, Any]]:
    """The sizes of images before they are given a shape; the most frequent first."""
    counts = Counter(f"{one.sample.width}x{one.sample.height}" for one in placed)
    ordered = sorted(counts.items(), key=lambda size: (-size[1], size[0]))
    rest = sum(count for _, count in ordered[SIZES:])
    others = [{"size": "others", "images": rest}] if rest else []
    return [*({"size": size, "images": count} for size, count in ordered[:SIZES]), *others]


def _ignored(source: Source, params: Prepare, values: Mapping[Any, Array]) -> dict[str, int]:
    """The pixels of the source's classes that prepare.map ignores."""
    moved = params.map.get(source.name, {})
    return {
        info.name: int(values[source.name][info.id])
        for info in source.header.classes
        if moved.get(info.name) == "ignore" and source.name in values
    }


def as_markdown(card: Mapping[str, Any]) -> str:
    """The card as a page."""
    splits = card["splits"]
    lines = ["# Data card", "", *_origins(card), "", "| | train | val | test |", "|---|---:|---:|---:|"]
    lines += [
        _row("images", [splits[split]["images"] for split in SPLITS]),
        _row("groups", [splits[split]["groups"] for split in SPLITS]),
        _row("labelled pixels", [splits[split]["pixels"]["labelled"] for split in SPLITS]),
        _row("ignored pixels", [_percent(_ignore_share(splits[split])) for split in SPLITS]),
        _row("images without a label", [card["unlabelled_images"][split] for split in SPLITS]),
    ]
    lines += _folds(splits["val"].get("folds", []))
    lines += ["", "## Warnings", "", *(_bullets(card["warnings"]) or ["None."])]
    lines += ["", "## Classes", "", "Pixels (share of the labelled ones) and instances by split.", ""]
    lines += ["| class | from | train | val | test |", "|---|---|---:|---:|---:|"]
    lines += [
        _row(_cell(info["name"]), [_from(info), *(_held(splits[s], info["id"]) for s in SPLITS)])
        for info in card["classes"]
    ]
    lines += ["", "## Sizes and shape", ""]
    lines += _bullets(
        f"{split}: " + ", ".join(f"{each['size']} ({each['images']})" for each in card["sizes"][split])
        for split in SPLITS
        if card["sizes"][split]
    )
    lines += _bullets(f"{split}: {note}" for split in SPLITS for note in splits[split]["notes"])
    lines += ["", "## Dropped", "", *(_bullets(_dropped(card)) or ["Nothing."])]
    lines += ["", "## Duplicates", "", *(_bullets(_duplicates(card)) or ["None."])]
    for info in card["classes"]:
        if info["sheet"]:
            lines += ["", f"## {_cell(info['name'])}", "", f"![images with this class outlined]({info['sheet']})"]
    return "\n".join(lines) + "\n"


def _folds(folds: list[Mapping[str, Any]]) -> list[str]:
    """A table of the folds, if there are any."""
    if not folds:
        return []
    said = "Train and val are the same images, in folds: each is judged by networks that did not learn from its fold."
    lines = ["", "## Folds", "", said, "", "| fold | images | groups | classes |", "|---:|---:|---:|---:|"]
    return lines + [
        _row(one["fold"], [one["images"], one["groups"], sum(info["pixels"] > 0 for info in one["classes"])])
        for one in folds
    ]


def _origins(card: Mapping[str, Any]) -> list[str]:
    named = [
        ", ".join(f"{key}: {value}" for key, value in sorted(origin.items()) if key != NOTES)
        for origin in card["sources"]
    ]
    return _bullets(named) + (_bullets([f"frozen test split of {card['frozen']} images"]) if card["frozen"] else [])


def _dropped(card: Mapping[str, Any]) -> list[str]:
    dropped = card["dropped"]
    lines = [
        f"{count} tiles of {split} in which nothing is labelled"
        for split, count in dropped["blank_tiles"].items()
        if count
    ]
    if count := dropped["images_in_no_split"]:
        lines.append(f"{count} images that would join the frozen test split")
    for source, classes in dropped["classes"].items():
        lines += [
            f"{pixels} pixels of {name!r} of {source}, which prepare.map ignores" for name, pixels in classes.items()
        ]
    return lines + [note for origin in card["sources"] for note in origin.get(NOTES, "").split("; ") if note]


def _duplicates(card: Mapping[str, Any]) -> list[str]:
    words = {
        "equal": "equal pictures",
        "near": "pictures in different splits that look alike",
        "one_mask": "different pictures with one mask",
        "mask_of_another": "masks that fit another picture better",
    }
    found = card["duplicates"]
    return [
        f"{words[kind]}: {pair['first']} and {pair['second']}" for kind in words for pair in found[kind]["pairs"][:20]
    ] + [
        f"{words[kind]}: {found[kind]['count'] - 20} more, in card.json" for kind in words if found[kind]["count"] > 20
    ]


def _held(split: Mapping[str, Any], number: int) -> str:
    info = split["classes"][number]
    instances = "" if info["instances"] is None else f", {info['instances']}"
    return f"{info['pixels']} ({_percent(info['share'])}){instances}"


def _from(info: Mapping[str, Any]) -> str:
    others = [
        f"{source}: {', '.join(names)}" for source, names in info["from"].items() if names and names != [info["name"]]
    ]
    return _cell("; ".join(others))


def _ignore_share(split: Mapping[str, Any]) -> float | None:
    pixels = split["pixels"]
    every = pixels["labelled"] + pixels["ignored"]
    return pixels["ignored"] / every if every else None


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.2f} %"


def _row(head: Any, cells: list[Any]) -> str:
    return f"| {head} | " + " | ".join(str(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """Text that does not end a table's cell."""
    return text.replace("|", "\\|")


def _bullets(lines: Any) -> list[str]:
    return [f"- {line}" for line in lines]
