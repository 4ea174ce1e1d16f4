"""Changes of a network's config: what they change, what they leave, and what they refuse."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pixelproof.core.errors import ParamsError
from pixelproof.nn.overrides import overridden

MODEL: dict[str, Any] = {
    "type": "EncoderDecoder",
    "backbone": {"depth": 18, "strides": [1, 2, 1, 1], "style": "pytorch", "frozen": False, "plugin": None},
    "decode_head": {"dilations": [1, 12, 24, 36], "num_classes": None, "norm": {"type": "BN", "eps": 1e-5}},
    "auxiliary_head": [{"channels": 64}, {"channels": 32}],
    "train_cfg": {},
}
KEY = "configure.overrides.mine"


@pytest.mark.parametrize(
    "changes",
    [
        {"decode_head.dilations": [1, 2, 4], "decode_head.norm.eps": 1, "auxiliary_head.1.channels": 16},
        {"decode_head": {"dilations": [1, 2, 4], "norm": {"eps": 1}}, "auxiliary_head": {1: {"channels": 16}}},
        {"decode_head": {"dilations": [1, 2, 4], "norm.eps": 1}, "auxiliary_head": {"1.channels": 16}},
    ],
)
def test_dotted_and_nested_keys_mean_the_same(changes: dict[str, Any]) -> None:
    """What they name changes; its neighbours and the config that was passed in do not."""
    given = copy.deepcopy(MODEL)
    changed = overridden(given, changes, KEY)
    assert given == MODEL
    assert changed == MODEL | {
        "decode_head": {"dilations": [1, 2, 4], "num_classes": None, "norm": {"type": "BN", "eps": 1}},
        "auxiliary_head": [{"channels": 64}, {"channels": 16}],
    }


def test_null_replaces_anything_and_anything_replaces_null() -> None:
    """An auxiliary head is removed, a plugin added."""
    changed = overridden(MODEL, {"auxiliary_head": None, "backbone.plugin": {"type": "X"}}, KEY)
    assert changed["auxiliary_head"] is None and changed["backbone"]["plugin"] == {"type": "X"}
    assert overridden(MODEL, {}, KEY) == MODEL


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"decode_head": {"dilatoins": [1]}},
            "decode_head.dilatoins: found an unknown key; allowed: dilations, norm (did you mean 'dilations'?)",
        ),
        ({"head.x": 1}, "head: found an unknown key; allowed: auxiliary_head, backbone, decode_head, train_cfg, type"),
        ({"auxiliary_head.2.channels": 1}, "auxiliary_head.2: found an unknown key; allowed: 0, 1"),
        ({"decode_head.num_classes": 7}, "decode_head.num_classes: found an unknown key; allowed: dilations, norm"),
        ({"decode_head": 3}, "decode_head: found 3; expected nested keys: dilations, norm"),
        ({"auxiliary_head": [1]}, "auxiliary_head: found [1]; expected nested keys: 0, 1"),
        ({"backbone.depth": "18"}, "backbone.depth: found '18'; expected a number, as in 18"),
        ({"backbone.depth.x": 1}, "backbone.depth: found nested keys; expected a number, as in 18"),
        ({"backbone.strides": 2}, "backbone.strides: found 2; expected a list, as in [1, 2, 1, 1]"),
        ({"backbone.frozen": 1}, "backbone.frozen: found 1; expected true or false, as in False"),
        ({"backbone.plugin": float("nan")}, "backbone.plugin: found nan; expected numbers, strings, lists"),
    ],
)
def test_a_wrong_override_is_an_error_of_one_line(changes: dict[str, Any], message: str) -> None:
    """Where, what was found, and what is allowed there."""
    with pytest.raises(ParamsError) as error:
        overridden(MODEL, changes, KEY)
    assert str(error.value).startswith(f"params.yaml: {KEY}.{message}") and "\n" not in str(error.value)
