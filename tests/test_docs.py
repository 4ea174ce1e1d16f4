"""What the docs refer to exists: paths, links, commands and their options, make targets, and params."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from commands._catalogue import entries, load

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", ".github/*.md", "docs/**/*.md", "data/*.md", "pretrained/*.md")
    for path in ROOT.glob(pattern)
)
HISTORY = "CHANGELOG.md"  # also names things of the past
ELSEWHERE = {"NAME", "COMMAND"}  # placeholders for any command
CODE = r"(?:commands|pipelines|pixelproof|stages|tests|bin|benchmarks|docs|examples|\.github|\.ci)"


def text_of(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def quoted(text: str) -> list[str]:
    """Everything in backticks, and each line of the shell blocks."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", rest)] + lines


def lost_paths(text: str) -> list[str]:
    """Paths in the code folders that do not exist; `NAME`, `<name>` and `*` match anything."""
    found = re.findall(rf"(?<![\w./-]){CODE}/(?:[\w./*{{}},-]|<\w+>)*", text)
    paths = {path.rstrip(".,/") for path in found}
    patterns = {path: re.sub(r"<\w+>|NAME|_name\b|\{[^}]*\}", "*", path) for path in paths}
    return sorted(path for path, pattern in patterns.items() if not any(ROOT.glob(pattern)))


def lost_links(page: str, text: str) -> list[str]:
    """Links within the repository to a file or heading that does not exist."""
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if "://" in target:
            continue
        if not file.exists() or (heading and heading not in headings(file.read_text(encoding="utf-8"))):
            lost.append(target)
    return lost


def headings(text: str) -> set[str]:
    """The headings of a page, as links name them."""
    lines = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


def wrong_commands(text: str) -> list[str]:
    """Lines with a command, an option, a make target or a module that does not exist."""
    return [line for line in quoted(text) if not runs(line.split("#")[0])]


def runs(line: str) -> bool:
    """Whether what a line calls exists; anything that is not the project's own is assumed to."""
    program, name, verb = [*line.split(), "", "", ""][:3]
    if program == "make" and name:
        return name in ELSEWHERE or name in re.findall(r"^(\w+):", text_of("Makefile"), re.MULTILINE)
    if program in ("pixelproof", "bin/pixelproof") and name and not name.startswith("-"):
        known = name in {entry.name for entry in entries()}
        return options(line) <= taken_by(name, verb) if known else name in ELSEWHERE
    modules = re.findall(r"-m ((?:commands|pipelines|pixelproof|stages)[\w.]*)", line)
    files = [(f"{module.replace('.', '/')}.py", f"{module.replace('.', '/')}/__main__.py") for module in modules]
    return all(any((ROOT / path).is_file() for path in either) for either in files)


def options(line: str) -> set[str]:
    """The options in a line of shell."""
    return {word.split("=")[0] for word in shlex.split(line, comments=True) if word.startswith("--")}


def taken_by(name: str, verb: str) -> set[str]:
    """The options that a command takes, or one of its verbs."""
    parser = argparse.ArgumentParser()
    load(name).add_arguments(parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            parser = action.choices.get(verb, parser)
    return {option for action in parser._actions for option in action.option_strings}


def lost_params(text: str) -> list[str]:
    """Dotted keys that begin with a section of params.yaml but are not in it."""
    params = yaml.safe_load(text_of("params.yaml"))
    lost = []
    for key in {word.split(":")[0] for word in quoted(text)}:
        here: object = params
        if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", key) and key.split(".")[0] in params:
            for part in key.split("."):
                here = here.get(part, KeyError) if isinstance(here, dict) else KeyError
        lost += [key] if here is KeyError else []
    return sorted(lost)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    text = text_of(page)
    assert lost_links(page, text) == []
    assert wrong_commands(text) == []
    if page != HISTORY:
        assert lost_paths(text) == []
        assert lost_params(text) == []


def test_what_is_not_there_is_found() -> None:
    text = """# Some *Heading*: here
    See `stages/models/` and pixelproof/core/errors.py, `commands/NAME.py`, `tests/{core,nowhere}/` or tests/none.
    [a](README.md#quick-start) [b](README.md#no-such) [c](docs/none.md) [d](#some-heading-here) [e](https://x.y/z)
    `pixelproof comapre`, `pixelproof plan`, `bin/pixelproof compare --fail-on regression`, `pixelproof check --fast`
    `make tests`, `make check`, `bin/python -m pipelines compare`, `bin/python -m stages.train --arch unet`
    `train.iterations: 40 epochs`, `train.iteration`, `download.synthetic.size`, `metrics.json`
    """
    assert lost_paths(text) == ["docs/none.md", "stages/models", "tests/none"]
    assert headings(text) == {"some-heading-here"}
    assert lost_links("README.md", text) == ["README.md#no-such", "docs/none.md", "#some-heading-here"]
    assert wrong_commands(text) == [
        "pixelproof comapre", "pixelproof check --fast", "make tests", "bin/python -m pipelines compare",
    ]  # fmt: skip
    assert lost_params(text) == ["download.synthetic.size", "train.iteration"]


def test_the_readme_has_the_scores_of_the_commit() -> None:
    rows = re.findall(r"^\| (0\.\d{3}) \| `([\w-]+)` \|$", text_of("README.md"), re.MULTILINE)
    kept = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "metrics").glob("*.json"))}
    ranked = sorted(((f"{found['test']['mIoU']:.3f}", name) for name, found in kept.items()), reverse=True)
    assert rows == ranked
