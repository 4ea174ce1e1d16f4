"""COCO's categories by their ids: 80 things (1 to 90), 91 kinds of stuff (92 to 182), and those that panoptic merges.

Names and ids are those of labels.txt in https://github.com/nightrome/cocostuff and panoptic_coco_categories.json in
https://github.com/cocodataset/panopticapi. Colours are Pascal VOC's: COCO's own have no meaning in its files.
"""

from __future__ import annotations

from pixelproof.data.dataset import ClassInfo
from pixelproof.sources.labels import voc_palette

NAMES = (  # of the ids 1 to 182
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "street sign", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep",
    "cow", "elephant", "bear", "zebra", "giraffe", "hat", "backpack", "umbrella", "shoe", "eye glasses", "handbag",
    "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove",
    "skateboard", "surfboard", "tennis racket", "bottle", "plate", "wine glass", "cup", "fork", "knife", "spoon",
    "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake",
    "chair", "couch", "potted plant", "bed", "mirror", "dining table", "window", "desk", "toilet", "door", "tv",
    "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator",
    "blender", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush", "hair brush", "banner",
    "blanket", "branch", "bridge", "building-other", "bush", "cabinet", "cage", "cardboard", "carpet",
    "ceiling-other", "ceiling-tile", "cloth", "clothes", "clouds", "counter", "cupboard", "curtain", "desk-stuff",
    "dirt", "door-stuff", "fence", "floor-marble", "floor-other", "floor-stone", "floor-tile", "floor-wood", "flower",
    "fog", "food-other", "fruit", "furniture-other", "grass", "gravel", "ground-other", "hill", "house", "leaves",
    "light", "mat", "metal", "mirror-stuff", "moss", "mountain", "mud", "napkin", "net", "paper", "pavement",
    "pillow", "plant-other", "plastic", "platform", "playingfield", "railing", "railroad", "river", "road", "rock",
    "roof", "rug", "salad", "sand", "sea", "shelf", "sky-other", "skyscraper", "snow", "solid-other", "stairs",
    "stone", "straw", "structural-other", "table", "tent", "textile-other", "towel", "tree", "vegetable",
    "wall-brick", "wall-concrete", "wall-other", "wall-panel", "wall-stone", "wall-tile", "wall-wood", "water-other",
    "waterdrops", "window-blind", "window-other", "wood",
)  # fmt: skip
UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)  # ids that no annotation has
THINGS = tuple(number for number in range(1, 91) if number not in UNUSED)
STUFF = tuple(range(92, 183))
KEPT = (  # stuff that panoptic does not merge
    92, 93, 95, 100, 107, 109, 112, 118, 119, 122, 125, 128, 130, 133, 138, 141, 144, 145, 147, 148, 149, 151, 154,
    155, 156, 159, 161, 166, 168, 171, 175, 176, 177, 178, 180, 181,
)  # fmt: skip
MERGED = (  # of the ids 184 to 200
    "tree-merged", "fence-merged", "ceiling-merged", "sky-other-merged", "cabinet-merged", "table-merged",
    "floor-other-merged", "pavement-merged", "mountain-merged", "grass-merged", "dirt-merged", "paper-merged",
    "food-other-merged", "building-other-merged", "rock-merged", "wall-other-merged", "rug-merged",
)  # fmt: skip


def name_of(number: int) -> str:
    """The name of a category.

    Example:
        >>> name_of(1), name_of(182), name_of(200)
        ('person', 'wood', 'rug-merged')
    """
    return NAMES[number - 1] if number <= len(NAMES) else MERGED[number - 184]


def classes(ids: tuple[int, ...], background: bool = False) -> tuple[ClassInfo, ...]:
    """Classes for some categories, in the order of their ids; after a background, if there is one."""
    named = [("background", False)] if background else []
    named += [(name_of(number), number in THINGS) for number in ids]
    colors = voc_palette(len(named) + 1)[0 if background else 1 :]
    return tuple(ClassInfo(n, name, colors[n], thing) for n, (name, thing) in enumerate(named))


PANOPTIC = (*THINGS, *KEPT, *range(184, 201))
