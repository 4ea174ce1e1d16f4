"""Every file of the repository that a stage uses stands in dvc.yaml: nothing else would make it run again.

Twice: by the imports in the code, and by what a real run opens, watched from inside by an audit hook. No file is
excused. What is asked of a file that a stage reads is only where it stands: in the stage's deps or outs; in params.yaml
or dvc.yaml, which are its declaration; by digest in a resolved config that is a dep; or it is one that the same run of
the stage wrote before.
"""

from __future__ import annotations

import ast
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.dvc.deps import closure, differences, entry, files_of, imported_names, listed_code
from stages.configure.resolve import names, resolve
from tests.workspace import ROOT, Run, Workspace, auditing, executed, make_workspace, stages_of

# Not files of the repository: git's own, and the installed packages (pixelproof/core/versions.json stands for them).
FOREIGN = (".git", ".venv")


# --- by the code -----------------------------------------------------------------------------------------------------


def test_dvc_yaml_lists_what_the_stages_import() -> None:
    assert differences(ROOT, stages_of(ROOT).values()) == {}


@pytest.mark.parametrize("dataset", [p.stem for p in (ROOT / "pixelproof/sources").glob("[!_]*.py")])
def test_every_source_of_download_brings_what_it_imports(dataset: str) -> None:
    stage = stages_of(ROOT)["download"]
    listed = listed_code(ROOT, stage) | {f"pixelproof/sources/{dataset}.py"}
    assert closure(ROOT, entry(stage.cmd), listed) <= listed


def test_whole_folders_of_code_are_deps_where_they_are_data() -> None:
    folders = {
        (name, dep.def_path)
        for name, stage in stages_of(ROOT).items()
        for dep in stage.deps
        if dep.def_path.split("/")[0] in ("stages", "pipelines") and (ROOT / dep.def_path).is_dir()
    }
    # Configure resolves the files of the one, and digests the files of the other into each config; report digests all.
    assert folders == {
        ("configure", "pixelproof/networks/architectures"),
        ("configure", "stages/models"),
        ("report", "stages"),
    }


@pytest.mark.parametrize("name", names())
def test_an_architecture_names_all_that_its_modules_import(name: str) -> None:
    """What `modules` names is digested into the config; an import that it leaves out would change and rerun nothing."""
    digests = resolve(name, "small")["digests"]
    stages = stages_of(ROOT).items()
    listed = [listed_code(ROOT, stage) for key, stage in stages if key.split("@")[0] in ("train", "evaluate")]
    imported = set[str]().union(*(closure(ROOT, f"pixelproof.networks.{module}", set()) for module in digests))
    assert imported - (listed[0] & listed[-1]) <= {f"pixelproof/networks/{module}.py" for module in digests}


def test_stages_import_neither_pipelines_nor_each_other() -> None:
    packages = {path.parent.name for path in (ROOT / "stages").glob("*/__main__.py")}
    assert len(packages) >= 8
    for path in (ROOT / "stages").rglob("*.py"):
        own = path.relative_to(ROOT / "stages").parts[0]
        parts = path.relative_to(ROOT).parent.parts
        for name in imported_names(ast.parse(path.read_text()), parts):
            package, *rest = name.split(".")
            assert package != "pipelines", f"{path} imports {name}"
            assert package != "stages" or not rest or rest[0] == own or rest[0] not in packages, f"{path}: {name}"


def test_pipelines_reach_the_stages_only_through_dvc() -> None:
    names = ["__init__", "errors", "params", "files", "scores", "matrices", "resampling", "dataset"]
    names += ["fetch/__init__", "fetch/places", "policy"]
    shared = {f"stages/{name}.py" for name in names}
    for path in (ROOT / "pipelines").rglob("*.py"):
        found = imported_names(ast.parse(path.read_text()), ("pipelines",))
        imported = {file for name in found for file in files_of(ROOT, name) if file.startswith("stages/")}
        # The one exception: compare runs a revision's own evaluate stage, as a process in a worktree of that revision.
        run = {"stages/evaluate/__init__.py"} if path.name == "worktree.py" else set()
        assert imported <= shared | run, path


@pytest.mark.parametrize(
    "line",
    [
        "import stages.undeclared",
        "def use() -> None:\n    from stages import undeclared",
        "import importlib\nimportlib.import_module('stages.undeclared')",
        "from stages.undeclared import anything",
    ],
)
def test_an_undeclared_import_is_found_in_the_code(tmp_path: Path, line: str) -> None:
    folder = make_workspace(tmp_path).folder
    (folder / "stages/undeclared.py").touch()
    main = folder / "stages/report/__main__.py"
    main.write_text(f"{main.read_text()}\n{line}\n")
    found = differences(folder, stages_of(folder).values())
    assert {name: difference.lacks for name, difference in found.items()} == {"report": ("stages/undeclared.py",)}


def test_a_dep_that_nothing_imports_is_found(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path).folder
    graph = yaml.safe_load((folder / "dvc.yaml").read_text())
    graph["stages"]["report"]["deps"].append("stages/augment/__main__.py")
    (folder / "dvc.yaml").write_text(yaml.safe_dump(graph))
    found = differences(folder, stages_of(folder).values())
    assert {name: difference.unused for name, difference in found.items()} == {
        "report": ("stages/augment/__main__.py",)
    }


# --- by what a run opens ---------------------------------------------------------------------------------------------


def declared_by(folder: Path, stage: Any) -> set[str]:
    """What a stage may read: its deps, the modules whose digests stand in one of them, and the declarations."""
    deps = {dep.def_path for dep in stage.deps}
    configs = [json.loads((folder / path).read_text()) for path in deps if path.startswith("data/configs/")]
    modules = {f"pixelproof/networks/{module}.py" for config in configs for module in config["digests"]}
    return deps | modules | {"params.yaml", "dvc.yaml"}


def undeclared(folder: Path, stage: Any, log: Path) -> set[str]:
    """The files of the repository that a stage's run read, and that neither dvc.yaml nor the run accounts for."""
    declared, found = declared_by(folder, stage) | {out.def_path for out in stage.outs}, set()
    for line in log.read_text().splitlines():
        what, _, name = line.partition("\t")
        path = Path(name)
        if not path.is_relative_to(folder) or path.relative_to(folder).parts[0] in FOREIGN:
            continue
        relative = path.relative_to(folder).as_posix()
        if what == "write":
            declared.add(relative)
        elif path.is_file() and not any(relative == root or relative.startswith(f"{root}/") for root in declared):
            found.add(relative)
    return found


@pytest.mark.slow
@pytest.mark.promise
def test_a_real_run_opens_nothing_undeclared(audited_run: Run, audit_logs: Path) -> None:
    folder, logs = audited_run.workspace.folder, audit_logs
    stages = stages_of(folder)
    assert {log.name for log in logs.iterdir()} == set(stages)
    for name, stage in stages.items():
        main = folder / entry(stage.cmd).replace(".", "/")
        assert f"read\t{main}.py" in (logs / name).read_text().splitlines()  # the hook was there and saw
        assert undeclared(folder, stage, logs / name) == set(), name


@pytest.mark.slow
@pytest.mark.promise
def test_a_stage_writes_the_same_where_nothing_undeclared_is(audited_run: Run, tmp_path: Path) -> None:
    # The hook sees what Python opens, and not what OpenCV or Arrow do.
    folder, env = audited_run.workspace.folder, audited_run.workspace.env
    for name, stage in stages_of(folder).items():
        place = tmp_path / name
        for path in declared_by(folder, stage):
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            if (folder / path).is_dir():
                shutil.copytree(folder / path, place / path, dirs_exist_ok=True)  # configure has a folder and its files
            else:
                shutil.copy(folder / path, place / path)
        command = [sys.executable, *shlex.split(stage.cmd)[1:]]  # bin/python only finds the interpreter
        subprocess.run(command, cwd=place, env=env, check=True, capture_output=True)
        outs = [out.def_path for out in stage.outs]
        written = Workspace(place).digests(*outs, *(f"{out}/**/*" for out in outs))
        expected = audited_run.written.items()
        assert written, f"{name} wrote nothing"
        assert written == {path: d for path, d in expected if any(f"{path}/".startswith(f"{out}/") for out in outs)}


def test_an_undeclared_file_is_seen_in_a_run(tmp_path: Path) -> None:
    workspace, logs = make_workspace(tmp_path), tmp_path / "opened"
    logs.mkdir()
    (workspace.folder / "stages/undeclared.py").touch()
    workspace.edit(
        "stages/configure/__main__.py",
        "from pathlib import Path\n",
        "from pathlib import Path\n"
        "__import__('.'.join(['stages', 'undeclared']))\n"  # such as no reader of the code can find
        "import multiprocessing\n"
        "worker = multiprocessing.get_context('spawn').Process(target=Path('requirements.lock').read_text)\n"
        "if __name__ == '__main__': worker.start(), worker.join()\n",
    )
    output = workspace.dvc("repro", "configure", env=auditing(logs))
    assert executed(output) == ["configure"]
    stage = stages_of(workspace.folder)["configure"]
    assert undeclared(workspace.folder, stage, logs / "configure") == {"stages/undeclared.py", "requirements.lock"}
