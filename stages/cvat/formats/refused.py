"""Exports that are recognised and cannot be read: they hold no areas, or are no exports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pixelproof.core.errors import DataError
from stages.cvat.archive import Export
from stages.cvat.formats.pictures import is_picture

AGAIN = "export the task or project again as 'CVAT for images 1.1'"
BACKUP = "open it in CVAT with 'Create from backup', then export {} as 'CVAT for images 1.1'"
LABEL_STUDIO = "export from Label Studio as 'COCO with Images'"
VIA = "export from the VGG Image Annotator as COCO, and put the images beside the file"
SUPERVISELY = "export from Supervisely as COCO, or as masks with a labelmap.txt (PASCAL VOC)"


@dataclass(frozen=True)
class Sign:
    """What tells a format: a file for each pattern; and one of them with this in it, if anything must be."""

    name: str
    files: tuple[str, ...]
    content: str = ""
    remedy: str = AGAIN


SIGNS = (
    Sign("a backup of a project", (r"project\.json",), remedy=BACKUP.format("the project")),
    Sign("a backup of a task", (r"task\.json",), remedy=BACKUP.format("the task")),
    Sign("Ultralytics YOLO Pose: it holds skeletons only", (r"[^/]+\.ya?ml",), r"^kpt_shape\s*:"),
    Sign("YOLO 1.1: it holds boxes only", (r"obj\.data", r"obj\.names")),
    Sign("KITTI", (r"(.+/)?(label_2|semantic_rgb)/.+",)),
    Sign("MOTS PNG", (r"(.+/)?instances/labels\.txt",)),
    Sign("MOT: it holds boxes only", (r"(.+/)?gt/gt\.txt",)),
    Sign("Cityscapes", (r"gtFine/.+",)),
    Sign("CamVid", (r"label_colors\.txt", r".+annot/.+")),
    Sign("LabelMe", (r"(.+/)?[^/]+\.xml",), r"<annotation>[\s\S]*<(folder|filename)>"),
    Sign(
        "Label Studio's JSON",
        (r"[^/]+\.json",),
        r'^\s*\[\s*\{[\s\S]*"(result|annotation_id)"\s*:',
        LABEL_STUDIO,
    ),
    Sign("YOLO of Label Studio", (r"classes\.txt", r"notes\.json"), remedy=LABEL_STUDIO),
    Sign("masks of Label Studio", (r"(.+/)?task-\d+-annotation-\d+.*\.(png|npy)",), remedy=LABEL_STUDIO),
    Sign("Supervisely", (r"(.+/)?meta\.json", r"(.+/)?ann/.+\.json"), remedy=SUPERVISELY),
    Sign("VGG Image Annotator", (r"(.+/)?[^/]+\.json",), r'"(_via_img_metadata|shape_attributes)"\s*:', VIA),
    Sign("VGG Image Annotator", (r"(.+/)?[^/]+\.csv",), r"region_shape_attributes", VIA),
    Sign("LabelMe", (r"(.+/)?[^/]+\.json",), r'"imagePath"\s*:'),
    Sign("ImageNet: it holds tags only", (r"synsets\.txt",)),
    Sign("WIDER FACE: it holds boxes only", (r"wider_face_split/.+",)),
    Sign("VGGFace2: it holds boxes only", (r"(.+/)?bb_landmark/.+\.csv",)),
    Sign("LFW: it holds tags only", (r"(.+/)?annotations/(pairs|people)\.txt",)),
    Sign("Market-1501: it holds tags only", (r"(.+/)?(bounding_box_train|bounding_box_test|query)/.+",)),
    Sign("Open Images", (r"annotations/class-descriptions(-boxable)?\.csv",)),
    Sign("TFRecord: it holds boxes only", (r".+\.tfrecord",)),
    Sign("ICDAR: it holds text", (r"(.+/)?gt(_[^/]+)?\.txt",)),
    Sign("labels of point clouds", (r"(.+/)?(key_id_map\.json|tracklet_labels\.xml|[^/]+\.pcd)",)),
)


def refusal(export: Export, formats: Sequence[str]) -> DataError:
    """The error for an export that no reader takes: it names the format, or lists those that are read.

    Args:
        export: The open export.
        formats: The names of those that are read.
    """
    expected = f"annotations.xml at the top level, or labels as {', '.join(formats)}"
    if found := recognised(export):
        return DataError(export.path, expected, *found)
    if not export.lengths:
        return DataError(export.path, expected, "no files", AGAIN)
    if all(is_picture(member) for member in export.lengths):
        return DataError(export.path, expected, "photographs alone", AGAIN)
    listed = sorted(export.lengths)
    more = f" and {len(listed) - 3} others" if len(listed) > 3 else ""
    return DataError(export.path, expected, f"an unknown format: {', '.join(listed[:3])}{more}", AGAIN)


def recognised(export: Export) -> tuple[str, str] | None:
    """The name of a format that cannot be read, and what to do instead; None for an unknown one.

    Args:
        export: The open export.
    """
    for sign in SIGNS:
        found = [next((name for name in export.lengths if re.fullmatch(file, name)), None) for file in sign.files]
        if None not in found and (not sign.content or _holds(export, str(found[0]), sign.content)):
            return sign.name, sign.remedy
    return None


def _holds(export: Export, member: str, pattern: str) -> bool:
    return re.search(pattern, export.read(member).decode("utf-8", "replace"), re.MULTILINE) is not None
