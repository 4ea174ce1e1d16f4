"""From facts to settings, each with its reason. Pure: the same facts give the same proposal.

The habit is nnU-Net's (Isensee et al., "nnU-Net: a self-configuring method", Nature Methods 2021): plan from the data
before anything trains, and say why. Where a rule rests on something measured here, its reason names the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from commands._proposing.budget import LEAST, STEPS, Effort, effort, most_shown, most_steps, shared
from commands._proposing.facts import Division, Facts, Line, Pace
from commands._shape import too_small
from pipelines.compare.words import counted
from pipelines.words import listed
from pixelproof.data.splitting import SALTS, best_salt, fold_of, part_of

GROUPS = 12  # of validation: with as many, the gate sees a drop of 0.05 in 86 % of cases (significance.md)
FOLDS = 5
FINE = 16  # pixels: the side of objects that a map at a quarter of the size, as DeepLab's, blurs
SHOWN = 40  # times: at 22 flips alone did better than more (camvid.md); where the balance turns was not measured
UNEVEN = 40.0  # grey levels between images: more than light makes, as with stains and kinds of microscopes
RARE = 0.001  # of the labelled pixels: with a class of 0.003, on CamVid, Dice gained nothing that shows (camvid.md)
EVEN = 3.0  # times: classes whose shares differ by less need no weights
MOST_WEIGHT = 10.0  # times: a class that weighs more drowns the others
FEW = 500  # steps: measured with 200 and 600 (proposals.md)
LONG = 10_000  # steps: as in papers that decay the learning rate polynomially


@dataclass(frozen=True)
class Network:
    """Which network, and why."""

    arch: str
    scale: str
    pretrained: str
    why: tuple[str, str, str]  # for each of these

    def lines(self) -> list[Line]:
        """As settings."""
        values = (("architectures", [self.arch]), ("train.scale", self.scale), ("train.pretrained", self.pretrained))
        return [Line(key, value, why) for (key, value), why in zip(values, self.why, strict=True)]


def network(facts: Facts) -> Network:
    """The network to train, which is timed before the rest is proposed."""
    name, side = facts.content.least
    objects = f"the median {name} is {side:.0f} pixels in side" if name else "no objects are known"
    few = f"{counted(round(facts.learnt), 'image')} beside the 1.3 million that ImageNet's have learnt from"
    if facts.device == "cuda":
        fine = f"a GPU, and small objects ({objects}): U-Net's maps are finest"
        coarse = f"a GPU, and no small objects ({objects}): a map at a quarter of the size will do"
        arch, why = ("unet-r50", fine) if name and side < FINE else ("deeplabv3plus-r50", coarse)
        return Network(arch, "full", "imagenet", (why, "a GPU trains it as in its paper", few))
    if facts.packaged:
        why = f"no GPU: a light encoder that ImageNet has taught; U-Net keeps what is fine ({objects})"
        return Network("unet-lite0", "small", "imagenet", (why, "no GPU; its encoder is whole at either scale", few))
    why = f"no GPU: best of the four small networks on the scenes (README.md); it keeps what is fine ({objects})"
    missing = "no ImageNet weights for a light network are installed (docs/training.md)"
    return Network("unet", "small", "none", (why, "no GPU: the paper's size would take too long", missing))


def propose(facts: Facts, pace: Pace, minutes: float) -> list[Line]:
    """Settings for params.yaml.

    Args:
        facts: The data and the machine.
        pace: What a step of `network(facts)` takes.
        minutes: How long the training of a network may take, that of all its folds together.
    """
    chosen, (folds, folded) = network(facts), _folds(facts, pace, minutes)
    spent = effort(facts, pace, minutes, folds)
    return [
        *chosen.lines(),
        *folded,
        *spent.lines,
        *_learning(chosen, spent),
        *_losses(facts),
        *_changes(facts, spent),
        _views(facts),
    ]


def _folds(facts: Facts, pace: Pace, minutes: float) -> tuple[int, list[Line]]:
    """Folds where validation has too few groups to tell anything and the time is enough for as many networks.

    The salt changes only where it must, since it draws the test split, too.
    """
    division, key = facts.division, "prepare.split.folds"
    if division.split.learn_val:
        return 0, [Line(key, 0, "prepare.split.learn_val: val is learnt from, and nothing is to be judged")]
    groups, judging, salt = len(division.learning), division.judging, division.split.salt
    number = min(FOLDS, groups)
    if judging >= GROUPS:
        return 0, [
            Line(key, 0, f"validation has {judging} groups: enough for intervals, and for the gate (metrics.md)")
        ]
    if number < 2:
        return 0, [Line(key, 0, f"{counted(groups, 'group')} outside test: no fold could be left out")]
    few = f"{judging} of {groups} groups for validation are too few to judge by (metrics.md)"
    steps = most_steps(facts, pace, minutes, number)
    enough = min(STEPS, most_shown(shared(facts, number)[0], LEAST))
    if steps < enough:
        need = math.ceil(minutes * enough / max(steps, 1))
        short = f"but {number} folds leave each network time for {counted(steps, 'step')}: --minutes {need} would do"
        return 0, [Line(key, 0, f"{few}, {short}")]
    if not _fills(division, salt, number):
        found = _salt(division, number)
        if found is None:
            why = f"{few}, but no salt puts them into {number} folds: label images of more groups"
            return 0, [Line(key, 0, why)]
        salt = found
    lines = [Line(key, number, f"{few}: in folds all of them do")]
    if salt != division.split.salt:
        lines.append(Line("prepare.split.salt", salt, f"with {division.split.salt} a fold, or test, would be empty"))
    return number, lines


def _fills(division: Division, salt: int, folds: int) -> bool:
    split = division.split
    if division.drawn:
        parts = {part_of(group, split.val, split.test, salt, folds) for group in division.places}
        return len(parts) == folds + (split.test > 0)
    return len({fold_of(group, folds, salt) for group in division.learning}) == folds


def _salt(division: Division, folds: int) -> int | None:
    split = division.split
    if division.drawn:
        return best_salt(dict.fromkeys(division.places, 1), split.val, split.test, folds=folds)
    return next((salt for salt in range(SALTS) if _fills(division, salt, folds)), None)


def _learning(chosen: Network, spent: Effort) -> list[Line]:
    """Learning rate and schedule."""
    taught = chosen.pretrained != "none"
    small = taught and spent.iterations >= FEW
    lr = "weights that know something want smaller steps" if small else "the default, for random weights"
    if taught and not small:
        lr = f"fewer than {FEW} steps: on the scenes, 200 of them learnt more than at 0.001 (proposals.md)"
    factor = "the decoder has more to learn than the encoder" if taught else "no part knows anything yet"
    long = spent.iterations > LONG
    schedule = f"{spent.iterations} steps are many: as in most papers" if long else "few steps (Smith 2018)"
    return [
        Line("train.optimizer.lr", 0.001 if small else 0.003, lr),
        Line("train.optimizer.lr_factors", {"backbone": 0.3} if taught else {}, factor),
        Line("train.schedule.name", "poly" if long else "onecycle", schedule),
        Line("train.schedule.warmup", 0.05 if long else 0.3, "as usual for this schedule"),
    ]


def _losses(facts: Facts) -> list[Line]:
    """Losses and class weights."""
    terms: list[dict[str, object]] = [{"name": "cross_entropy", "weight": 1.0}]
    shares = {name: share for name, share in facts.content.shares.items() if share}
    if len(shares) < 2:
        few = "a single class has pixels"
        return [Line("train.loss", terms, few), Line("train.balance.by", "none", few)]
    rarest, most = min(shares, key=shares.__getitem__), max(shares.values())
    said, ratio = f"{rarest}, the rarest class, has {_percent(shares[rarest])} of the pixels", most / shares[rarest]
    if shares[rarest] < RARE:
        both = [*terms, {"name": "dice", "weight": 1.0}]
        loss = Line("train.loss", both, f"{said}: Dice counts each class alike, as nnU-Net has it")
    else:
        loss = Line("train.loss", terms, f"{said}: on CamVid, with 0.3 %, adding Dice showed no gain (camvid.md)")
    often = f"the most frequent class has {ratio:.1f} times the pixels of the rarest"
    if ratio < EVEN:
        return [loss, Line("train.balance.by", "none", often)]
    power = min(0.25, math.floor(100 * math.log(MOST_WEIGHT) / math.log(ratio)) / 100)
    weight = f"the rarest class then weighs {ratio**power:.1f} times the most frequent one"
    return [loss, Line("train.balance.by", "power", often), Line("train.balance.power", power, weight)]


def _changes(facts: Facts, spent: Effort) -> list[Line]:
    """Augmentation while training."""
    content = facts.content
    flips = ["horizontal"] if content.upright else ["horizontal", "vertical"]
    seen = f"upper and lower halves differ by {content.upside:.2f}, left and right by {content.aside:.2f}"
    side = "there is an up and a down" if content.upright else "there is no up and down"
    often = f"each image is shown {spent.views:.0f} times"
    if spent.views < SHOWN:
        less = f"{often}: below {SHOWN}, flips alone did better on CamVid (camvid.md)"
        return [Line("train.augment", "none", less), Line("train.flips", flips, f"{side}: {seen}")]
    level = "cells" if content.uneven > UNEVEN else "aerial"
    name = "street" if content.upright else level
    grey = f", images by {content.uneven:.0f} grey levels" if not content.upright else ""
    return [
        Line("train.augment", name, f"{often}; {side}: {seen}{grey}"),
        Line("train.flips", [], f"{name} has flips among its steps"),
    ]


def _views(facts: Facts) -> Line:
    """Test-time augmentation."""
    key = "evaluate.tta.flips"
    if facts.tiled and facts.device == "cpu":
        return Line(key, [], "no GPU: whole images in windows are slow enough to judge once")
    if facts.content.upright:
        return Line(key, ["horizontal"], "averages two views, as there is an up and a down")
    return Line(key, ["horizontal", "vertical"], "averages four views, as there is no up and down")


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def warnings(facts: Facts) -> Iterable[str]:
    """What no setting of a training mends."""
    yield from too_small(facts.content.sides)
    shares = facts.content.shares
    if unseen := [name for name, share in shares.items() if not share]:
        yield f"warning: no training image shows {listed(unseen)} ({len(unseen)} of {len(shares)} classes)"
