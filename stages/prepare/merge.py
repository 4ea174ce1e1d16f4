"""Writes the prepared dataset and its data cards."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

from pixelproof.core.files import whole_folder, write_json, write_text
from pixelproof.core.progress import track
from pixelproof.data.dataset import (
    SPLITS,
    Header,
    Sample,
    SplitWriter,
    image_path,
    read_image,
    read_instances,
    read_mask,
    write_header,
)
from pixelproof.data.images import Array, Files, content_of
from pixelproof.data.remembered import Parts, Remembered
from pixelproof.data.shape import Shape
from stages.prepare.card import Card, counted
from stages.prepare.findings import Findings, seen
from stages.prepare.frozen import read_frozen
from stages.prepare.mapping import check_void, lookup, target_classes
from stages.prepare.params import Prepare
from stages.prepare.plan import Placed, Source, crossing_groups, place, read_source
from stages.prepare.shape import Fate, Piece, check_tile_names, is_blank_tile, shaped
from stages.prepare.sheets import Sheets
from stages.prepare.summary import as_markdown, summary


def prepare(data: Path, cards: Path, params: Prepare) -> dict[str, int]:
    """Merge the sources in `data` into `data/prepared`, write the cards; return the number of images of each split."""
    sources = [read_source(name, data / name) for name in params.sources]
    classes = target_classes({s.name: s.header for s in sources}, params.map)
    check_void(classes, sources[0].name, "void" in params.accept, params.map.get(sources[0].name, {}))
    ids = {s.name: lookup(s.name, s.header, classes, params.map.get(s.name, {})) for s in sources}
    frozen = read_frozen(Path(params.split.frozen))
    every = place(sources, params, frozen)
    placed = [one for one in every if one.split in SPLITS]
    check_tile_names([p.sample for p in placed if p.split == "train"], {p.sample.id for p in placed}, params.shape)
    header = Header("prepared", classes, _origins(sources))
    by_split = {split: Card(classes, Fate(params.shape, split)) for split in SPLITS}
    findings, sheets = Findings(params, frozen), Sheets(classes)
    with whole_folder(data / "prepared") as root:
        write_header(root, header)
        writers = {split: SplitWriter(root, split, header) for split in SPLITS}
        done = Remembered.of(Path(__file__).parent)
        for one in track(placed, "prepare: images", len(placed)):
            ids_here = ids[one.source.name]
            for split in one.splits:
                parts = _recalled(one, ids_here, writers[split], params.shape, done)
                _write(one, parts, writers[split], by_split[split], sheets if split == one.split else None)
            findings.take(one, ids_here, parts)
        found = findings.conclude(sources)
        for writer in writers.values():
            writer.close()
    with whole_folder(cards) as folder:
        for split, card in by_split.items():
            card.notes += _notes(placed, split)
            write_json(folder / f"{split}.json", card.as_json())
        whole_card = summary(every, by_split, findings, found, sheets.write(folder, data / "prepared"))
        write_json(folder / "card.json", whole_card)
        write_text(folder / "card.md", as_markdown(whole_card))
    return {split: card.images for split, card in by_split.items()}


def _recalled(one: Placed, ids: Array, writer: SplitWriter, shape: Shape, done: Remembered) -> Parts:
    """What was made of one image: now, or in an earlier run."""
    contents = [content_of(path) for path in _files_of(one)]
    key = (contents, asdict(one.sample), writer.split, ids, one.source.header.names(), shape.model_dump())
    return done.recall(key, partial(_made, one, ids, writer, shape))


def _made(one: Placed, ids: Array, writer: SplitWriter, shape: Shape) -> Parts:
    """What is seen of one image, what its pieces are (None: a blank one), and what their files hold."""
    whole, parts = _read(one, ids)
    pieces: list[dict[str, object] | None] = []
    for number, piece in enumerate(shaped(whole, shape, writer.split)):
        if is_blank_tile(piece, shape):
            pieces.append(None)
            continue
        files = writer.encode(piece.sample, piece.file or piece.image, piece.mask, piece.instances)
        pieces.append({"sample": asdict(piece.sample), "ending": files.ending, "counts": counted(piece)})
        found = {"image": files.image, "mask": files.mask, "instances": files.instances}
        parts |= {f"{name} {number}": content for name, content in found.items() if isinstance(content, bytes)}
    return parts | {"pieces": json.dumps(pieces).encode()}


def _write(one: Placed, parts: Parts, writer: SplitWriter, card: Card, sheets: Sheets | None) -> None:
    """Write what became of one image and count it; one that stays as it is, is linked or copied."""
    card.fate.add_image(one.sample)
    pieces = json.loads(parts["pieces"])
    card.fate.tiles["blank"] += pieces.count(None)
    for number, piece in enumerate(pieces):
        if piece:
            sample = Sample(**piece["sample"])
            content = parts.get(f"image {number}") or _image_of(one)
            files = Files(piece["ending"], content, parts[f"mask {number}"], parts.get(f"instances {number}"))
            writer.put(sample, files)
            card.add(sample, piece["counts"])
            if sheets:
                sheets.add(sample, writer.split, [kind for kind, _ in piece["counts"]["pixels"]])


def _image_of(one: Placed) -> Path:
    return image_path(one.source.root, one.found_in, one.sample.id)


def _files_of(one: Placed) -> list[Path]:
    """The files of an image and its labels as its source has them."""
    root, split, name = one.source.root, one.found_in, one.sample.id
    mask, instances = (root / split / folder / f"{name}.png" for folder in ("masks", "instances"))
    return [_image_of(one), mask, *([instances] if instances.exists() else [])]


def _read(one: Placed, ids: Array) -> tuple[Piece, Parts]:
    """One image with its prepared labels, and what is seen of it as its source has it."""
    root, split, sample, names = one.source.root, one.found_in, one.sample, one.source.header.names()
    mask = read_mask(root, split, sample, len(names))
    image, instances = read_image(root, split, sample), read_instances(root, split, sample)
    whole = Piece.whole(sample, image, ids[mask], instances, _image_of(one))
    return whole, seen(image, mask, instances, names)


def _origins(sources: list[Source]) -> tuple[dict[str, str], ...]:
    return tuple(origin for source in sources for origin in source.header.sources)


def _notes(placed: list[Placed], split: str) -> list[str]:
    """What a reader of the metrics should know about this split."""
    notes = []
    here = [p.sample for p in placed if split in p.splits]
    if not here:
        notes.append("no image")
    if any(sample.fold is not None for sample in here):
        notes.append("train and val are the same images, in folds: each is judged by networks that did not learn it")
    if crossing := crossing_groups(placed, split):
        notes.append(f"{len(crossing)} groups are in an earlier split too, as published: {', '.join(crossing[:5])}")
    return notes
