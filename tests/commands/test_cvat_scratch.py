"""Where pulls wait: one folder for each process, which the next one removes if it was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from commands._cvat.scratch import HOME, scratch
from tests.commands.adding import FIRST, Clone, export
from tests.commands.cvat_place import server
from tests.cvat_server import CvatServer, Handler

__all__ = ["server"]

ROOT = Path(__file__).parents[2]
BUSY = """
import sys
from pathlib import Path
from commands._cvat.scratch import scratch
with scratch(Path(sys.argv[1])) as folder:
    (folder / "part.zip").write_bytes(b"much")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_and_not_what_another_one_uses(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUSY, str(tmp_path)]
    pipe = subprocess.PIPE
    killed, busy = (subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) for _ in range(2))
    names = [process.stdout.readline().strip() for process in (killed, busy) if process.stdout]
    killed.kill()
    killed.communicate()
    assert {path.name for path in (tmp_path / HOME).iterdir()} == {*names}
    with scratch(tmp_path) as folder, scratch(tmp_path) as second:
        assert {path.name for path in (tmp_path / HOME).iterdir()} == {names[1], folder.name, second.name}
        assert (tmp_path / HOME / names[1] / "part.zip").read_bytes() == b"much"
    busy.communicate()
    assert busy.returncode == 0 and not list((tmp_path / HOME).iterdir())


@pytest.mark.parametrize("command", [["cvat", "pull", "--task", "7"], ["add", "cvat:7"]])
def test_a_pull_waits_in_the_clone(
    server: CvatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    from commands.__main__ import main

    clone = Clone.at(tmp_path / "clone")
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    monkeypatch.chdir(clone.folder)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    seen: list[str] = []

    def look(_: Handler) -> bool:
        seen.extend(path.name for path in (clone.folder / HOME).glob("*/*"))
        return False

    server.fail("dataset/download", look)
    main(command)
    assert len(seen) == 1 and seen[0].startswith(".pulled.")
    assert not list((clone.folder / HOME).iterdir())
