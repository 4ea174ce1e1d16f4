"""params.yaml is refused in one line that names the key, what was found and what is allowed; a stage gets its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from difflib import unified_diff
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from dvc.stage.cache import _get_cache_hash
from dvc.utils.hydra import apply_overrides
from pydantic import Field
from ruamel.yaml import YAML

from pixelproof.core.errors import ParamsError, PixelproofError, StateError
from pixelproof.core.params import Section, check_names, load, pick, read_yaml

ROOT = Path(__file__).parents[3]

GRAPH = """
stages:
  bake: {cmd: bake, params: [seed, oven, cake.tiers, cake.steps]}
  eat: {cmd: eat, params: [guests, cake.tiers]}
"""
VALUES = """
seed: 0
oven:
  heat: 180.0
  gas: 0.5
  mode: fan
  light: {color: warm, on: true}
cake:
  tiers: 3
  steps: [{name: mix, minutes: 5}, {name: bake, minutes: 40, shelf: 2}]
guests: [anna]
pipelines: {anything: 1}
"""


class Light(Section):
    color: Literal["warm", "cold"]
    on: bool


class Oven(Section):
    heat: float = Field(gt=0, le=300)
    gas: float = Field(ge=0)
    mode: Literal["fan", "grill"]
    light: Light


class Mix(Section):
    name: Literal["mix"]
    minutes: int = Field(ge=1)


class Bake(Section):
    name: Literal["bake"]
    minutes: int = Field(ge=1)
    shelf: int


class Cake(Section):
    tiers: int = Field(ge=1)
    steps: list[Annotated[Mix | Bake, Field(discriminator="name")]] = Field(min_length=1)


class Params(Section):
    seed: int = Field(ge=0)
    oven: Oven
    cake: Cake


def loaded(tmp_path: Path, values: str = VALUES, graph: str = GRAPH, model: type[Section] = Params) -> Any:
    (tmp_path / "params.yaml").write_text(values)
    (tmp_path / "dvc.yaml").write_text(graph)
    return load("bake", model, tmp_path)


def test_a_section_that_is_missing_is_not_taken_for_another() -> None:
    with pytest.raises(ParamsError) as error:
        pick({"prepare": {"width": 1}}, "report")
    assert str(error.value) == "params.yaml: report: found no such key; add it, or restore params.yaml from git"


def test_what_is_right_is_handed_over(tmp_path: Path) -> None:
    params = loaded(tmp_path)
    assert (params.seed, params.oven.light.color, params.cake.steps[1].shelf) == (0, "warm", 2)
    assert loaded(tmp_path, VALUES.replace("180.0", "1e2")).oven.heat == 100  # as DVC reads it: YAML 1.2
    with pytest.raises(ValueError):
        params.seed = 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  mode: fan", "  mood: fan\n  mode: fan", "oven.mood: found an unknown key; .*heat, light, mode.*'mode'"),
        ("color: warm", "colour: warm", r"oven.light.colour: found an unknown key; .*'color'.* \(and 1 more\)"),
        ("on: true", "on: true, ons: 1", "oven.light.ons: found an unknown key; allowed: color, on.*'on'"),
        ("minutes: 40", "minuts: 3, minutes: 40", "cake.steps.1.minuts: found an unknown key; allowed: .*'minutes'"),
        ("seed: 0", "sed: 0\nseed: 0", "sed: found an unknown key; allowed: cake, guests, oven, .*'seed'"),
        ("tiers: 3", "tiers: 3\n  tires: 4", "cake.tires: found an unknown key; allowed: steps, tiers.*'tiers'"),
        ("seed: 0", "1: 0\nseed: 0", "1: found an unknown key"),
        ("mode: fan", "mode: fann", "oven.mode: found 'fann' .*'fan' or 'grill'.*did you mean 'fan'"),
        ("name: mix", "name: mixx", "cake.steps.0.name: found 'mixx'; allowed: mix, bake.*'mix'"),
        ("name: mix, ", "", "cake.steps.0.name: found nothing; allowed: mix, bake"),
        ("mode: fan", "mode: 3", r"oven.mode: found 3 \(int\).*'fan' or 'grill'"),
        ("seed: 0", "seed: '0'", r"seed: found '0' \(str\); input should be a valid integer"),
        ("seed: 0", "seed: 0.0", r"seed: found 0.0 \(float\); input should be a valid integer"),
        ("seed: 0", "seed: true", r"seed: found True \(bool\); input should be a valid integer"),
        ("seed: 0", "seed:", r"seed: found None \(NoneType\); input should be a valid integer"),
        ("on: true", "on: yes", r"oven.light.on: found 'yes' \(str\); input should be a valid boolean"),
        ("guests: [anna]", "guests: [anna]\noven: 3", 'duplicate key "oven"'),
        ("minutes: 5", "minutes: five", r"cake.steps.0.minutes: found 'five' \(str\)"),
        ("minutes: 5", "minutes: 0", r"cake.steps.0.minutes: found 0 \(int\); .*greater than or equal to 1"),
        ("seed: 0", "seed: -1", r"seed: found -1 \(int\); input should be greater than or equal to 0"),
        ("180.0", "300.5", r"oven.heat: found 300.5 \(float\); input should be less than or equal to 300"),
        ("180.0", ".nan", "oven.heat: found nan .*"),
        ("0.5", ".inf", "oven.gas: found inf .*finite"),
        ("steps: [", "steps: []\n  #", r"cake.steps: found \[\].*at least 1 item"),
        ("seed: 0\n", "", "seed: found no such key; add it"),
        ("  tiers: 3\n", "", "cake.tiers: found no such key; add it"),
        ("  heat: 180.0\n", "", "oven.heat: found no such key; add it"),
        ("  heat: 180.0\n  gas: 0.5\n  mode: fan\n  light: {color: warm, on: true}", "  fan", "oven: found 'fan'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert VALUES.count(old) == 1
    with pytest.raises(PixelproofError) as caught:
        loaded(tmp_path, VALUES.replace(old, new))
    text = str(caught.value)
    assert re.search(message, text) and "\n" not in text
    assert text.startswith("params.yaml: ")


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (GRAPH.replace("[seed, ", "["), "reads the param 'seed' but does not declare it; add 'seed'"),
        (GRAPH.replace(", cake.steps", ""), "reads the param 'cake.steps' but does not declare it"),
        (GRAPH.replace("  bake: ", "  cook: "), "no stage 'bake'; stages: cook, eat"),
        ("stages: {", "not YAML"),
        ("- stages", "a list at the top level"),
    ],
)
def test_what_dvc_yaml_does_not_declare_is_not_handed_over(tmp_path: Path, graph: str, message: str) -> None:
    with pytest.raises(StateError) as caught:
        loaded(tmp_path, VALUES, graph + "  other: {cmd: x, params: [seed, cake]}\n" if "eat" in graph else graph)
    assert str(caught.value).startswith("dvc.yaml: ") and re.search(message, str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_stage_gets_nothing_that_it_does_not_ask_for(tmp_path: Path) -> None:
    class Small(Section):
        seed: int

    assert loaded(tmp_path, model=Small).model_dump() == {"seed": 0}


@pytest.mark.parametrize("content", ["seed: [", "a: 1\n a: 2", "\x00", "[1]", "", "seed: 0\nseed: 1\n"])
def test_a_file_that_is_no_mapping_is_one_line(tmp_path: Path, content: str) -> None:
    with pytest.raises(StateError) as caught:
        loaded(tmp_path, content)
    assert str(caught.value).startswith("params.yaml: ") and "\n" not in str(caught.value)


def test_bytes_that_are_no_text_and_a_missing_file_are_one_line(tmp_path: Path) -> None:
    loaded(tmp_path)
    (tmp_path / "params.yaml").write_bytes(b"seed: \xff")
    with pytest.raises(StateError, match=r"params.yaml: not YAML"):
        load("bake", Params, tmp_path)
    (tmp_path / "params.yaml").unlink()
    with pytest.raises(StateError, match=r"params.yaml: no such file; run this in the folder of the clone"):
        load("bake", Params, tmp_path)
    (tmp_path / "params.yaml").mkdir()
    with pytest.raises(StateError, match=r"params.yaml: cannot be read \(Is a directory\)"):
        load("bake", Params, tmp_path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("seed: &again [*again]\n", "not YAML"),
        ("cake: &again\n  tiers: *again\n", "not YAML"),
        (f"seed: {'[' * 3000}{']' * 3000}\n", "nested too deeply"),
    ],
)
def test_params_that_contain_themselves_or_nest_without_end_are_one_line(
    tmp_path: Path, content: str, found: str
) -> None:
    (tmp_path / "params.yaml").write_text(content)
    with pytest.raises(StateError, match=rf"^params.yaml: {found}.*fix it there$"):
        read_yaml(tmp_path / "params.yaml")


# --- the names that DVC's run cache drops -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"size": 3}, "size"),
        ({"cake": {"tiers": {"nfiles": 3}}}, "cake.tiers.nfiles"),
        ({"cake": {"steps": [{"name": "mix"}, {"name": "bake", "size": 3}]}}, "cake.steps.1.size"),
        ({"bake": {"overrides": {"unet": {"decode_head": {"size": 3}}}}}, "bake.overrides.unet.decode_head.size"),
        ({"cake": {"tiers": 3}}, None),
        ({"bake": {"overrides": {"unet": {"decode_head.size": 3, "sizes": {"nfiles.a": 3}}}}}, None),
    ],
)
def test_names_are_refused_that_dvc_drops_and_no_others(values: dict[str, Any], key: str | None) -> None:
    changed = json.loads(json.dumps(values).replace("3", "4"))
    assert (run_cache_key(values) == run_cache_key(changed)) == (key is not None)
    if key is None:
        return check_names(values)
    with pytest.raises(ParamsError) as caught:
        check_names(values)
    assert re.match(
        f"params.yaml: {key}: found a key called '(size|nfiles)'; DVC's run cache .*; rename it", str(caught.value)
    )
    assert ("or join it with the key above it: `decode_head.size: ...`" in str(caught.value)) == ("overrides" in key)


def test_every_setting_of_ours_is_in_the_key_of_dvc() -> None:
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    keys = {run_cache_key(values)}
    keys |= {run_cache_key(with_another(values, key)) for key, _ in scalars(values)}
    assert len(keys) == 1 + len(list(scalars(values)))


def test_loading_refuses_a_name_that_dvc_drops(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"oven\.light\.size: found a key called 'size'"):
        loaded(tmp_path, VALUES.replace("on: true", "on: true, size: 3"))


def run_cache_key(values: dict[str, Any]) -> str:
    """DVC's own."""
    key: str = _get_cache_hash({"cmd": "bake", "params": {"params.yaml": values}}, key=True)
    return key


def with_another(values: dict[str, Any], key: str) -> dict[str, Any]:
    """A copy in which one value is another."""
    copied = deepcopy(values)
    *above, last = key.split(".")
    reduce(getitem, above, copied)[last] = "another"
    return copied


# --- the form that DVC writes -----------------------------------------------------------------------------------------


def test_an_override_of_an_experiment_is_one_line_of_a_diff(tmp_path: Path) -> None:
    """`dvc exp run -S` of every setting that is one value: as many lines change, and every comment stays."""
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    others = {key: 1 if value is None else not value for key, value in scalars(values)}
    before = (ROOT / "params.yaml").read_text()
    written = tmp_path / "params.yaml"
    written.write_text(before)
    apply_overrides(written, [f"{key}={str(value).lower()}" for key, value in others.items()])
    lines = list(zip(before.splitlines(), written.read_text().splitlines(), strict=True))
    assert sum(old != new for old, new in lines) == len(others) > 70
    comments = [old.partition("#")[2] for old, _ in lines if "color" not in old]
    assert comments == [new.partition("#")[2] for _, new in lines if "color" not in new]

    written.write_text(before)
    apply_overrides(written, ["train.optimizer.lr=0.004", "architectures=[unet,segnet]"])
    added = [line[1:] for line in unified_diff(before.splitlines(), written.read_text().splitlines(), n=0)][2:]
    assert [line.strip() for line in added if not line.startswith("@")] == [
        "- fcn-r18-d8", "- pspnet-r18", "- deeplabv3plus-r18", "- segnet", "lr: 0.003", "lr: 0.004"
    ]  # fmt: skip


def scalars(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The key paths of all values that are neither lists nor mappings."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from scalars(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            yield f"{prefix}{key}", value


def test_every_stage_loads_what_it_declares() -> None:
    """The models and dvc.yaml agree: each stage of the graph with params can load them."""
    from importlib import import_module

    graph = YAML(typ="safe").load(ROOT / "dvc.yaml")
    for stage, definition in graph["stages"].items():
        if definition.get("params"):
            model = import_module(f"stages.{stage}.params").Params
            params = load(stage, model, ROOT)
            own = [str(key) for key in definition["params"] if key != "compute.portable"]  # run_stage reads it
            declared = {key.split(".")[0] for key in own}
            assert set(params.model_dump()) == declared, stage
