"""What params.yaml says about labels that nobody here has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from commands._adding.describe import describe, grouping
from commands._adding.labels import Comparer
from commands._adding.measure import Found, measure
from commands._shape import propose
from pipelines.edit import set_values
from pixelproof.core.errors import DataError
from pixelproof.core.params import read_yaml
from pixelproof.data.dataset import SPLITS, UNSPLIT
from pixelproof.data.photos import Measured
from pixelproof.data.splitting import Split, best_salt, split_of
from stages.cvat.convert import Opened, Photograph, measured
from stages.cvat.params import IGNORED, MOST_LABELS, Cvat, Grouping
from stages.cvat.store import Line, effective, places_of
from stages.prepare.mapping import VOID

FOLDER = "data/annotations"
OBJECT = 0.1  # of its image: a label whose objects cover less on average is assumed to be a thing
UNLABELLED = 0.05  # if more of the pixels than this lie outside every shape, they become a class of their own
BACKGROUND = {"name": "background", "color": "#000000", "thing": False}
NEIGHBOURS = (
    "frames of one flight may end up in both train and test: a folder per flight in CVAT's image names prevents it,"
    " or --group"
)


@dataclass(frozen=True)
class Before:
    """The clone before anything is added."""

    store: Path
    kept: Cvat | None  # what params.yaml says; None before the first export
    split: Split
    lines: list[Line]
    group: Grouping | None  # what was asked for, or is kept; None: it is for us to say
    tables: Path  # the folder of the table of groups, if there is one
    portable: bool | None


@dataclass(frozen=True)
class Settings:
    """What params.yaml is to say."""

    params: Cvat
    split: Split
    changes: dict[str, Any]  # by key path
    told: list[str]  # what was assumed


def settings_for(
    before: Before, lines: Sequence[Line], opened: Sequence[Opened], subsets: Mapping[str, str], comparer: Comparer
) -> Settings:
    """Settle what params.yaml says: for the first images all of it, later what is new.

    Args:
        before: What is there.
        lines: The new index.
        opened: What is added.
        subsets: Their splits.
        comparer: Finds the labels of lines.

    Raises:
        PixelproofError: There are no labels or too many, or too few groups.
    """
    kept = before.kept
    added = [(one, image) for one in opened for image in one.parsed.images]
    images = added if kept else [comparer.image(line) for _, line in sorted(effective(lines).items())]
    exports = list({id(one): one for one in (*(one for one, _ in images), *opened)}.values())
    described = describe(exports, FOLDER, before.group or grouping(lines), kept)
    params = Cvat.model_validate(described.model_dump() | {"subsets": dict(subsets)})
    deep = None if params.window else _deep(opened)
    if deep:
        params = params.model_copy(update={"window": deep.window})
    known = {label.name for label in kept.classes} if kept else set()
    portable = {} if before.portable is None else {"compute.portable": before.portable}
    if kept and {label.name for label in params.classes} <= known:
        return Settings(params, before.split, later_changes(params, kept) | portable, _told_of(deep))
    found = measure(images, params)
    params = settled(params, found, kept)
    if kept:
        return Settings(
            params, before.split, later_changes(params, kept) | portable, [*new_labels(params, kept), *_told_of(deep)]
        )
    split = before.split.model_copy(update={"salt": _salt(before, lines, params, found)})
    proposed = propose(found.sizes, found.objects)
    changes = first_changes(params, split.salt) | {"prepare.shape": proposed.shape.model_dump()}
    return Settings(params, split, changes | portable, [*told(params, found), *_told_of(deep), *proposed.reasons])


def _deep(opened: Sequence[Opened]) -> Measured | None:
    """The window for the first images of 16 bits per channel: measured once, or older images would change."""
    named = [(one.export, image.member) for one in opened for image in one.parsed.images if image.member]
    return measured(Photograph(f"{export.path}: {member}", partial(export.read, member)) for export, member in named)


def _told_of(deep: Measured | None) -> list[str]:
    return [deep.told("cvat.window")] if deep else []


def places(lines: Sequence[Line], params: Cvat, split: Split, tables: Path) -> dict[str, tuple[str, str]]:
    """The split and the group of each image, by id, as `prepare` will divide them."""
    found = {}
    for name, (where, group) in places_of(lines, tables, params).items():
        place = split_of(group, split.val, split.test, split.salt) if where == UNSPLIT else where
        found[name] = ("train" if split.learn_val and place == "val" else place, group)
    return found


def _salt(before: Before, lines: Sequence[Line], params: Cvat, seen: Found) -> int:
    """Of the division into splits: chosen once, for the first images."""
    found = places_of(lines, before.tables, params)
    groups = Counter(group for split, group in found.values() if split == UNSPLIT)
    if not groups or {split for split, _ in found.values()} >= {*SPLITS}:  # the user's own fill train, val and test
        return before.split.salt
    holds: dict[str, Counter[str]] = {}
    for place, name in enumerate(sorted(effective(lines))):
        if found[name][0] == UNSPLIT:
            holds.setdefault(found[name][1], Counter()).update(seen.held.get(place, {}))
    salt = best_salt(groups, before.split.val, before.split.test, holds, before.split.folds)
    if salt is None:
        fix = "train, val and test need one each; say with --group what must stay together"
        raise DataError("your images", "images of three groups or more", f"{len(groups)}", fix)
    return salt


def new_labels(params: Cvat, kept: Cvat) -> list[str]:
    """Says which labels are new, and what was assumed about them."""
    new = params.classes[len(kept.classes) :]
    return [f"new in cvat.classes: {label.name} ({'a thing' if label.thing else 'not a thing'})" for label in new]


def settled(params: Cvat, found: Found, kept: Cvat | None) -> Cvat:
    """Settle what an export does not say; what params.yaml says about earlier labels and the background stays.

    A label is assumed to be a thing if its objects cover a tenth of the image or less, on average. Pixels outside every
    shape belong to a label called background if there is one, to a new class of that name if there are many and room is
    left for it, else to none.
    """
    values = params.model_dump()
    known = {label.name: label.thing for label in kept.classes} if kept else {}
    for label in values["classes"]:
        share = found.share(label["name"])
        label["thing"] = known.get(label["name"], share is not None and share <= OBJECT)
    name = next((label.name for label in params.classes if label.name.lower() == BACKGROUND["name"]), IGNORED)
    room = len(params.classes) < MOST_LABELS
    if name == IGNORED and found.unlabelled > UNLABELLED and room and not kept:
        values["classes"].append(BACKGROUND)
        name = str(BACKGROUND["name"])
    return Cvat.model_validate({**values, "background": kept.background if kept else name})


def first_changes(params: Cvat, salt: int) -> dict[str, Any]:
    """What the first `add` writes into params.yaml, by key path."""
    void = {label.name: IGNORED for label in params.classes if label.name.lower() in VOID}
    return {
        "download.dataset": "none",
        **{f"cvat.{key}": value for key, value in params.model_dump(exclude_defaults=True).items()},
        "prepare.sources": ["cvat"],
        "prepare.map": {"cvat": void} if void else {},
        "prepare.split.salt": salt,
        "measure.landing.safe": [],  # only the user knows which classes are safe to land on
    }


def later_changes(params: Cvat, kept: Cvat) -> dict[str, Any]:
    """What a later `add` changes: labels, kinds of shapes, subsets and a window are added, everything else is kept."""
    now, before = params.model_dump(), kept.model_dump()
    return {f"cvat.{key}": now[key] for key in ("classes", "skip", "subsets", "window") if now[key] != before[key]}


def edited(path: Path, changes: Mapping[str, Any]) -> str:
    """params.yaml with changes; one of an older version may lack keys of the section `cvat`."""
    text, section = path.read_text(), read_yaml(path)["cvat"]
    ours = {key.removeprefix("cvat."): value for key, value in changes.items() if key.startswith("cvat.")}
    if ours.keys() <= section.keys():
        return set_values(text, changes) if changes else text
    others = {key: value for key, value in changes.items() if not key.startswith("cvat.")}
    return set_values(text, {**others, "cvat": {**section, **ours}})


def told(params: Cvat, found: Found) -> list[str]:
    """What was found and decided, so that the user can change any of it by editing one line."""
    things = [label.name for label in params.classes if label.thing]
    others = [label.name for label in params.classes if not label.thing]
    width, height = Counter(found.sizes).most_common(1)[0][0]
    full = params.background == IGNORED and found.unlabelled > UNLABELLED
    full_of = f"; {MOST_LABELS} labels leave no room for a class of those pixels" if full else ""
    sample = f" (of {found.drawn} images)" if found.drawn < len(found.sizes) else ""
    return [
        f"{len(found.sizes)} images (mostly {width}x{height}), grouped by cvat.group: {_group(params)}",
        f"{100 * found.unlabelled:.1f} % of the pixels{sample} lie outside every shape;"
        f" cvat.background: {params.background}{full_of}",
        f"things (countable objects): {', '.join(things) or 'none'}",
        f"not things: {', '.join(others) or 'none'}",
        f"please check: a label is assumed to be a thing if its objects cover {100 * OBJECT:.0f} % of an image or less",
        *([NEIGHBOURS] if params.group == "image" else []),
    ]


def _group(params: Cvat) -> str:
    if isinstance(params.group, str):
        return params.group
    return ": ".join(*params.group.model_dump().items())
