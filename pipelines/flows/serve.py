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
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from pipelines.flows.server import HOST
from pipelines.processes import SECONDS_TO_END, Command, run, running
from pixelproof.core.errors import StateError

HOME = Path(".pixelproof/prefect")  # Prefect's database, settings and logs of this clone; delete it to start afresh
PASSWORD = HOME / "auth"  # `user:password`, as Prefect's settings want it
POOL = "pixelproof"
SECONDS_TO_START = 120


def serve(port: int) -> None:
    """Serve until Ctrl-C or SIGTERM; it is an error if the server or the worker ends by itself."""
    if not Path("prefect.yaml").is_file():
        raise StateError("prefect.yaml", "no such file", "run this in the folder of the clone")
    check_free(port)
    api = f"http://{HOST}:{port}/api"
    environment = os.environ | settings(api, password())
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        start = [sys.executable, "-m", "pipelines.flows.server", "--port", str(port)]
        server = stack.enter_context(service("server", Command(start, environment=environment)))
        wait_until_healthy(api, "server", server)
        prefect(environment, "work-pool", "create", POOL, "--type", "process", "--overwrite")
        prefect(environment, "--no-prompt", "deploy", "--all")
        start = [executable(), "worker", "start", "--pool", POOL]
        worker = stack.enter_context(service("worker", Command(start, environment=environment)))
        print(
            f"Prefect: http://{HOST}:{port} (password: the line in {PASSWORD}; logs in {HOME}; Ctrl-C ends it)",
            flush=True,
        )
        there = f'PREFECT_API_URL={api} PREFECT_API_AUTH_STRING="$(cat {PASSWORD})"'
        print(f"runs started elsewhere show there too: {there} bin/pixelproof reproduce", flush=True)
        while True:
            for name, process in (("server", server), ("worker", worker)):
                if process.poll() is not None:
                    raise ended(name, process)
            time.sleep(0.5)
    print("ended", flush=True)


def password() -> str:
    """The password of this clone, made when it is first asked for; nobody else may read it, or Prefect's database."""
    HOME.mkdir(parents=True, exist_ok=True)
    HOME.chmod(0o700)
    with (
        suppress(FileExistsError),
        os.fdopen(os.open(PASSWORD, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file,
    ):
        file.write(f"pixelproof:{secrets.token_urlsafe(32)}\n")
    PASSWORD.chmod(0o600)
    found = PASSWORD.read_text(encoding="utf-8").strip()
    if not all(found.partition(":")):
        raise StateError(str(PASSWORD), "expected a line `user:password`", "delete the file: another is made")
    return found


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


def _interrupt(number: int, frame: FrameType | None) -> None:
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
def service(name: str, command: Command) -> Iterator[subprocess.Popen[bytes]]:
    """Prefect's server or worker during the block, its output in a log file."""
    with (HOME / f"{name}.log").open("wb") as log, running(command, log) as process:
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


def wait_until_healthy(api: str, name: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers."""
    import httpx

    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        if server.poll() is not None:
            raise ended(name, server)
        with suppress(httpx.HTTPError):
            if httpx.get(f"{api}/health", timeout=5, trust_env=False).is_success:
                return
        time.sleep(0.2)
    raise StateError("Prefect's server", f"no answer in {SECONDS_TO_START} s", f"see {HOME / f'{name}.log'}")


def prefect(environment: dict[str, str], *arguments: str) -> None:
    """Run a Prefect command; its output is shown only if it fails."""
    code, lines = run(Command([executable(), *arguments], environment=environment))
    if code:
        found = f"exit code {code} ({' '.join(lines)})"
        raise StateError(f"prefect {' '.join(arguments)}", found, "fix it and try again")


def ended(name: str, process: subprocess.Popen[bytes]) -> StateError:
    """The error for a process that should have kept running."""
    found = f"ended by itself with exit code {process.returncode}"
    return StateError(f"Prefect's {name}", found, f"see {HOME / f'{name}.log'}")


def executable() -> str:
    """Prefect's command beside this Python, even if the environment is not activated."""
    return str(Path(sys.executable).with_name("prefect"))
