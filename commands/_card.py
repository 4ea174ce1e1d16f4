"""The model card of an exported network: what it is, its data, how good it is, what it is for and not for. Pure text.

The headings follow Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, where the results can fill them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any

from commands._object_outputs import CLASSES, ObjectOutputs
from commands._trained import Trained
from pixelproof.core.table import markdown_table
from pixelproof.data.dataset import Header
from pixelproof.nn.build import read_config
from pixelproof.scoring.catalogue import in_tables
from stages.train.params import Params


@dataclass(frozen=True)
class Exported:
    """What is known about an ONNX file."""

    shape: tuple[int, int]  # height and width of its input images
    parameters: int
    same: float  # share of the test set's pixels that get the same class as from PyTorch
    digests: dict[str, str]
    versions: dict[str, str]
    objects: ObjectOutputs | None = None


def card(trained: Trained, results: dict[str, Any], exported: Exported) -> str:
    """The card as Markdown. `results` holds the data card of each split, and `metrics`."""
    metrics, cards = results["metrics"], {split: results[split] for split in ("train", "val", "test")}
    sections = {
        "Classes": classes_table(trained.header, cards["train"], metrics),
        "Data": data(trained.header, cards),
        "Training": training(trained.facts, trained.params),
        "Metrics": [
            *metrics_table(metrics),
            "",
            *in_folds(trained.fold),
            "Each score comes from one confusion matrix over the whole split, computed in "
            f"{trained.params.compute.precision}. `-`: undefined on that split. The ONNX file computes in fp32; "
            f"it gives {exported.same:.4%} of the test set's pixels the same class as PyTorch in fp32.",
        ],
        "Use and limits": limits(exported.shape),
        "The ONNX file": usage(trained.told, exported, trained.header),
        "Digests and versions": [
            *markdown_table(
                ["file", "sha256"], [[f"`{name}`", f"`{digest}`"] for name, digest in exported.digests.items()]
            ),
            "",
            ", ".join(f"{name} {version}" for name, version in sorted(exported.versions.items())),
        ],
    }
    scale = read_config(trained.config)["scale"]
    lines = [
        f"# {trained.told}",
        "",
        f"A semantic segmentation network for {len(trained.header.classes)} classes. Architecture `{trained.arch}` at "
        f"scale `{scale}`, {exported.parameters:,} parameters, trained with seed {trained.seed}.",
    ]
    for title, body in sections.items():
        lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def in_folds(fold: int | None) -> list[str]:
    """Whose scores those are, as such a run has a network for each fold."""
    if fold is None:
        return []
    return [
        "**These are scores of the networks of all folds, not of this one alone**: each image of val is judged by the "
        "one that did not learn from it, test by all of them, averaged. This one learnt from all of train but fold "
        f"{fold}.",
        "",
    ]


def metrics_table(metrics: dict[str, Any]) -> list[str]:
    """The scores of each split."""
    shown = in_tables(per_class=False)
    rows = [[split, *(number(reduce(getitem, m.keys, found)) for m in shown)] for split, found in metrics.items()]
    return markdown_table(["split", *(metric.title for metric in shown)], rows)


def classes_table(header: Header, train: dict[str, Any], metrics: dict[str, Any]) -> list[str]:
    """Each class with its share of the training pixels and its IoU."""
    shares = {entry["name"]: entry["share"] for entry in train["classes"]}
    rows = [
        [i, name, percent(shares[name]), *(number(metrics[split]["classes"][name]["iou"]) for split in metrics)]
        for i, name in enumerate(header.names())
    ]
    return markdown_table(["id", "class", "share of training pixels", *(f"IoU, {split}" for split in metrics)], rows)


def data(header: Header, cards: dict[str, dict[str, Any]]) -> list[str]:
    """Where the images come from, and how many there are."""
    licences = [
        f"{s.get('name', 'unnamed')} ({s['licence']})" if "licence" in s else s.get("name", "unnamed")
        for s in header.sources
    ]
    rows = []
    for split, found in cards.items():
        by_source = ", ".join(f"{name} {count}" for name, count in sorted(found["sources"].items()))
        rows.append([split, found["images"], by_source, found["groups"], f"{found['pixels']['labelled']:,}"])
    notes = sorted({note for found in cards.values() for note in found["notes"]})
    return [
        f"Sources: {', '.join(licences) or header.name}. The train split also has augmented copies.",
        "",
        *markdown_table(["split", "images", "by source", "groups", "labelled pixels"], rows),
        *(["", *(f"- {note}" for note in notes)] if notes else []),
    ]


def training(facts: dict[str, Any], params: Params) -> list[str]:
    """The settings that determined the weights."""
    train, compute = params.train, params.compute
    optimizer, schedule, balance = train.optimizer, train.schedule, train.balance
    losses = " + ".join(f"{term.weight:g} x {term.name}" for term in train.loss)
    weights = f"{balance.by}, {balance.power:g}" if balance.by == "power" else balance.by
    why = "the last: there were no labels to validate with"
    if facts["val_mIoU"] is not None:
        why = f"the best on validation (mIoU {number(facts['val_mIoU'])})"
    return [
        f"- iterations: {facts['iterations']} with batch size {train.batch}; the weights are those of iteration "
        f"{facts['best_iteration']}, {why}",
        f"- loss: {losses}, for every cross-entropy of the architecture; class weights: {weights}",
        f"- optimizer: {optimizer.name}, learning rate {optimizer.lr:g}, weight decay {optimizer.weight_decay:g}, "
        f"gradient clipping {optimizer.clip:g}, accumulation {train.accumulate}",
        f"- schedule: {schedule.name}, warm-up {schedule.warmup:g}; averaged weights (EMA): {train.ema:g}",
        f"- random flips: {', '.join(train.flips) or 'none'}; other augmentation while training: "
        f"{', '.join(dict.fromkeys(step.name for step in train.augment)) or 'none'}",
        f"- precision: {compute.precision}; seed: {params.seed}",
    ]


def limits(size: tuple[int, int]) -> list[str]:
    """What the network is for, in plain words."""
    return [
        "For images like those it was trained on: the same kind of camera, view, light and scenes, at "
        f"{size[1]}x{size[0]} pixels. It knows the classes above and no others, and gives every pixel one of them, "
        "even where the image shows something else.",
        "",
        "The numbers above hold for the test set and nothing more. Expect classes with few pixels or a low IoU to be "
        "missed. The network has not been tested on other data, for fairness or for safety: measure it on your own "
        "images before relying on it.",
    ]


def usage(name: str, exported: Exported, header: Header) -> list[str]:
    """Inputs, outputs and code that runs them."""
    (height, width), classes, objects = exported.shape, len(header.classes), exported.objects
    rows = [
        ["input", "`image`", "uint8", f"N, {height}, {width}, 3", "RGB, 0 to 255; normalised inside the graph"],
        ["output", "`logits`", "float32", f"N, {classes}, {height}, {width}", "scores before softmax"],
        ["output", "`classes`", "uint8", f"N, {height}, {width}", "the id of the class with the highest score"],
    ]
    if objects:
        rows += [["output", f"`{each.name}`", *each[1:]] for each in objects.outputs]
    names = objects.names if objects else CLASSES
    return [
        *markdown_table(["", "name", "type", "shape", "what"], rows),
        "",
        "```python",
        ", ".join(["import numpy as np", "onnxruntime", *([objects.needs] if objects and objects.needs else [])]),
        "from PIL import Image",
        f'session = onnxruntime.InferenceSession("{name}.onnx")',
        f'image = Image.open("image.png").convert("RGB").resize(({width}, {height}))',
        f'{", ".join(names)} = (found[0] for found in session.run(None, {{"image": np.asarray(image)[None]}}))',
        'Image.fromarray(classes).save("classes.png")',
        "```",
        *(in_objects(objects) if objects else []),
    ]


def in_objects(objects: ObjectOutputs) -> list[str]:
    """What turns those outputs into objects."""
    things = ", ".join(f"{name} ({label})" for label, name in objects.things.items()) or "none"
    return [
        "",
        f"Classes that have objects: {things}. {objects.said} These lines then give the class id, the score and the "
        "mask of each object; the test set's were read by them and compared with PyTorch's. The file's metadata has "
        "the names of its outputs, these classes and these thresholds, as JSON.",
        "",
        "```python",
        objects.lines,
        "```",
    ]


def number(value: float | None) -> str:
    """A score with four decimals."""
    return "-" if value is None else f"{value:.4f}"


def percent(value: float | None) -> str:
    """A share in percent."""
    return "-" if value is None else f"{value:.2%}"
