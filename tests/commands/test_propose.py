"""What `init --propose` proposes: each rule against a hand-worked case."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from commands._proposing.budget import effort
from commands._proposing.facts import Content, Division, Facts, Line, Pace
from commands._proposing.rules import network, propose, warnings
from commands._proposing.run import edited
from pixelproof.data.splitting import Split, fold_of, split_of
from stages.configure.pretrained import stated_by

ROOT = Path(__file__).parents[2]
SPLIT = Split(val=0.15, test=0.15, folds=0, salt=0, frozen="data/frozen.csv")
PLACES = {f"t{n}": "train" for n in range(40)} | {f"v{n}": "val" for n in range(12)} | {"x": "test"}
CONTENT = Content({"ground": 0.6, "car": 0.4}, {"car": 20.0}, 40.0, 0.02, 0.02, 10.0)
# A million pixels of an image: a quarter of a second and a billion bytes for each.
FACTS = Facts((1000, 1000), False, 1000, 100, Division(PLACES, SPLIT, False), CONTENT, "cpu", 16 * 10**9, False)
PACE = Pace(0.0, 0.25, 0, 1e9)


def proposed(facts: Facts = FACTS, pace: Pace = PACE, minutes: float = 50) -> dict[str, object]:
    return {line.key: line.value for line in propose(facts, pace, minutes)}


def why(key: str, facts: Facts = FACTS, minutes: float = 50) -> str:
    return {line.key: line.why for line in propose(facts, PACE, minutes)}[key]


def shown(content: Content, **changes: object) -> Facts:
    return replace(FACTS, content=replace(content, **changes))  # type: ignore[arg-type]


def test_the_time_is_spent() -> None:
    """Of 50 minutes, 2,700 seconds train: 1,350 steps of 8 images at 4 images/s; validation gets a tenth of it all."""
    found = proposed()
    assert (found["train.crop"], found["train.batch"], found["train.iterations"]) == (None, 8, 1300)
    assert "4 images/s measured here: 1300 steps of 8 show each image 10 times, in 50 minutes" in why(
        "train.iterations"
    )
    # A validation is a forward pass of 100 images, a third of 25 s: 36 fit into 300 s, of which 20 are enough.
    assert found["train.val_interval"] == 65
    # 1,500 images take 125 s: two fit, but four are the least.
    assert proposed(replace(FACTS, judged=1500))["train.val_interval"] == 325


def test_what_each_step_takes_counts_beside_its_pixels() -> None:
    """Images of 16x16: a step of 4 takes 0.25 s, and a thousandth of that for its pixels. So it is 16 images/s."""
    tiny, pace = replace(FACTS, size=(16, 16), learnt=20, judged=8), replace(PACE, step=0.25)
    lines = {line.key: line for line in propose(tiny, pace, 1)}
    assert "16 images/s measured here: 200 steps of 4 show" in lines["train.iterations"].why
    assert "in 1 minute;" in lines["train.iterations"].why
    # 8 images are one batch: a third of 0.25 s.
    assert "of about 0.1 s" in lines["train.val_interval"].why
    # Large ones as well: 1,000 steps of 8 images of a million pixels take 2,000 s, and 250 more.
    assert "time for 1,200 steps" in {line.key: line.why for line in propose(FACTS, pace, 50)}["train.batch"]


def test_no_more_steps_are_asked_for_than_show_few_images_often_enough() -> None:
    """Of 6.1 images 600 steps of 4 are 400 times each. 9 of 12 images, in 4 folds, need 900: 945 fit into 9.45 s."""
    few = replace(FACTS, learnt=6.1, size=(100, 100))
    told = why("train.iterations", few)
    assert "600 steps of 4 show" in told and "which is enough" in told and "--minutes" not in told
    places = {"a": "train", "b": "train", "c": "train", "d": "val"}
    folded = replace(few, learnt=9, judged=3, division=Division(places, SPLIT, False))
    assert proposed(folded, minutes=0.7)["prepare.split.folds"] == 4
    assert "--minutes 1 would do" in why("prepare.split.folds", folded, 0.6)


def test_where_val_is_learnt_nothing_is_judged() -> None:
    learnt = Division(PLACES, SPLIT.model_copy(update={"learn_val": True}), False)
    all_of_it = replace(FACTS, judged=0, division=learnt)
    found = proposed(all_of_it, minutes=5000)
    assert found["prepare.split.folds"] == 0 and found["train.val_interval"] == found["train.iterations"]
    assert why("prepare.split.folds", all_of_it).startswith("prepare.split.learn_val")
    assert why("train.val_interval", all_of_it).endswith("the weights of the last iteration are published")


def test_one_of_a_kind_is_told_in_the_singular() -> None:
    """One image, and time for one step: of 4 images of 1000x1000, a second."""
    single = replace(FACTS, learnt=1, packaged=True)
    assert why("train.pretrained", single) == "1 image beside the 1.3 million that ImageNet's have learnt from"
    assert "leave time for 1 step;" in why("train.crop", FACTS, 0.02)
    assert "more than 5 % of 1 image" in why("train.batch", single)
    assert why("train.iterations", FACTS, 1).endswith(", in 1 minute")
    assert why("train.iterations", FACTS, 2).endswith(", in 2 minutes")


def test_an_image_is_shown_often_enough_and_no_more() -> None:
    """400 times: of 100 images in batches of 4 (of 8 would be more than 5 % of them) 10,000 steps."""
    few = replace(FACTS, learnt=100)
    found = proposed(few, minutes=1000)
    assert (found["train.batch"], found["train.iterations"]) == (4, 10_000)
    assert "more than 5 % of 100 images" in why("train.batch", few) and "enough" in why("train.iterations", few, 1000)
    assert "give it more --minutes" in why("train.iterations", FACTS, 0.5)


@pytest.mark.parametrize(
    ("minutes", "memory", "crop", "batch", "iterations", "reason"),
    [
        # 540 s: 540 steps of 4 images. 736x736 leaves 996 of them, 480x480 leaves 2,343, or 1,171 of 8.
        (10, 16, [480, 480], 8, 1100, "leave time for 540 steps"),
        # 3 GB: a batch of 4 takes 4 GB; of 736x736 it takes 2.2, and one of 8 takes 4.3.
        (50, 6, [736, 736], 4, 4900, "4 whole images of 1000x1000 need 3.7 GiB, of 2.8"),
        # 0.2 GB: the least crop, 224x224, takes 0.05 for each image.
        (50, 0.4, [224, 224], 2, 107_600, "whole images of 1000x1000 need"),
        # 2.7 s for all of it: nothing fits, so the least that there is.
        (0.05, 16, [224, 224], 4, 52, "leave time for 2 steps"),
    ],
)  # fmt: skip
def test_crop_and_batch_fit_into_time_and_memory(
    minutes: float, memory: float, crop: list[int], batch: int, iterations: int, reason: str
) -> None:
    many = replace(FACTS, memory=int(memory * 10**9), learnt=10_000)
    found = proposed(many, minutes=minutes)
    assert (found["train.crop"], found["train.batch"], found["train.iterations"]) == (crop, batch, iterations)
    assert found["train.accumulate"] == {8: 1, 4: 1, 2: 2}[batch]
    assert reason in why("train.crop", many, minutes)


def test_a_crop_shows_twice_a_typical_object() -> None:
    """Objects of 300 pixels need 600: of 736 and 480, the larger one stays."""
    assert proposed(shown(CONTENT, typical=300.0), minutes=10)["train.crop"] == [736, 736]
    assert proposed(shown(CONTENT, typical=600.0), minutes=10)["train.crop"] is None
    assert proposed(replace(FACTS, size=(160, 128)), minutes=0.1)["train.crop"] is None


def test_folds_where_validation_has_few_groups() -> None:
    """Ten groups of train and two of val: all twelve judge in folds, and the time is for five networks."""
    names = [f"flight-{n}" for n in range(14)]
    places = {name: split_of(name, 0.15, 0.15, 3) for name in names}
    drawn = Division(places, SPLIT.model_copy(update={"salt": 3}), True)
    few = replace(FACTS, learnt=1000, judged=250, division=drawn)
    found = proposed(few)
    folds, salt = found["prepare.split.folds"], found.get("prepare.split.salt", 3)
    assert isinstance(folds, int) and isinstance(salt, int) and folds == 5
    parts = [split_of(name, 0.15, 0.15, salt) for name in names]
    judged = [fold_of(name, 5, salt) for name, part in zip(names, parts, strict=True) if part != "test"]
    assert "test" in parts and {*judged} == {0, 1, 2, 3, 4}
    # 540 s for each network: 540 steps of 4, so crops of 480x480 as above; 1,000 images to learn from are 4 in 5.
    assert (found["train.crop"], found["train.iterations"]) == ([480, 480], 1100)
    assert "show each image 8.8 times, in 50 minutes for 5 folds" in why("train.iterations", few)
    # 1 minute leaves 54 s, 10.8 for each: 215 steps of 4 crops of 224x224, which a fifth of the 5 minutes would give.
    assert proposed(few, minutes=1)["prepare.split.folds"] == 0
    assert "5 folds leave each network time for 215 steps: --minutes 5 would do" in why("prepare.split.folds", few, 1)
    # They stay once they are there: 12 groups would be 2 of validation.
    folded = Division(
        {name: "test" if place == "test" else "train" for name, place in places.items()},
        drawn.split.model_copy(update={"folds": 5, "salt": salt}),
        True,
    )
    assert proposed(replace(few, division=folded))["prepare.split.folds"] == 5


def test_a_salt_changes_only_where_a_fold_would_be_empty() -> None:
    """Published splits: of three groups outside test, each is a fold, which few salts give."""
    places = {"a": "train", "b": "train", "c": "val", "d": "test"}
    salts = [salt for salt in range(100) if {fold_of(name, 3, salt) for name in "abc"} == {0, 1, 2}]
    wrong = next(salt for salt in range(100) if salt not in salts)
    for salt, expected in ((wrong, salts[0]), (salts[1], None)):
        division = Division(places, SPLIT.model_copy(update={"salt": salt}), False)
        found = proposed(replace(FACTS, division=division))
        assert (found["prepare.split.folds"], found.get("prepare.split.salt")) == (3, expected)
    single = Division({"a": "train"}, SPLIT, False)
    assert proposed(replace(FACTS, division=single))["prepare.split.folds"] == 0
    assert proposed()["prepare.split.folds"] == 0, "12 groups of validation are enough"
    eleven = {group: place for group, place in PLACES.items() if group != "v0"}
    assert proposed(replace(FACTS, division=Division(eleven, SPLIT, False)))["prepare.split.folds"] == 5


def test_what_is_rare_weighs_more_and_what_is_very_rare_has_dice() -> None:
    assert proposed()["train.balance.by"] == "none"  # 0.6 and 0.4
    found = proposed(shown(CONTENT, shares={"ground": 0.96, "car": 0.04}))  # 24 times: the fourth root is 2.2
    assert (found["train.balance.by"], found["train.balance.power"]) == ("power", 0.25)
    assert [term["name"] for term in found["train.loss"]] == ["cross_entropy"]  # type: ignore[attr-defined]
    rare = shown(CONTENT, shares={"ground": 0.99999, "car": 0.00001, "nobody": 0.0})
    # 10^5 times: to the power of 0.2 it is 10, the most.
    assert proposed(rare)["train.balance.power"] == pytest.approx(0.2, abs=0.011)
    assert [term["name"] for term in proposed(rare)["train.loss"]] == ["cross_entropy", "dice"]  # type: ignore[attr-defined]
    assert "car, the rarest class, has 0.001 % of the pixels" in why("train.loss", rare)
    assert proposed(shown(CONTENT, shares={"ground": 1.0}))["train.balance.by"] == "none"


@pytest.mark.parametrize(
    ("upside", "aside", "uneven", "policy", "views"),
    [
        (0.5, 0.1, 60.0, "street", ["horizontal"]),
        (0.15, 0.1, 10.0, "aerial", ["horizontal", "vertical"]),  # no more than chance
        (0.05, 0.01, 60.0, "cells", ["horizontal", "vertical"]),
    ],
)
def test_augmentation_follows_what_images_look_like(
    upside: float, aside: float, uneven: float, policy: str, views: list[str]
) -> None:
    facts = shown(CONTENT, upside=upside, aside=aside, uneven=uneven)
    found = proposed(facts)  # each image is shown 10 times
    assert (found["train.augment"], found["train.flips"]) == ("none", views)
    found = proposed(facts, minutes=500)
    assert (found["train.augment"], found["train.flips"], found["evaluate.tta.flips"]) == (policy, [], views)
    assert proposed(replace(facts, tiled=True))["evaluate.tta.flips"] == []


def test_the_network_follows_the_machine_and_the_smallest_objects() -> None:
    assert network(FACTS).arch == "unet" and network(FACTS).pretrained == "none"
    light = network(replace(FACTS, packaged=True))
    assert (light.arch, light.scale, light.pretrained) == ("unet-lite0", "small", "imagenet")
    assert "the median car is 20 pixels in side" in light.why[0]
    on_gpu = replace(FACTS, device="cuda")
    assert (network(on_gpu).arch, network(on_gpu).scale) == ("deeplabv3plus-r50", "full")
    assert network(replace(on_gpu, content=replace(CONTENT, sides={"car": 20.0, "nail": 9.0}))).arch == "unet-r50"
    assert all(stated_by(name) for name in ("unet-lite0", "unet-r50", "deeplabv3plus-r50"))
    taught, random = proposed(replace(FACTS, packaged=True)), proposed()
    assert (taught["train.optimizer.lr"], random["train.optimizer.lr"]) == (0.001, 0.003)
    hasty = proposed(replace(FACTS, packaged=True), minutes=0.2)
    assert int(str(hasty["train.iterations"])) < 500 and hasty["train.optimizer.lr"] == 0.003
    assert taught["train.optimizer.lr_factors"] == {"backbone": 0.3} and random["train.optimizer.lr_factors"] == {}
    assert proposed()["train.schedule.name"] == "onecycle"
    assert proposed(replace(on_gpu, learnt=10_000), Pace(0.0, 0.001, 0, 1e8))["train.schedule.name"] == "poly"


def test_what_no_setting_mends_is_told() -> None:
    """All classes that are too small in one line, the smallest first; a side of 8 is not too small."""
    small = {"car": 8.0, "nail": 6.0, "pin": 2.5, "screw": 7.9, "tack": 3.0}
    content = replace(CONTENT, sides=small, shares={"ground": 1.0, "car": 0.0})
    assert list(warnings(replace(FACTS, content=content))) == [
        "warning: too small to learn, with a median side below 8 pixels: pin (2.5), tack (3.0), nail (6.0), screw"
        " (7.9); prepare.shape decides",
        "warning: no training image shows car (1 of 2 classes)",
    ]
    assert not list(warnings(FACTS))
    many = {f"c{n}": 0.0 for n in range(200)} | {"ground": 1.0}
    assert list(warnings(shown(CONTENT, sides={}, shares=many))) == [
        "warning: no training image shows c0, c1, c2 and 197 more (200 of 201 classes)"
    ]


def test_params_take_whatever_is_proposed() -> None:
    """Every proposal of many is one that all stages' models accept."""
    text = (ROOT / "params.yaml").read_text()
    contents = (CONTENT, replace(CONTENT, shares={"a": 0.999, "b": 0.001}, upside=0.4))
    seen: list[list[Line]] = []
    for content, device, memory, minutes in product(contents, ("cpu", "cuda"), (10**9, 10**11), (0.01, 3, 3000)):
        facts = replace(FACTS, content=content, device=device, memory=memory)  # type: ignore[arg-type]
        seen.append(propose(facts, PACE, minutes))
        edited(text, seen[-1], ROOT)
    assert len({repr(lines) for lines in seen}) > 15
    assert all(line.why and "\n" not in line.why and " #" not in line.why for lines in seen for line in lines)
    assert effort(FACTS, PACE, 50, 0).iterations == 1300
