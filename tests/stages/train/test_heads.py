"""Which losses the heads of a network minimise."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pixelproof.core.errors import ParamsError
from pixelproof.core.params import Section, check
from pixelproof.nn.build import build_model
from pixelproof.nn.losses import PixelBinaryFocal, PixelCrossEntropy, PixelDice
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve
from stages.train.heads import heads, set_losses
from stages.train.params import LossTerm

COMPUTE = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
WEIGHTS = [0.5, 1.0, 2.0]


class Terms(Section):
    """The part of `train` that is tested."""

    loss: list[LossTerm]


class Losses(Section):
    """Its place in params.yaml."""

    train: Terms


def test_terms_take_the_place_of_the_cross_entropy_of_every_head() -> None:
    """Each head's own weight (1, and 0.4 of the auxiliary one) multiplies each term's; Dice takes no class weights."""
    model = build_model(resolve("fcn-r18-d8", "small"), 3, COMPUTE)
    set_losses(model, [LossTerm(name="cross_entropy", weight=1.0), LossTerm(name="dice", weight=0.5)], WEIGHTS)
    main, auxiliary = ([*head.loss_decode] for head in heads(model))
    assert [type(loss) for loss in main] == [type(loss) for loss in auxiliary] == [PixelCrossEntropy, PixelDice]
    assert [loss.loss_weight for loss in main] == [1.0, 0.5]
    assert [loss.loss_weight for loss in auxiliary] == pytest.approx([0.4, 0.2])
    assert main[0].class_weight == WEIGHTS and not hasattr(main[1], "class_weight")


def test_a_term_has_the_settings_of_its_loss() -> None:
    """As params.yaml says them, and else as the papers do; all of these take class weights."""
    model = build_model(resolve("fcn-r18-d8", "small"), 3, COMPUTE)
    terms: list[dict[str, Any]] = [
        {"name": "cross_entropy", "weight": 1.0, "smoothing": 0.1},
        {"name": "ohem", "weight": 1.0, "least": 0.25},
        {"name": "focal", "weight": 1.0, "gamma": 1.5},
        {"name": "binary_focal", "weight": 1.0, "alpha": 0.5},
    ]
    set_losses(model, [LossTerm(**term) for term in terms], WEIGHTS)
    smoothed, hard, focal, binary = heads(model)[0].loss_decode
    assert smoothed.smoothing == 0.1 and (hard.threshold, hard.least) == (0.7, 0.25) and focal.gamma == 1.5
    assert isinstance(binary, PixelBinaryFocal) and (binary.gamma, binary.alpha) == (2.0, 0.5)
    assert all(loss.class_weight == WEIGHTS for loss in (smoothed, hard, focal, binary))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "dice", "smoothing": 0.1}, "smoothing is a setting of cross_entropy, not of dice"),
        ({"name": "ohem", "gamma": 2.0}, "gamma is a setting of focal and binary_focal, not of ohem"),
        (
            {"name": "cross_entropy", "smoothing": 1.0},
            "train.loss.0.smoothing: found 1.0 (float); input should be less",
        ),
        ({"name": "ohem", "threshold": 0.0}, "train.loss.0.threshold: found 0.0 (float); input should be greater"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ParamsError, match=re.escape(said)) as error:
        check(Losses, {"train": {"loss": [settings | {"weight": 1.0}]}})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "count"), [("ocrnet-hr18s", 2), ("bisenetv2", 5)])
def test_all_heads_of_a_network_of_many_are_found(name: str, count: int) -> None:
    """A cascade has a list of main heads; BiSeNetV2 has four auxiliary ones."""
    assert len(heads(build_model(resolve(name, "small"), 3, COMPUTE))) == count


def test_losses_of_an_architectures_own_stay() -> None:
    """PIDNet's head weighs boundaries and hard pixels: neither is a plain cross-entropy."""
    model = build_model(resolve("pidnet-s", "small"), 3, COMPUTE)
    before = [type(loss).__name__ for head in heads(model) for loss in head.loss_decode]
    set_losses(model, [LossTerm(name="dice", weight=1.0)], WEIGHTS)
    after = [type(loss).__name__ for head in heads(model) for loss in head.loss_decode]
    kept = [name for name in before if name != "CrossEntropyLoss"]
    assert kept and [name for name in after if name != "PixelDice"] == kept
