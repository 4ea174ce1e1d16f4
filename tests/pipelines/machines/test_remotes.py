"""Remotes of other kinds, each by a real server on loopback: a stage is pulled for, run, pushed and found again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.machines.perform import perform
from tests.pipelines.conftest import sh
from tests.pipelines.machines.test_perform import job_of
from tests.pipelines.machines.two import Machines


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A server of SSH with SFTP that lets one key in; its port, and the file of the key."""
    import asyncssh

    key, host = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(tmp_path / "key"))
    (tmp_path / "key").chmod(0o600)
    key.write_public_key(str(tmp_path / "key.pub"))
    loop, ports = asyncio.new_event_loop(), []

    async def serve() -> None:
        server = await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[host], authorized_client_keys=str(tmp_path / "key.pub"), sftp_factory=True
        )
        ports.append(server.sockets[0].getsockname()[1])

    loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield ports[0], tmp_path / "key"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def over_ssh(machines: Machines, ssh: tuple[int, Path]) -> None:
    """The remote is the same folder, reached by SSH; each clone has the key in its own settings."""
    port, key = ssh
    sh("dvc", "remote", "modify", "store", "url", f"ssh://127.0.0.1:{port}{machines.remote}", cwd=machines.asks)
    machines.publish()
    for clone in (machines.asks, machines.works):
        sh("git", "pull", "-q", "origin", "main", cwd=clone)
        for name, value in (("user", "tester"), ("keyfile", str(key)), ("allow_agent", "false")):
            sh("dvc", "remote", "modify", "--local", "store", name, value, cwd=clone)


def test_a_remote_over_ssh(machines: Machines, ssh: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    over_ssh(machines, ssh)
    job = job_of("train@fcn", machines.change("params.yaml", "lr: 0.1", "lr: 0.2"))
    monkeypatch.chdir(machines.works)
    first = perform(job)
    assert perform(job) == first and machines.ran() == ["train-fcn"]
    assert (machines.remote / "pixelproof" / job.key[:2] / job.key[2:] / "result.json").is_file()
