"""Which losses the heads of a network minimise."""

from __future__ import annotations

import pytest

from pixelproof.nn.build import build_model
from pixelproof.nn.losses import PixelCrossEntropy, PixelDice
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve
from stages.train.heads import heads, set_losses
from stages.train.params import LossTerm

COMPUTE = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
WEIGHTS = [0.5, 1.0, 2.0]


def test_terms_take_the_place_of_the_cross_entropy_of_every_head() -> None:
    """Each head's own weight (1, and 0.4 of the auxiliary one) multiplies each term's; Dice takes no class weights."""
    model = build_model(resolve("fcn-r18-d8", "small"), 3, COMPUTE)
    set_losses(model, [LossTerm(name="cross_entropy", weight=1.0), LossTerm(name="dice", weight=0.5)], WEIGHTS)
    main, auxiliary = ([*head.loss_decode] for head in heads(model))
    assert [type(loss) for loss in main] == [type(loss) for loss in auxiliary] == [PixelCrossEntropy, PixelDice]
    assert [loss.loss_weight for loss in main] == [1.0, 0.5]
    assert [loss.loss_weight for loss in auxiliary] == pytest.approx([0.4, 0.2])
    assert main[0].class_weight == WEIGHTS and not hasattr(main[1], "class_weight")


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
