"""Writes the prepared dataset and its data cards."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from pixelproof.core.files import whole_folder, write_json
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
from stages.prepare.card import Card, counted
from stages.prepare.mapping import lookup, target_classes
from stages.prepare.params import Prepare
from stages.prepare.plan import Placed, Source, crossing_groups, place, read_source
from stages.prepare.shape import Fate, Piece, check_tile_names, is_blank_tile, shaped


def prepare(data: Path, cards: Path, params: Prepare) -> dict[str, int]:
    """Merge the sources in `data` into `data/prepared`, write the cards; return the number of images of each split."""
    sources = [read_source(name, data / name) for name in params.sources]
    classes = target_classes({s.name: s.header for s in sources}, params.map)
    ids = {s.name: lookup(s.name, s.header, classes, params.map.get(s.name, {})) for s in sources}
    placed = place(sources, params)
    check_tile_names([p.sample for p in placed if p.split == "train"], {p.sample.id for p in placed}, params.shape)
    header = Header("prepared", classes, _origins(sources))
    by_split = {split: Card(classes, Fate(params.shape, split)) for split in SPLITS}
    with whole_folder(data / "prepared") as root:
        write_header(root, header)
        writers = {split: SplitWriter(root, split, header) for split in SPLITS}
        done = Remembered.of(Path(__file__).parent)
        for one in track(placed, "prepare: images", len(placed)):
            _write(one, ids[one.source.name], writers[one.split], by_split[one.split], done)
        for writer in writers.values():
            writer.close()
    with whole_folder(cards) as folder:
        for split, card in by_split.items():
            card.notes += _notes(placed, split)
            write_json(folder / f"{split}.json", card.as_json())
    return {split: card.images for split, card in by_split.items()}


def _write(one: Placed, ids: Array, writer: SplitWriter, card: Card, done: Remembered) -> None:
    """Give one image its shape and add what becomes of it; one that stays as it is, is linked or copied."""
    image, labels = _files_of(one)
    contents = [content_of(path) for path in (image, *labels)]
    shape, classes = card.fate.shape.model_dump(), len(one.source.header.classes)
    key = (contents, asdict(one.sample), one.split, ids, classes, shape)
    parts = done.recall(key, lambda: _made(_read(one, ids), writer, card))
    card.fate.add_image(one.sample)
    pieces = json.loads(parts["pieces"])
    card.fate.tiles["blank"] += pieces.count(None)
    for number, piece in enumerate(pieces):
        if piece:
            sample = Sample(**piece["sample"])
            content = parts.get(f"image {number}", image)
            files = Files(piece["ending"], content, parts[f"mask {number}"], parts.get(f"instances {number}"))
            writer.put(sample, files)
            card.add(sample, piece["counts"])


def _made(whole: Piece, writer: SplitWriter, card: Card) -> Parts:
    """What is written of one image: what the pieces are (None: a blank one), and what their files hold."""
    pieces: list[dict[str, object] | None] = []
    parts: Parts = {}
    for number, piece in enumerate(shaped(whole, card.fate.shape, writer.split)):
        if is_blank_tile(piece, card.fate.shape):
            pieces.append(None)
            continue
        files = writer.encode(piece.sample, piece.file or piece.image, piece.mask, piece.instances)
        pieces.append({"sample": asdict(piece.sample), "ending": files.ending, "counts": counted(piece)})
        found = {"image": files.image, "mask": files.mask, "instances": files.instances}
        parts |= {f"{name} {number}": content for name, content in found.items() if isinstance(content, bytes)}
    return parts | {"pieces": json.dumps(pieces).encode()}


def _files_of(one: Placed) -> tuple[Path, list[Path]]:
    """The file of an image as its source has it, and those of its labels."""
    root, split, name = one.source.root, one.found_in, one.sample.id
    labels = [root / split / folder / f"{name}.png" for folder in ("masks", "instances")]
    return image_path(root, split, name), [labels[0], *(path for path in labels[1:] if path.exists())]


def _read(one: Placed, ids: Array) -> Piece:
    root, split, sample = one.source.root, one.found_in, one.sample
    mask = ids[read_mask(root, split, sample, len(one.source.header.classes))]
    image, instances = read_image(root, split, sample), read_instances(root, split, sample)
    return Piece.whole(sample, image, mask, instances, image_path(root, split, sample.id))


def _origins(sources: list[Source]) -> tuple[dict[str, str], ...]:
    return tuple(origin for source in sources for origin in source.header.sources)


def _notes(placed: list[Placed], split: str) -> list[str]:
    """What a reader of the metrics should know about this split."""
    notes = []
    here = [p.sample for p in placed if p.split == split]
    if not here:
        notes.append("no image")
    if crossing := crossing_groups(placed, split):
        notes.append(f"{len(crossing)} groups are in an earlier split too, as published: {', '.join(crossing[:5])}")
    return notes
