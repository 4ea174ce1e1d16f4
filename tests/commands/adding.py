"""What the tests of `add` share: a clone, exports, and what the pipeline makes of them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commands._adding.add import Request, add
from pixelproof.core.params import check
from pixelproof.data.dataset import SPLITS, read_split
from stages.cvat.params import Params
from stages.cvat.store import convert_store
from stages.prepare.merge import prepare
from stages.prepare.params import Params as PrepareParams
from tests.stages.cvat.fake import FakeExport, encoded, shape

ROOT = Path(__file__).parents[2]
LABELS = {"panel": "#12ab3c", "yard": "#ff0000"}
Images = dict[str, tuple[int, int]]  # name -> the seed of its picture, and the left side of its panel


def export(images: Images, task: str = "", labels: Iterable[str] = LABELS, photographs: bool = True) -> FakeExport:
    """An export of a task: one panel in each image."""
    made = FakeExport({name: LABELS.get(name, "#010203") for name in labels}, about=f"<id>{task}</id>" if task else "")
    for name, (seed, left) in images.items():
        made.add(name, shape("box", "panel", xtl=left, ytl=2, xbr=left + 4, ybr=7))
        made.files[f"images/{name}"] = encoded(20, 16, Path(name).suffix.lower(), seed)
    made.files = made.files if photographs else {}
    return made


def project(**tasks: tuple[str, Images]) -> FakeExport:
    """An export of a project: `t12=(subset, images)`."""
    made = FakeExport(LABELS, meta="project", about="<id>1</id>")
    for task, (subset, images) in tasks.items():
        for number, (name, (seed, left)) in enumerate(images.items()):
            panel = shape("box", "panel", xtl=left, ytl=2, xbr=left + 4, ybr=7)
            made.add(name, panel, id=number, task_id=task[1:], subset=subset)
            del made.files[f"images/{name}"]
            made.files[f"images/{subset}/{name}"] = encoded(20, 16, Path(name).suffix.lower(), seed)
    return made


def flight(first: int, count: int, left: int = 3) -> Images:
    """Images as a drone names them; each has its own picture."""
    return {f"DJI_{number:04d}.JPG": (first + number, left) for number in range(count)}


@dataclass(frozen=True)
class Clone:
    """A folder with this project's params.yaml and dvc.yaml, and no repository."""

    folder: Path

    @staticmethod
    def at(folder: Path) -> Clone:
        """A new one."""
        folder.mkdir(parents=True)
        for name in ("params.yaml", "dvc.yaml"):
            shutil.copy(ROOT / name, folder / name)
        return Clone(folder)

    @property
    def store(self) -> Path:
        """Where annotations are."""
        return self.folder / "data/annotations"

    def add(self, *sources: str | Path, **options: Any) -> dict[str, list[int]]:
        """Add exports; the rows of the table that is printed."""
        return table(self.told(*sources, **options))

    def told(self, *sources: str | Path, **options: Any) -> list[str]:
        """Add exports; all that is printed."""
        return add(Request(list(sources), **options), self.folder)

    def params(self) -> dict[str, Any]:
        """The content of params.yaml."""
        values: dict[str, Any] = yaml.safe_load((self.folder / "params.yaml").read_text())
        return values

    def edit(self, **cvat: Any) -> None:
        """Change the section cvat."""
        values = self.params()
        values["cvat"] |= cvat
        (self.folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))

    def files(self) -> dict[str, str]:
        """The digest of every file there."""
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file() and ".pixelproof" not in path.parts)
        return {p.relative_to(self.folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}

    def images(self) -> dict[str, tuple[str, str]]:
        """What the stages cvat and prepare make of it: by id, the split, and a digest of image and labels."""
        section = check(Params, {"cvat": self.params()["cvat"]}).cvat
        convert_store(self.store, self.folder / "out/cvat", section)
        asked = PrepareParams.model_validate({"prepare": self.params()["prepare"]}).prepare
        prepare(self.folder / "out", self.folder / "out/results", asked)
        splits = {s.id: split for split in SPLITS for s in read_split(self.folder / "out/prepared", split)}
        splits = {name.removeprefix("cvat-"): split for name, split in splits.items()}
        found = {}
        for path in sorted((self.folder / "out/cvat").glob("*/images/*")):
            parts = [path, *(path.parents[1] / kind / f"{path.stem}.png" for kind in ("masks", "instances"))]
            content = b"".join(part.read_bytes() for part in parts)
            found[path.stem] = (splits[path.stem], hashlib.sha256(content).hexdigest())
        shutil.rmtree(self.folder / "out")
        return found


def table(told: list[str]) -> dict[str, list[int]]:
    """The rows of the table that `add` prints: train, val, test, in all."""
    rows = (line.split() for line in told)
    names = ("new", "relabelled", "removed", "unchanged", "groups")
    return {row[0]: [int(cell) for cell in row[1:]] for row in rows if row[0] in names and len(row) == 5}


def in_all(rows: dict[str, list[int]]) -> tuple[int, ...]:
    """New, relabelled, removed, unchanged: of all splits."""
    return tuple(rows[name][-1] for name in ("new", "relabelled", "removed", "unchanged"))


def splits(images: dict[str, tuple[str, str]]) -> dict[str, str]:
    """By id, the split of each image."""
    return {name: split for name, (split, _) in images.items()}


FIRST = {f"flight{number // 4}/{name}": value for number, (name, value) in enumerate(flight(0, 24).items())}
