"""What docs/operate.md promises: a backup of Prefect's database is restored, and no secret is written anywhere."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.pipelines.conftest import ROOT
from tests.pipelines.flows.conftest import Served
from tests.pipelines.flows.test_on import POOL, server, working
from tests.pipelines.machines.two import Machines

SECRET = "pl4nted-s3cret"


def documented() -> list[str]:
    """The command that makes a backup, as it is typed."""
    (line,) = [line for line in (ROOT / "docs/operate.md").read_text().splitlines() if "VACUUM INTO" in line]
    program, *arguments = shlex.split(line)
    assert program == "bin/python"
    return [sys.executable, *arguments]


def test_a_backup_of_a_server_at_work_has_its_runs(served: Served, tmp_path: Path) -> None:
    subprocess.run(documented(), cwd=served.repo, check=True)
    home = tmp_path / "restored"
    home.mkdir()
    (served.repo / "runs.db").rename(home / "prefect.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"PREFECT_HOME": str(home), "PREFECT_SERVER_API_AUTH_STRING": "a:b"}
    command = [sys.executable, "-m", "pipelines.flows.server", "--port", str(port)]
    api = f"http://127.0.0.1:{port}/api"
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                try:
                    httpx.get(f"{api}/health", auth=("a", "b"), trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            run = served.scheduled_run["id"]
            found = httpx.get(f"{api}/flow_runs/{run}", auth=("a", "b"), timeout=60, trust_env=False).json()
        finally:
            process.send_signal(signal.SIGINT)
    assert found["id"] == run and found["state_type"] == "COMPLETED"


def test_secrets_are_written_nowhere(machines: Machines, served: Served, tmp_path: Path) -> None:
    """Those of a remote in the environment and in this clone's own settings, and the server's password."""
    machines.change("params.yaml", "seed: 0", "seed: 1")
    secrets = {"AWS_SECRET_ACCESS_KEY": SECRET, "CVAT_ACCESS_TOKEN": SECRET, "DVC_STUDIO_TOKEN": SECRET}
    os.environ |= secrets
    try:
        with working(machines.works, served, POOL):
            command = [sys.executable, "-m", "commands", "reproduce", "--on", POOL, "train"]
            done = subprocess.run(command, cwd=machines.asks, env=server(served), capture_output=True, check=False)
    finally:
        for name in secrets:
            del os.environ[name]
    assert done.returncode == 0, done.stderr
    password = served.login[1].encode()
    places = [machines.asks, machines.works, machines.remote, machines.works.parent / "works.log", served.repo]
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    assert len(files) > 100
    for file in files:
        content = file.read_bytes()
        assert SECRET.encode() not in content, file
        assert password not in content or file == served.repo / ".pixelproof/prefect/auth", file
    assert SECRET.encode() not in done.stdout + done.stderr and password not in done.stdout + done.stderr
