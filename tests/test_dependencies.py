"""Every file of the repository that a stage uses is declared in dvc.yaml: otherwise a change would not rerun the stage.

This is checked twice: by the imports in the code, and by the files that a real run opens, which an audit hook logs.
There are no exceptions. A file that a stage reads must be in its deps or outs, be params.yaml or dvc.yaml, have its
digest in a resolved config that is a dep, or have been written earlier by the same run of the stage.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.dvc.deps import closure, code_in, differences, entry, listed_code
from pixelproof import sources
from pixelproof.core.portable import CAPS
from pixelproof.data.remembered import FOLDER
from stages.configure.resolve import names, resolve
from tests.forked import run_forked
from tests.workspace import OPENED, ROOT, Run, Workspace, auditing, executed, make_workspace, stages_of

# Not part of the repository: git's own files, and installed packages (pixelproof/core/versions.json represents them).
FOREIGN = (".git", ".venv")
# Found by the digest of all that an entry was made from: tests/**/test_remembered.py hold it to change no byte.
REMEMBERED = FOLDER.as_posix()


# --- imports in the code ---------------------------------------------------------------------------------------------


def test_dvc_yaml_lists_what_the_stages_import() -> None:
    assert differences(ROOT, stages_of(ROOT).values()) == {}


@pytest.fixture(scope="module")
def listed() -> dict[str, set[str]]:
    """The files of code that the deps of each stage list; those of a matrix list the same."""
    made = {name.split("@")[0]: stage for name, stage in stages_of(ROOT).items()}
    return {name: set[str]().union(*listed_code(ROOT, stage).values()) for name, stage in made.items()}


@pytest.mark.parametrize("dataset", sources.names())
def test_a_source_imports_no_other_and_nothing_that_download_lacks(dataset: str, listed: dict[str, set[str]]) -> None:
    shared = {path for path in listed["download"] if not path.startswith("pixelproof/sources/synthetic/")}
    assert closure(ROOT, f"pixelproof.sources.{dataset}") <= shared | code_in(ROOT, f"pixelproof/sources/{dataset}")


@pytest.mark.parametrize("name", names())
def test_an_architecture_names_all_that_its_modules_import(name: str, listed: dict[str, set[str]]) -> None:
    """The config has digests of what `modules` lists; a change of any other imported module would rerun nothing."""
    digests = resolve(name, "small")["digests"]
    imported = set[str]().union(*(closure(ROOT, f"pixelproof.networks.{module}") for module in digests))
    for stage in ("train", "evaluate"):
        assert imported - listed[stage] <= {f"pixelproof/networks/{module}.py" for module in digests}


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone for those that change one file of it, and put it back."""
    return make_workspace(tmp_path_factory.mktemp("code")).folder


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """A file with another text during the block."""
    before = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


@pytest.mark.parametrize(
    "line",
    [
        "import stages.undeclared",
        "def use() -> None:\n    from stages import undeclared",
        "import importlib\nimportlib.import_module('stages.undeclared')",
        "from stages.undeclared import anything",
    ],
)
def test_an_undeclared_import_is_found_in_the_code(code: Path, line: str) -> None:
    (code / "stages/undeclared.py").touch()
    main = code / "stages/train/__main__.py"
    with changed(main, f"{main.read_text()}\n{line}\n"):
        found = differences(code, stages_of(code).values())
    assert {name: difference.lacks for name, difference in found.items()} == {"train": ("stages/undeclared.py",)}


def test_a_dep_that_nothing_imports_is_found(code: Path) -> None:
    graph = yaml.safe_load((code / "dvc.yaml").read_text())
    graph["stages"]["augment"]["deps"].append("pixelproof/fetch")
    with changed(code / "dvc.yaml", yaml.safe_dump(graph)):
        found = differences(code, stages_of(code).values())
    assert {name: difference.unused for name, difference in found.items()} == {"augment": ("pixelproof/fetch",)}


# --- files that a run opens ------------------------------------------------------------------------------------------


def declared_by(folder: Path, stage: Any) -> set[str]:
    """What a stage may read: its deps, the modules whose digests are in one of them, params.yaml and dvc.yaml."""
    deps = {dep.def_path for dep in stage.deps}
    configs = [json.loads((folder / path).read_text()) for path in deps if path.startswith("data/configs/")]
    modules = {f"pixelproof/networks/{module}.py" for config in configs for module in config["digests"]}
    return deps | modules | {"params.yaml", "dvc.yaml"}


def undeclared(folder: Path, stage: Any, log: Path) -> set[str]:
    """The files of the repository that a stage's run read, but did not write and dvc.yaml does not declare."""
    declared, found = declared_by(folder, stage) | {out.def_path for out in stage.outs}, set()
    for line in log.read_text().splitlines():
        what, _, name = line.partition("\t")
        path = Path(name)
        if not path.is_relative_to(folder) or path.relative_to(folder).parts[0] in FOREIGN:
            continue
        relative = path.relative_to(folder).as_posix()
        if what == "write" or relative.startswith(f"{REMEMBERED}/"):
            declared.add(relative)
        elif path.is_file() and not any(relative == root or relative.startswith(f"{root}/") for root in declared):
            found.add(relative)
    return found


@pytest.mark.slow
@pytest.mark.promise
def test_a_real_run_opens_nothing_undeclared(audited_run: Run) -> None:
    folder = audited_run.workspace.folder
    logs = folder.parent / OPENED
    stages = stages_of(folder)
    assert {log.name for log in logs.iterdir()} == set(stages)
    for name, stage in stages.items():
        main = folder / entry(stage.cmd).replace(".", "/")
        assert f"read\t{main}.py" in (logs / name).read_text().splitlines()  # the hook was active
        assert undeclared(folder, stage, logs / name) == set(), name


@pytest.mark.slow
@pytest.mark.promise
def test_a_stage_writes_the_same_where_nothing_undeclared_is(audited_run: Run, tmp_path: Path) -> None:
    # The hook sees the files that Python opens, but not those that OpenCV or Arrow open.
    folder, env = audited_run.workspace.folder, audited_run.workspace.env
    for name, stage in stages_of(folder).items():
        place = tmp_path / name
        for path in declared_by(folder, stage):
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            if (folder / path).is_dir():
                shutil.copytree(folder / path, place / path, dirs_exist_ok=True)
            else:
                shutil.copy(folder / path, place / path)
        # Without bin/python, which only finds the interpreter. The audited run had interpreters of its own.
        done = run_forked(shlex.split(stage.cmd)[1:], place, env | CAPS)
        assert done.returncode == 0, done.stderr
        outs = [out.def_path for out in stage.outs]
        written = Workspace(place).digests(*outs, *(f"{out}/**/*" for out in outs))
        expected = audited_run.written.items()
        assert written, f"{name} wrote nothing"
        assert written == {path: d for path, d in expected if any(f"{path}/".startswith(f"{out}/") for out in outs)}


def test_an_undeclared_file_is_seen_in_a_run(tmp_path: Path) -> None:
    workspace, logs = make_workspace(tmp_path), tmp_path / OPENED
    (workspace.folder / "stages/undeclared.py").touch()
    workspace.edit(
        "stages/configure/__main__.py",
        "from pathlib import Path\n",
        "from pathlib import Path\n"
        "__import__('.'.join(['stages', 'undeclared']))\n"  # which static analysis cannot find
        "import multiprocessing\n"
        "worker = multiprocessing.get_context('spawn').Process(target=Path('requirements.lock').read_text)\n"
        "if __name__ == '__main__': worker.start(), worker.join()\n",
    )
    output = workspace.dvc("repro", "configure", env=auditing(logs))
    assert executed(output) == ["configure"]
    stage = stages_of(workspace.folder)["configure"]
    assert undeclared(workspace.folder, stage, logs / "configure") == {"stages/undeclared.py", "requirements.lock"}
