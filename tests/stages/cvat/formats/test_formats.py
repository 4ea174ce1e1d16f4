"""An export is read by what it holds: each format by its own reader, and the others are named with a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import read_header
from stages.cvat import formats
from stages.cvat.convert import convert
from stages.cvat.model import Parsed
from stages.cvat.raster import Palette, draw, draw_painted
from tests.stages.cvat.fake import params
from tests.stages.cvat.formats.made import (
    LABELS,
    areas,
    export,
    item,
    mask_items,
    masks,
    opened,
    photo,
    refusal,
    written,
    zipped,
)  # fmt: skip

KINDS = {"coco_instances": "COCO 1.0", "datumaro": "Datumaro 1.0", "voc_segmentation": "Segmentation mask 1.1"}
PALETTE = Palette(dict(zip(LABELS, range(3), strict=True)), [True] * 3, 255)
PANOPTIC = {
    "images": [{"id": 1, "file_name": "a.png", "width": 20, "height": 16}],
    "categories": [{"id": 1, "name": "road"}],
    "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 1, "category_id": 1}]}],
}
YAML = "names: [a]\nkpt_shape: [3, 3]\ntrain: train.txt\n"
XML = "<annotation>\n<filename>a.png</filename><folder/></annotation>"


def parsed(path: Path) -> Parsed:
    """What the export says."""
    with opened(path) as found:
        return formats.read(found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_datumaro_writes_is_drawn_to_the_pixel(tmp_path: Path, kind: str) -> None:
    truth = masks(7)
    path = zipped(export(tmp_path / "x", kind, [item("a.png", mask_items(*truth), "train")], save_media=True))
    result = parsed(path)
    (image,) = result.images
    assert result.format == KINDS[kind] and image.subset == "train"
    with opened(path) as found:
        if isinstance(image.labels, tuple):
            labels, objects = draw(image.labels, image.width, image.height, PALETTE)
        else:
            labels, instances = draw_painted(str(path), image, image.labels, found.read, PALETTE)
            assert instances is not None
            objects = instances
    np.testing.assert_array_equal(labels, truth[0])
    assert areas(objects.astype(np.uint16)) == areas(truth[1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_dataset_is_the_same_whatever_the_format(tmp_path: Path, kind: str) -> None:
    from pixelproof.data.images import decode

    truth = {f"{name}.png": masks(seed) for seed, name in enumerate("ab")}
    items = [item(name, mask_items(*pair), "val") for name, pair in truth.items()]
    path = zipped(export(tmp_path / "x", kind, items, save_media=True))
    assert convert([path], tmp_path / "out", params()) == (1, 2, {})
    for name, (labels, objects) in truth.items():
        np.testing.assert_array_equal(decode(tmp_path / "out/val/masks" / name, -1), labels)
        cars = np.where(labels == LABELS.index("car"), objects, 0)
        assert areas(decode(tmp_path / "out/val/instances" / name, -1)) == areas(cars.astype(np.uint16))


def test_a_folder_zipped_again_is_that_folder(tmp_path: Path) -> None:
    folder = export(tmp_path / "zip/x", "datumaro", [item("a.png", mask_items(*masks(1)))], save_media=True)
    again = parsed(zipped(folder.parent)).images
    assert [image.name for image in again] == ["a.png"] and again[0].member == "images/default/a.png"


@pytest.mark.parametrize(
    ("files", "expected", "remedy"),
    [
        (["task.json", "annotations.json", "data/a.png"], "a backup of a task", "export the task as 'CVAT for images"),
        (["project.json", "task_0/task.json"], "a backup of a project", "export the project as 'CVAT for images"),
        ({"data.yaml": YAML, "labels/train/a.txt": "0"}, "Ultralytics YOLO Pose", "as 'CVAT for images 1.1'"),
        (["obj.data", "obj.names", "obj_train_data/a.txt"], "YOLO 1.1: it holds boxes only", "as 'CVAT for images"),
        (["train/label_2/a.txt", "train/image_2/a.png"], "KITTI", "as 'CVAT for images 1.1'"),
        (["default/semantic_rgb/a.png", "label_colors.txt"], "KITTI", "as 'CVAT for images 1.1'"),
        (["train/instances/labels.txt", "train/instances/a.png"], "MOTS PNG", "as 'CVAT for images 1.1'"),
        (["gt/gt.txt", "gt/labels.txt", "img1/a.png"], "MOT: it holds boxes only", "as 'CVAT for images 1.1'"),
        (["gtFine/train/a_gtFine_color.png"], "Cityscapes", "as 'CVAT for images 1.1'"),
        (["label_colors.txt", "trainannot/a.png", "train.txt"], "CamVid", "as 'CVAT for images 1.1'"),
        ({"default/a.xml": XML, "default/a.png": photo()}, "LabelMe", "as 'CVAT for images 1.1'"),
        (
            {"project-1.json": [{"id": 1, "annotations": [{"result": []}]}]},
            "Label Studio's JSON",
            "as 'COCO with Images'",
        ),
        (
            ["classes.txt", "notes.json", "images/a.png", "labels/a.txt"],
            "YOLO of Label Studio",
            "as 'COCO with Images'",
        ),
        (["task-3-annotation-1-by-1-tag-road-0.png"], "masks of Label Studio", "as 'COCO with Images'"),
        (["meta.json", "ds0/img/a.png", "ds0/ann/a.png.json"], "Supervisely", "from Supervisely as COCO"),
        (
            {"via.json": {"_via_img_metadata": {}}, "a.png": photo()},
            "VGG Image Annotator",
            "as COCO, and put the images",
        ),
        ({"a.csv": b"filename,region_shape_attributes\n"}, "VGG Image Annotator", "as COCO, and put the images"),
        ({"annotations/panoptic_a.json": PANOPTIC}, "COCO panoptic", "as COCO instances"),
        ({"a.json": {"shapes": [], "imagePath": "a.png"}}, "LabelMe", "as 'CVAT for images 1.1'"),
        (["synsets.txt", "train.txt"], "ImageNet: it holds tags only", "as 'CVAT for images 1.1'"),
        (["wider_face_split/wider_face_train_bbx_gt.txt"], "WIDER FACE", "as 'CVAT for images 1.1'"),
        (["bb_landmark/loose_bb_train.csv", "labels.txt"], "VGGFace2", "as 'CVAT for images 1.1'"),
        (["default/annotations/pairs.txt"], "LFW", "as 'CVAT for images 1.1'"),
        (["bounding_box_train/a.png"], "Market-1501", "as 'CVAT for images 1.1'"),
        (["annotations/class-descriptions.csv"], "Open Images", "as 'CVAT for images 1.1'"),
        (["default.tfrecord", "label_map.pbtxt"], "TFRecord", "as 'CVAT for images 1.1'"),
        (["train/gt_a.txt"], "ICDAR", "as 'CVAT for images 1.1'"),
        (["ds0/key_id_map.json"], "labels of point clouds", "as 'CVAT for images 1.1'"),
        (["Annotations/a.xml", "ImageSets/Main/train.txt"], "PASCAL VOC without masks", "as 'Segmentation mask 1.1'"),
        (["images/a.png", "b.JPG"], "photographs alone", "as 'CVAT for images 1.1'"),
        (["d.txt", "c.txt", "b.txt", "a.txt", "e"], "a.txt, b.txt, c.txt and 2 others", "as 'CVAT for images 1.1'"),
    ],
)
def test_others_are_named_with_a_remedy(tmp_path: Path, files: Any, expected: str, remedy: str) -> None:
    content = files if isinstance(files, dict) else dict.fromkeys(files, b"0")
    message = refusal(formats.read, written(tmp_path / "x", content))
    assert f"found {expected}" in message.replace("an unknown format: ", "") and remedy in message


def test_an_unknown_export_lists_what_is_read(tmp_path: Path) -> None:
    message = refusal(formats.read, written(tmp_path / "x", {"a.txt": "x"}))
    for module in formats.FORMATS:
        assert module.NAME in message


def test_boxes_that_are_only_counted_can_be_skipped(tmp_path: Path) -> None:
    import datumaro as dm

    annotations = [*mask_items(*masks(1)), dm.Bbox(1, 1, 4, 4, label=0), dm.Caption("x")]
    path = export(tmp_path / "x", "coco", [item("a.png", annotations)], save_media=True)
    with pytest.raises(DataError, match="add 'box' to cvat"):
        convert([path], tmp_path / "out", params(skip=["caption"]))
    assert convert([path], tmp_path / "out", params(skip=["box", "caption"])) == (1, 1, {"box": 1, "caption": 1})
    (origin,) = read_header(tmp_path / "out").sources
    shapes, rest = origin["notes"].split("; ")[:2], origin["notes"].split("; ")[2:]
    assert shapes == ["1 shapes of the kind 'box' left out", "1 shapes of the kind 'caption' left out"]
    assert rest and all("another file has those of its subset" in line for line in rest)
