"""Writes the prepared dataset and its data cards."""

from __future__ import annotations

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
from pixelproof.data.images import Array
from pixelproof.data.resize import resize_image, resize_labels, resize_sample
from stages.prepare.card import Card
from stages.prepare.mapping import lookup, target_classes
from stages.prepare.params import Prepare
from stages.prepare.plan import Placed, Source, crossing_groups, place, read_source


def prepare(data: Path, cards: Path, params: Prepare) -> dict[str, int]:
    """Merge the sources in `data` into `data/prepared`, write the cards; return the number of images of each split."""
    sources = [read_source(name, data / name) for name in params.sources]
    classes = target_classes({s.name: s.header for s in sources}, params.map)
    ids = {s.name: lookup(s.name, s.header, classes, params.map.get(s.name, {})) for s in sources}
    placed = place(sources, params)
    header = Header("prepared", classes, _origins(sources))
    by_split = {split: Card(classes) for split in SPLITS}
    with whole_folder(data / "prepared") as root:
        write_header(root, header)
        writers = {split: SplitWriter(root, split, header) for split in SPLITS}
        for one in track(placed, "prepare: images", len(placed)):
            _write(one, ids[one.source.name], params, writers[one.split], by_split[one.split])
        for writer in writers.values():
            writer.close()
    with whole_folder(cards) as folder:
        for split, card in by_split.items():
            card.notes += _notes(placed, split, params)
            write_json(folder / f"{split}.json", card.as_json())
    return {split: card.images for split, card in by_split.items()}


def _write(one: Placed, ids: Array, params: Prepare, writer: SplitWriter, card: Card) -> None:
    """Resize one image and add it; one that has the size already is copied byte for byte."""
    sample, image, mask, instances = _read(one, ids)
    width, height = params.width, params.height
    copied: Path | None = image_path(one.source.root, one.found_in, one.sample.id)
    if (sample.width, sample.height) != (width, height):
        sample, copied = resize_sample(sample, width, height), None
        image, mask = resize_image(image, width, height), resize_labels(mask, width, height)
        instances = None if instances is None else resize_labels(instances, width, height)
    writer.add(sample, copied or image, mask, instances)
    card.add(sample, image, mask, instances)


def _read(one: Placed, ids: Array) -> tuple[Sample, Array, Array, Array | None]:
    root, split, sample = one.source.root, one.found_in, one.sample
    mask = ids[read_mask(root, split, sample, len(one.source.header.classes))]
    return sample, read_image(root, split, sample), mask, read_instances(root, split, sample)


def _origins(sources: list[Source]) -> tuple[dict[str, str], ...]:
    return tuple(origin for source in sources for origin in source.header.sources)


def _notes(placed: list[Placed], split: str, params: Prepare) -> list[str]:
    """What a reader of the metrics should know about this split."""
    notes = []
    here = [p.sample for p in placed if p.split == split]
    if not here:
        notes.append("no image")
    if crossing := crossing_groups(placed, split):
        notes.append(f"{len(crossing)} groups are in an earlier split too, as published: {', '.join(crossing[:5])}")
    stretched = sum(s.width * params.height != s.height * params.width for s in here)
    if stretched:
        notes.append(f"{stretched} of {len(here)} images changed their aspect at {params.width}x{params.height}")
    return notes
