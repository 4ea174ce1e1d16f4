"""Writes the prepared dataset and its data cards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pixelproof.core.files import whole_folder, write_json, write_text
from pixelproof.core.progress import track
from pixelproof.data.dataset import (
    SPLITS,
    Header,
    SplitWriter,
    image_path,
    read_image,
    read_instances,
    read_mask,
    write_header,
)
from pixelproof.data.images import Array
from stages.prepare.card import Card
from stages.prepare.findings import Findings
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
    check_void(classes, sources[0].name, "void" in params.accept)
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
        for one in track(placed, "prepare: images", len(placed)):
            whole = _read(one, ids[one.source.name], findings)
            for piece in _written(whole, writers[one.split], by_split[one.split]):
                sheets.add(piece)
        found = findings.conclude(sources)
        for writer in writers.values():
            writer.close()
    with whole_folder(cards) as folder:
        for split, card in by_split.items():
            card.notes += _notes(placed, split)
            write_json(folder / f"{split}.json", card.as_json())
        whole_card = summary(every, by_split, findings, found, sheets.write(folder))
        write_json(folder / "card.json", whole_card)
        write_text(folder / "card.md", as_markdown(whole_card))
    return {split: card.images for split, card in by_split.items()}


def _written(whole: Piece, writer: SplitWriter, card: Card) -> Iterator[Piece]:
    """Write what becomes of an image and count it; one that stays as it is, is copied byte for byte."""
    fate = card.fate
    fate.add_image(whole.sample)
    for piece in shaped(whole, fate.shape, writer.split):
        if is_blank_tile(piece, fate.shape):
            fate.tiles["blank"] += 1
            continue
        writer.add(piece.sample, piece.file or piece.image, piece.mask, piece.instances)
        card.add(piece)
        yield piece


def _read(one: Placed, ids: Array, findings: Findings) -> Piece:
    root, split, sample = one.source.root, one.found_in, one.sample
    mask = read_mask(root, split, sample, len(one.source.header.classes))
    image, instances = read_image(root, split, sample), read_instances(root, split, sample)
    findings.add(one, image, mask, instances, ids)
    return Piece.whole(sample, image, ids[mask], instances, image_path(root, split, sample.id))


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
