"""Machines for workers.py, all on this one: clones that share a git remote, an S3 and Prefect's server on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.proxy import Proxy
from pipelines.flows.api import Api
from pipelines.flows.serve import settings
from pipelines.processes import program
from pixelproof.core.alive import alive

POOL = "benchmark"
BUCKET = "pixelproof"
AUTH = "pixelproof:benchmark"
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
SECONDS_TO_START = 180


@dataclass
class Machine:
    """A clone with folders of its own, which reaches everything else through a proxy.

    Args:
        folder: its own.
        environ: of its commands.
        proxies: to the S3 and to Prefect's server.
    """

    folder: Path
    environ: dict[str, str]
    proxies: dict[str, Proxy]
    process: psutil.Popen | None = None

    @property
    def clone(self) -> Path:
        """Its clone."""
        return self.folder / "clone"

    def work(self, limit: int = 1) -> None:
        """Start to work for the pool, and wait until it does."""
        log = self.folder / "work.log"
        with log.open("wb") as file:
            command = ["bin/pixelproof", "work", POOL, "--limit", str(limit)]
            self.process = psutil.Popen(
                command, cwd=self.clone, env=self.environ, stdout=file, stderr=file, start_new_session=True
            )
        until = time.monotonic() + SECONDS_TO_START
        while "started!" not in log.read_text():
            if self.process.poll() is not None or time.monotonic() > until:
                sys.exit(f"error: a worker did not start: {log.read_text()}")
            time.sleep(0.1)

    def family(self) -> list[psutil.Process]:
        """Its worker's processes, the one that was started first."""
        if self.process is None or not alive(self.process):
            return []
        return [self.process, *self.process.children(recursive=True)]

    def end(self) -> None:
        """Stop to work."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)

    def lose(self) -> None:
        """As if its power were cut."""
        for process in self.family():
            process.kill()

    def forget(self) -> None:
        """Remove what it has pulled and made."""
        for folder in (".dvc/cache", ".dvc/tmp", ".pixelproof/jobs"):
            shutil.rmtree(self.clone / folder, ignore_errors=True)
        subprocess.run(["git", "worktree", "prune"], cwd=self.clone, check=True)

    def objects(self) -> set[str]:
        """The objects in its cache of DVC."""
        root = self.clone / ".dvc/cache/files/md5"
        return {path.parent.name + path.name for path in root.glob("*/*")}


@dataclass
class World:
    """The machine that asks, those that work, and what they share."""

    asks: Machine
    workers: list[Machine]
    api: Api
    s3: str

    def reproduce(self, *targets: str) -> subprocess.Popen[str]:
        """Start a run on the pool."""
        command = ["bin/pixelproof", "reproduce", "--on", POOL, *targets]
        return subprocess.Popen(
            command, cwd=self.asks.clone, env=self.asks.environ, stderr=subprocess.PIPE, stdout=sys.stderr, text=True
        )

    def reset(self) -> None:
        """Begin from nothing: an empty S3, no dvc.lock but the committed one, and no caches."""
        for machine in (self.asks, *self.workers):
            machine.forget()
        for command in (["clean", "-fdxq", "-e", ".venv", "-e", ".pixelproof", "-e", ".dvc"], ["checkout", "-q", "."]):
            subprocess.run(["git", *command], cwd=self.asks.clone, check=True)
        empty(self.s3)


def empty(s3: str) -> None:
    """Forget everything that the S3 holds, but for the bucket."""
    import boto3

    bucket = boto3.resource("s3", endpoint_url=s3, region_name="us-east-1", **_keys()).Bucket(BUCKET)
    bucket.objects.all().delete()


def _keys() -> dict[str, str]:
    return {"aws_access_key_id": "x", "aws_secret_access_key": "x"}


@contextmanager
def world(folder: Path, source: Path, count: int) -> Iterator[World]:
    """All of it, during the block.

    Args:
        folder: for everything.
        source: a clone whose last commit is what runs.
        count: of machines that work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        s3 = stack.enter_context(_s3())
        port = stack.enter_context(_server(folder / "server"))
        origin = _origin(folder, source)
        made = []
        for name in ("asks", *(f"worker-{number}" for number in range(1, count + 1))):
            proxies = {"s3": Proxy(int(s3.rpartition(":")[2])), "prefect": Proxy(port)}
            for proxy in proxies.values():
                stack.callback(proxy.close)
            made.append(_machine(folder / name, origin, proxies))
            stack.callback(made[-1].end)
        yield World(made[0], made[1:], Api(f"http://127.0.0.1:{port}/api", AUTH), s3)


def _machine(folder: Path, origin: Path, proxies: dict[str, Proxy]) -> Machine:
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", origin, clone], check=True)
    (clone / ".venv").symlink_to(sys.prefix)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "PREFECT_", "XDG_"))}
    for variable in ("HOME", "TMPDIR", "DVC_SITE_CACHE_DIR", "PREFECT_HOME"):
        (folder / variable.lower()).mkdir()
        environ[variable] = str(folder / variable.lower())
    address = f"http://127.0.0.1:{proxies['prefect'].port}/api"
    environ |= KEYS | {"PREFECT_API_URL": address, "PREFECT_API_AUTH_STRING": AUTH}
    where = f"http://127.0.0.1:{proxies['s3'].port}"
    command = [sys.executable, "-m", "dvc", "remote", "modify", "--local", "store", "endpointurl", where]
    subprocess.run(command, cwd=clone, check=True)
    return Machine(folder, environ, proxies)


def _origin(folder: Path, source: Path) -> Path:
    """A bare repository of the source, whose DVC has the S3 as its default remote."""
    clone, origin = folder / "source", folder / "origin.git"
    subprocess.run(["git", "clone", "-q", source, clone], check=True)
    command = [sys.executable, "-m", "dvc", "remote", "add", "--force", "--default", "store", f"s3://{BUCKET}/dvc"]
    subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL)
    commit(clone, "Share data through S3")
    subprocess.run(["git", "clone", "-q", "--bare", clone, origin], check=True)
    return origin


def commit(clone: Path, message: str) -> None:
    """Commit everything in a clone."""
    git = ["git", "-c", "core.hooksPath=/dev/null", "-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost"]
    subprocess.run([*git, "add", "-A"], cwd=clone, check=True)
    subprocess.run([*git, "commit", "-qm", message], cwd=clone, check=True)


@contextmanager
def _s3() -> Iterator[str]:
    """A real S3 server on loopback, in a process of its own, with one bucket; returns its address."""
    import boto3

    port = free_port()
    command = program("moto.server", "-H", "127.0.0.1", "-p", str(port))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            address = f"http://127.0.0.1:{port}"
            boto3.client("s3", endpoint_url=address, region_name="us-east-1", **_keys()).create_bucket(Bucket=BUCKET)
            yield address
        finally:
            process.terminate()


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    """Prefect's server on loopback; returns its port. It lets the proxies' ports in, and asks for a password."""
    folder.mkdir()
    port = free_port()
    address = f"http://127.0.0.1:{port}/api"
    environ: Mapping[str, str] = os.environ | settings(address, AUTH) | {"PREFECT_HOME": str(folder)}
    command = program("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    with ExitStack() as stack:
        log = stack.enter_context((folder / "server.log").open("wb"))
        process = stack.enter_context(subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log))
        stack.callback(process.send_signal, signal.SIGINT)
        _wait_for(port)
        api, until = Api(address, AUTH), time.monotonic() + SECONDS_TO_START
        while not api.healthy():
            if time.monotonic() > until:
                sys.exit("error: Prefect's server did not start")
            time.sleep(0.2)
        yield port


def free_port() -> int:
    """A port on loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                sys.exit(f"error: nothing answers at port {port}")
            time.sleep(0.1)
