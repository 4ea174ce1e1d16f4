"""`reproduce` without a server: the one that it starts is closed to everybody else, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.pipelines.conftest import ROOT, sh
from tests.pipelines.flows.conftest import Served
from tests.pipelines.flows.test_reproduce import control, edit, wait_for

HANG = "import os\nopen('control/pid', 'w').write(f'{os.getpid()} ')\ntime.sleep(600)"


@dataclass
class Running:
    """A `reproduce` in the middle of a stage, its user's home, the stage, and the server that it has started."""

    process: psutil.Popen
    home: Path
    stage: psutil.Process
    server: psutil.Process
    address: str


@pytest.fixture
def running(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A real `reproduce` whose first stage waits, as a user runs it who has no settings of Prefect."""
    monkeypatch.delenv("PREFECT_HOME")
    home = tmp_path / "home"
    home.mkdir()
    edit("params.yaml", "seed: 0", "seed: 1")
    control("download", HANG)
    command = [sys.executable, "-m", "commands", "reproduce", "download"]
    environment = os.environ | {"HOME": str(home)}
    process = psutil.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        pid = Path("control/pid")
        wait_for(lambda: process.poll() is not None or (pid.exists() and pid.read_text().endswith(" ")), 120)
        assert process.poll() is None, process.stdout.read()
        family = process.children(recursive=True)
        listening = [(one, at.laddr) for one in family for at in one.net_connections("tcp") if at.status == "LISTEN"]
        ((server, at),) = listening
        assert at.ip == "127.0.0.1"
        yield Running(process, home, psutil.Process(int(pid.read_text())), server, f"127.0.0.1:{at.port}")
    finally:
        if process.poll() is None:
            for one in [*process.children(recursive=True), process]:
                one.kill()
        process.wait()


def answer(running: Running, login: tuple[str, str] | None, headers: dict[str, str]) -> httpx.Response:
    """What the server says to somebody who asks for the names of the flows."""
    address = f"http://{running.address}/api/flows/filter"
    return httpx.post(address, json={}, auth=login, headers=headers, timeout=60, trust_env=False)


def test_its_server_answers_only_its_own_run_and_all_is_in_the_clone(running: Running, repo: Path) -> None:
    home = repo / ".pixelproof/prefect"
    user, _, secret = (home / "auth").read_text().strip().partition(":")
    own = Served(repo, running.process, f"http://{running.address}/api")
    assert [flow["name"] for flow in own.ask("flows")] == ["reproduce"]
    csrf = own.headers
    login = (user, secret)
    assert answer(running, login, csrf).status_code == 200
    assert answer(running, None, csrf).status_code == 401
    assert answer(running, (user, "guess"), csrf).status_code == 401
    assert answer(running, login, {}).status_code == 403  # a request that any form could send: no CSRF token
    assert answer(running, login, csrf | {"Host": "example.org"}).status_code == 403
    foreign = answer(running, login, csrf | {"Origin": "https://example.org"})
    assert foreign.status_code == 403
    assert "access-control-allow-origin" not in foreign.headers

    assert home.stat().st_mode & 0o777 == 0o700
    assert not [one for one in psutil.process_iter(["cmdline"]) if secret in " ".join(one.info["cmdline"] or ())]
    Path("control/download").unlink()
    os.kill(running.stage.pid, signal.SIGKILL)  # the stage is tried again, and then ends
    said, _ = running.process.communicate(timeout=120)
    assert running.process.returncode == 0, said
    assert "1 ran, 0 restored, 0 skipped" in said.splitlines()
    assert "View at" not in said  # this server has no page
    assert secret not in said + "".join(log.read_text() for log in home.glob("*.log"))
    assert not running.server.is_running()
    assert [path.name for path in running.home.iterdir() if "prefect" in path.name] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_its_server_ends_with_it(running: Running, number: signal.Signals) -> None:
    running.process.send_signal(number)
    running.process.wait(60)
    running.server.wait(15)


@pytest.mark.parametrize("where", ["environment", "profile", "file"])
def test_a_server_of_the_user_is_used_as_ever(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    home = tmp_path / "prefect"
    monkeypatch.setenv("PREFECT_HOME", str(home))
    url = "http://127.0.0.1:9/api"
    if where == "environment":
        monkeypatch.setenv("PREFECT_API_URL", url)
    elif where == "profile":
        home.mkdir()
        (home / "profiles.toml").write_text(f'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "{url}"\n')
    else:
        (clone / "prefect.toml").write_text(f'[api]\nurl = "{url}"\n')
    ask = (
        "from pipelines.flows.local import has_server\n"
        "assert has_server()\n"
        "from prefect.settings import get_current_settings\n"
        "now = get_current_settings()\n"
        "print(now.api.url, now.home, now.api.auth_string)"
    )
    assert sh(sys.executable, "-c", ask, cwd=clone).stdout.split() == [url, str(home), "None"]


def test_prefect_starts_no_server_of_its_own_here() -> None:
    ask = "from prefect.settings import get_current_settings as s; print(s().server.ephemeral.enabled)"
    assert sh(sys.executable, "-c", ask, cwd=ROOT).stdout.strip() == "False"
