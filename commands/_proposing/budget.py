"""What fits into the time and the memory: crop, batch and budget. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from commands._proposing.facts import Facts, Line, Pace, Size
from pipelines.compare.words import counted

STEPS = 1000  # at least: with fewer, batch norm and the learning rate's rise and fall have no time
BATCH = {"cpu": 8, "cuda": 16}  # at most: what the settings here were tuned with
LEAST = 4  # images: batch norm's statistics of fewer say little
OF_IMAGES = 0.05  # of the images at most in one batch, as nnU-Net has it
PARTS = (1.0, 0.75, 0.5, 0.375, 0.25)  # of an image's sides
STRIDE = 32  # networks pad images to multiples of it
SMALLEST = 128  # pixels: the side of a crop
OF_MEMORY = 0.5  # the rest is for data, and for what was not measured
TRAINING = 0.9  # of the time; the rest is for validation
FORWARD = 1 / 3  # of a step: a pass without gradients
MOST_VIEWS = 400  # times that an image is shown
VALIDATIONS = (4, 20)  # at least, and at most


@dataclass(frozen=True)
class Effort:
    """What a network is trained with and for how long."""

    lines: list[Line]
    iterations: int
    views: float  # how often each image is shown


@dataclass(frozen=True)
class Room:
    """The time and the memory that there is for one training, and what a step takes of them."""

    pace: Pace
    seconds: float
    memory: float

    def steps(self, batch: int, size: Size) -> int:
        """How many steps fit into the time."""
        return int(self.seconds / self.step(batch, size))

    def step(self, batch: int, size: Size) -> float:
        """The seconds that a step takes."""
        return self.pace.step + batch * millions(size) * self.pace.seconds

    def needs(self, batch: int, size: Size) -> float:
        """The bytes that a step takes."""
        return self.pace.held + batch * millions(size) * self.pace.bytes

    def holds(self, batch: int, size: Size) -> bool:
        """Whether a step fits into the memory."""
        return self.needs(batch, size) <= self.memory


def millions(size: Size) -> float:
    """The pixels of an image, in millions."""
    return size[0] * size[1] / 1e6


def effort(facts: Facts, pace: Pace, minutes: float, folds: int) -> Effort:
    """Crop, batch and budget for one network, or for those of all folds.

    Args:
        facts: The data and the machine.
        pace: What a step takes.
        minutes: For all of it.
        folds: How many there will be; 0 for none.
    """
    room = room_for(facts, pace, minutes, folds)
    learnt, judged = shared(facts, folds)
    crop, cropped = _crop(facts, room)
    batch, batched = _batch(facts, room, crop, learnt)
    most = most_shown(learnt, batch)
    steps = _rounded(min(room.steps(batch, crop), most))
    views, rate = steps * batch / learnt, batch / room.step(batch, crop)
    span = ("1 minute" if minutes == 1 else f"{minutes:g} minutes") + (f" for {folds} folds" if folds else "")
    speed = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
    times = f"{views:.0f}" if views >= 10 else f"{views:.1f}"
    shown = f"{speed} images/s measured here: {steps} steps of {batch} show each image {times} times"
    ends = f"in {span}" if steps < _rounded(most) else f"which is enough, and takes no more than {span}"
    few = steps < _rounded(min(STEPS, most))
    short = f"; fewer than {STEPS} steps teach little: give it more --minutes" if few else ""
    interval, validated = _validations(facts, room, steps, judged)
    lines = [
        Line("train.crop", None if crop == facts.size else list(crop), cropped),
        Line("train.batch", batch, batched),
        Line("train.accumulate", max(1, LEAST // batch), f"a step sees {max(batch, LEAST)} images"),
        Line("train.iterations", steps, f"{shown}, {ends}{short}"),
        Line("train.val_interval", interval, validated),
    ]
    return Effort(lines, steps, views)


def room_for(facts: Facts, pace: Pace, minutes: float, folds: int) -> Room:
    """What there is for each network."""
    return Room(pace, TRAINING * 60 * minutes / max(folds, 1), OF_MEMORY * facts.memory)


def most_steps(facts: Facts, pace: Pace, minutes: float, folds: int) -> int:
    """How many steps of small batches and crops fit into the time of each network."""
    return room_for(facts, pace, minutes, folds).steps(LEAST, list(_crops(facts))[-1])


def most_shown(learnt: float, batch: int) -> int:
    """After how many steps more would show nothing new."""
    return int(MOST_VIEWS * learnt / batch)


def shared(facts: Facts, folds: int) -> tuple[float, float]:
    """How many images a network learns from, and how many judge it."""
    every = facts.learnt + facts.judged
    return (every * (folds - 1) / folds, every / folds) if folds else (facts.learnt, facts.judged)


def _crops(facts: Facts) -> Iterator[Size]:
    """What training may see of an image, the largest first: twice a typical object at least."""
    least = max(SMALLEST, 2 * facts.content.typical)
    yield facts.size
    for part in PARTS[1:]:
        width, height = (STRIDE * int(part * side / STRIDE) for side in facts.size)
        if min(width, height) < least:
            return
        yield width, height


def _crop(facts: Facts, room: Room) -> tuple[Size, str]:
    """The largest crop of which a batch fits into the memory, and enough steps into the time."""
    crops = list(_crops(facts))

    def fits(crop: Size) -> bool:
        return room.holds(LEAST, crop) and room.steps(LEAST, crop) >= STEPS

    crop, whole = next(filter(fits, crops), crops[-1]), facts.size
    said = f"{whole[0]}x{whole[1]}"
    if crop == whole:
        kind = "tiles" if facts.tiled else "images"
        why = "fit into the time and the memory" if len(crops) > 1 or fits(crop) else "are as small as crops should be"
        return crop, f"whole {kind} of {said} {why}"
    if not room.holds(LEAST, whole):
        need, there = (f"{number / 2**30:.1f}" for number in (room.needs(LEAST, whole), room.memory))
        return crop, f"{LEAST} whole images of {said} need {need} GiB, of {there} that a training may take"
    steps = counted(room.steps(LEAST, whole), "step")
    return crop, f"whole images of {said} leave time for {steps}; crops for more of them"


def _batch(facts: Facts, room: Room, crop: Size, learnt: float) -> tuple[int, str]:
    """The largest batch that the images, the memory and the time allow."""
    batch, why = BATCH[facts.device], ""
    while batch > 1:
        half, steps = batch // 2, counted(room.steps(batch, crop), "step")
        if not room.holds(batch, crop):
            why = f"{batch} would need {room.needs(batch, crop) / 2**30:.1f} GiB, too much of the memory"
        elif batch > LEAST and batch > OF_IMAGES * learnt:
            why = f"{batch} would be more than {100 * OF_IMAGES:.0f} % of {counted(round(learnt), 'image')}"
        elif batch > LEAST and room.steps(batch, crop) < STEPS:
            why = f"with {batch} only {steps} would fit into the time"
        else:
            break
        batch = half
    steps = counted(room.steps(batch, crop), "step")
    usual = f"as usual: {room.needs(batch, crop) / 2**30:.1f} GiB, and time for {steps}"
    return batch, why or usual


def _rounded(steps: int) -> int:
    """Down to hundreds, or to multiples of four, which any accumulation divides."""
    return steps // 100 * 100 if steps >= 100 else max(4, steps // 4 * 4)


def _validations(facts: Facts, room: Room, steps: int, judged: float) -> tuple[int, str]:
    """How often to validate: within its part of the time, in batches about as large as those of training."""
    if not judged:
        return steps, "nothing to judge by: the weights of the last iteration are published"
    batch = BATCH[facts.device]
    one = judged / batch * room.step(batch, facts.size) * FORWARD
    there = room.seconds * (1 - TRAINING) / TRAINING
    least, most = VALIDATIONS
    number = min(most, max(least, int(there / max(one, 1e-9))), steps)
    return -(-steps // number), f"{number} validations of about {one:.1f} s: the best weights are published"
