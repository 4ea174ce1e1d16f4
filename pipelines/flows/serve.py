"""`serve`: Prefect's server, a work pool, a worker and the schedule of prefect.yaml, on loopback and in this clone.

The server asks for a password, made once for this clone and readable by its owner only: other users of the machine, and
pages in its browsers, can reach loopback too.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx

from pipelines.flows.api import Api
from pipelines.flows.left import SERVED, Runs, end_left, mark
from pipelines.flows.lives import again_and_again
from pipelines.flows.server import HOST
from pipelines.machines.perform import CLONE
from pipelines.processes import SECONDS_TO_END, Command, program, run, running
from pixelproof.core.errors import StateError
from pixelproof.core.files import naming, write_text

HOME = Path(".pixelproof/prefect")  # Prefect's database, settings and logs of this clone; delete it to start afresh
PASSWORD = HOME / "auth"  # `user:password`, as Prefect's settings want it
ADDRESS = HOME / "address"  # of the server, while `serve` is at work
POOL = "pixelproof"
SECONDS_TO_START = 120
SECONDS_BETWEEN_LOOKS = 5


@dataclass
class Served:
    """What is served where: the address of the API, the environment of all processes, and runs that must go on."""

    port: int
    api: Api
    environment: dict[str, str]
    runs: Runs

    def once(self, first: bool) -> StateError:
        """Serve until the server or the worker ends by itself, end the other, and say which it was."""
        with ExitStack() as stack:
            start = program("pipelines.flows.server", "--port", str(self.port))
            server = stack.enter_context(service("server", Command(start, environment=self.environment), not first))
            wait_until_healthy(self.api, "server", server)
            if first:
                prefect(self.environment, "work-pool", "create", POOL, "--type", "process", "--overwrite")
                prefect(self.environment, "--no-prompt", "deploy", "--all")
            try:
                self.runs.mend_all()
            except httpx.HTTPError as error:
                raise StateError(
                    "Prefect's server", f"gave no answer ({error})", f"see {HOME / 'server.log'}"
                ) from None
            start = program("prefect", "worker", "start", "--pool", POOL)
            worker = stack.enter_context(service("worker", Command(start, environment=self.environment), not first))
            if first:
                write_text(ADDRESS, self.api.address)
                self.tell()
            return self.watch({"server": server, "worker": worker})

    def watch(self, processes: dict[str, subprocess.Popen[bytes]]) -> StateError:
        """Wait until one of them has ended; runs that were killed are started again."""
        looked = time.monotonic()
        while True:
            for name, process in processes.items():
                if process.poll() is not None:
                    return ended(name, process)
            time.sleep(0.5)
            if time.monotonic() > looked + SECONDS_BETWEEN_LOOKS:
                with suppress(httpx.HTTPError):
                    self.runs.mend_crashed()
                looked = time.monotonic()

    def tell(self) -> None:
        """Say where it is."""
        at = f"http://{HOST}:{self.port}"
        print(f"Prefect: {at} (password: the line in {PASSWORD}; logs in {HOME}; Ctrl-C ends it)", flush=True)
        there = f'PREFECT_API_URL={at}/api PREFECT_API_AUTH_STRING="$(cat {PASSWORD})"'
        print(f"runs started elsewhere show there too: {there} bin/pixelproof reproduce", flush=True)


def serve(port: int) -> None:
    """Serve until Ctrl-C or SIGTERM; a server or a worker that is killed is started again.

    Raises:
        StateError: it cannot start, or ends again and again.
    """
    if not Path("prefect.yaml").is_file():
        raise StateError("prefect.yaml", "no such file", "run this in the folder of the clone")
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
    with suppress(KeyboardInterrupt):
        end_left()
        check_free(port)
        address, auth = f"http://{HOST}:{port}/api", password()
        api = Api(address, auth)
        served = Served(
            port, api, os.environ | settings(address, auth) | {SERVED: mark(), CLONE: str(Path.cwd())}, Runs(api)
        )
        try:
            again_and_again("serve", served.once)
        finally:
            ADDRESS.unlink(missing_ok=True)
    print("ended", flush=True)


def password() -> str:
    """The password of this clone, made when it is first asked for; nobody else may read it, or Prefect's database."""
    HOME.mkdir(parents=True, exist_ok=True)
    HOME.chmod(0o700)
    if not PASSWORD.exists():
        write_secret(PASSWORD, f"pixelproof:{secrets.token_urlsafe(32)}\n")
    PASSWORD.chmod(0o600)
    found = PASSWORD.read_text(encoding="utf-8").strip()
    if not all(found.partition(":")):
        raise StateError(str(PASSWORD), "expected a line `user:password`", "delete the file: another is made")
    return found


def write_secret(path: Path, text: str) -> None:
    """Write a new file, whole or not at all, that only its owner can read; one that is there by now stays."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with naming(path), os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        try:
            path.hardlink_to(beside)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def settings(api: str, auth: str) -> dict[str, str]:
    """Prefect's settings for its server and for those that call it."""
    return {
        "PREFECT_HOME": str(HOME.resolve()),
        "PREFECT_API_URL": api,
        "PREFECT_API_AUTH_STRING": auth,
        "PREFECT_SERVER_API_AUTH_STRING": auth,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": api.removesuffix("/api"),
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    }


def interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends everything as Ctrl-C does; a second one is ignored."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def check_free(port: int) -> None:
    """Refuse a port in use: another server there would be mistaken for ours."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise StateError(f"{HOST}:{port}", f"cannot be served ({error})", "give another with --port") from None


@contextmanager
def service(name: str, command: Command, again: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Prefect's server or worker during the block; its output goes to a log file, started again to the end of that."""
    with (HOME / f"{name}.log").open("ab" if again else "wb") as log, running(command, log) as process:
        try:
            yield process
        finally:
            end_runs(process)


def end_runs(worker: subprocess.Popen[bytes]) -> None:
    """Interrupt a worker's runs first: when it ends it kills them, and they could not end their stages."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        for one in psutil.Process(worker.pid).children():
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGINT)
            psutil.wait_procs([one], SECONDS_TO_END)


def wait_until_healthy(api: Api, name: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        if server.poll() is not None:
            raise ended(name, server)
        if api.healthy():
            return
        time.sleep(0.2)
    raise StateError("Prefect's server", f"no answer in {SECONDS_TO_START} s", f"see {HOME / f'{name}.log'}")


def prefect(environment: dict[str, str], *arguments: str) -> None:
    """Run a Prefect command; its output is shown only if it fails."""
    code, lines = run(Command(program("prefect", *arguments), environment=environment))
    if code:
        found = f"exit code {code} ({' '.join(lines)})"
        raise StateError(f"prefect {' '.join(arguments)}", found, "fix it and try again")


def ended(name: str, process: subprocess.Popen[bytes]) -> StateError:
    """The error for a process that should have kept running."""
    found = f"ended by itself with exit code {process.returncode}"
    return StateError(f"Prefect's {name}", found, f"see {HOME / f'{name}.log'}")
