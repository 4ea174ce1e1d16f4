"""`reproduce` in this process: on the server that Prefect's settings name, or without any on one of its own.

Prefect would start one that asks for no password and answers any web page. Ours is guarded like that of `serve`, has
its home in the clone, and ends with this process, even if that is killed. Prefect is imported late: it reads its
settings, and makes its home, when it is imported.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pipelines.dvc.due import due
from pipelines.flows.api import Api
from pipelines.flows.serve import ADDRESS, HOME, password, service, settings, wait_until_healthy
from pipelines.flows.server import HOST
from pipelines.processes import Command, program
from pixelproof.core.errors import PixelproofError, StateError

SERVER = "temporary-server"
USERS = ("PREFECT_HOME", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH")  # where a user's own settings are
ITS_OWN = {"PREFECT__SERVER_EPHEMERAL": "1"}  # as of Prefect's own temporary server: no page, nothing for schedules


def run(targets: Sequence[str], jobs: int, on: str | None = None) -> bool:
    """Run the flow in this process; True if every stage is up to date at the end.

    Prefect takes seconds to start, and so is only started if there is something to run.

    Args:
        targets: stages; none means all of dvc.yaml.
        jobs: how many at once.
        on: the work pool whose machines run them; None means this one.
    """
    if on is None and not (found := due(targets)).changed:
        print(f"0 ran, 0 restored, {len(found.graph.order)} skipped", file=sys.stderr)
        return True
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
    if on is not None:
        use_server()
    elif not has_server():
        start_server()
    from pipelines.flows.reproduce import NOT_STARTED, reproduce

    state = reproduce(jobs=jobs, targets=list(targets), on=on, return_state=True)
    if state.name == NOT_STARTED:
        raise PixelproofError(str(state.message))
    print(state.message if state.is_completed() else f"error: {state.message}", file=sys.stderr)
    return bool(state.is_completed())


def use_server() -> None:
    """Let this process, and what it starts, use the server that Prefect's settings name, or this clone's `serve`.

    Raises:
        StateError: there is neither.
    """
    if has_server():
        return
    address = ADDRESS.read_text(encoding="utf-8") if ADDRESS.is_file() else ""
    if not address or not Api(address, password()).healthy():
        fix = "set PREFECT_API_URL to the server that the machines share, or run `bin/pixelproof serve` in this clone"
        raise StateError("Prefect", "no server is named, and none is served in this clone", fix)
    replace(settings(address, password()))
    reread()


def has_server() -> bool:
    """Whether the user's settings of Prefect (environment, files, profile) name a server."""
    if os.environ.get("PREFECT_API_URL"):
        return True
    theirs = {name: os.environ[name] for name in USERS if name in os.environ}
    home = Path(theirs.get("PREFECT_HOME") or "~/.prefect").expanduser()
    os.environ.setdefault("PREFECT_PROFILES_PATH", str(home / "profiles.toml"))
    password()  # makes our home, which only its owner may enter
    os.environ["PREFECT_HOME"] = str(HOME.resolve())  # otherwise Prefect makes theirs when it is imported
    try:
        from prefect.settings import get_current_settings

        named = get_current_settings().api.url is not None
    finally:
        replace(theirs)
    if named:
        reread()
    return named


def replace(variables: dict[str, str]) -> None:
    """Put these variables into the environment, in place of the user's or ours."""
    for name in USERS:
        os.environ.pop(name, None)
    os.environ.update(variables)


def reread() -> None:
    """Let Prefect, already imported here, read its settings again."""
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()


def start_server() -> None:
    """Start a server that is guarded as that of `serve` is, and let Prefect in this process use it until the end."""
    with socket.create_server((HOST, 0)) as listening:  # passed on open: nobody else can take the port in between
        api = f"http://{HOST}:{listening.getsockname()[1]}/api"
        replace(settings(api, password()))
        number = listening.fileno()
        start = program("pipelines.flows.server", "--socket", str(number))
        command = Command(start, environment=os.environ | ITS_OWN, files=[number])
        stack = ExitStack()
        atexit.register(stack.close)  # registered before Prefect's own, so called after it has sent its last events
        server = stack.enter_context(service(SERVER, command))
    reread()
    logging.getLogger("prefect.flow_runs").addFilter(lambda record: not record.getMessage().startswith("View at "))
    wait_until_healthy(Api(api, password()), SERVER, server)
