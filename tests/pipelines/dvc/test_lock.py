"""One reader of dvc.lock: what it says of outputs, readers and params, worked by hand; a stranger's is held off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.dvc.lock import DvcLock, Record, parse_lock, read_lock
from pipelines.dvc.revision import WORKSPACE, Revision, open_revision
from pixelproof.core.errors import StateError

MD5 = "0123456789abcdef" * 2
CONTENT: dict[str, Any] = {
    "schema": "2.0",
    "stages": {
        "prepare": {
            "cmd": "prepare",
            "deps": [{"path": "code.py", "md5": MD5}, {"path": "s3://bucket/raw", "etag": "abc"}],
            "params": {"params.yaml": {"prepare": {"width": 96}}, "other.yaml": {"seed": 1}},
            "outs": [{"path": "data", "hash": "md5", "md5": f"{MD5}.dir", "size": 1}, {"path": "gone"}],
        },
        "train@unet-0": {
            "cmd": ["first", "second"],
            "deps": [{"path": "data/train", "md5": MD5}, {"path": "code.py", "md5": MD5}],
            "params": {"params.yaml": {"train.batch": 4}},
            "outs": [{"path": "models/unet", "md5": "../../../etc/passwd"}],
        },
    },
}


def test_what_a_lock_says() -> None:
    lock = parse_lock(CONTENT, "v1")
    assert lock.stages["train@unet-0"].command == ["first", "second"]
    assert lock.stages["prepare"].values == {"prepare.width": 96, "other.yaml.seed": 1}
    assert lock.outs == {"data": f"{MD5}.dir", "gone": None, "models/unet": "../../../etc/passwd"}
    assert lock.sources == {"code.py": MD5, "s3://bucket/raw": "abc"}, "data/train is a part of an output"
    assert lock.readers("code.py") == ["prepare", "train"] and lock.readers("data") == []
    assert lock.readers_of_param("prepare.width") == ["prepare"] and lock.readers_of_param("train.bat") == []
    assert [lock.pull_target(path) for path in ("data", "models/unet", "else")] == ["data", "train", "else"]
    assert lock.only(["train@unet-0", "new"]).stages.keys() == {"train@unet-0"}
    assert parse_lock(None, "v1") == DvcLock()


def test_only_a_hash_is_looked_up_as_one() -> None:
    lock = parse_lock(CONTENT, "v1")
    hashes = {path: lock.hash_of(path) for path in ("data", "gone", "models/unet", "no such")}
    assert hashes == {"data": f"{MD5}.dir", "gone": None, "models/unet": None, "no such": None}


@pytest.mark.parametrize(
    "stages",
    [
        [],
        {"a": 1},
        {"a": {"outs": [{"md5": "x"}]}},
        {"a": {"outs": [{"path": ["x"], "md5": "x"}]}},
        {"a": {"deps": "models"}},
        {"a": {"params": ["seed"]}},
        {"a": {"params": {"params.yaml": ["seed"]}}},
    ],
)
def test_a_lock_that_dvc_did_not_write_is_one_line(stages: Any) -> None:
    with pytest.raises(StateError, match=r"^v1: dvc\.lock: not in DVC's format; [^\n]*$"):
        parse_lock({"stages": stages}, "v1")


def test_what_the_real_dvc_writes_is_read_of_any_tree(repo: Path, tmp_path: Path) -> None:
    lock = read_lock(open_revision("HEAD"))
    record = lock.stages["train@unet"]
    assert record.command == "python code/stage.py train-unet models/unet"
    assert record.params == {"params.yaml": {"train": {"lr": 0.1, "steps": [1, 2]}}}
    assert record.deps.keys() == {"code/stage.py", "data/prepared/train"} and record.outs.keys() == {"models/unet"}
    assert all(lock.hash_of(path) for path in lock.outs)
    Path("dvc.lock").unlink()
    assert read_lock(open_revision(WORKSPACE)) == DvcLock()
    (tmp_path / "dvc.lock").write_text("stages: {a: {cmd: there}}")
    assert read_lock(Revision("there", None, tmp_path)).stages == {"a": Record("there")}
