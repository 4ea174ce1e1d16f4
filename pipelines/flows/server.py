"""Prefect's server for this machine's own programs and its own page; `python -m pipelines.flows.server --port 4200`.

With `--socket FILE --parent PID` it serves `reproduce`, on a socket that this has opened, and ends when this has ended.

A web page from anywhere can send requests to a port on loopback, and a name of its own that resolves to 127.0.0.1 even
lets it read the answers (DNS rebinding). Prefect allows any origin and any host by default, so such a page could create
a deployment whose command the worker then runs. Requests that name another host, or come from another site's page, are
refused here before Prefect sees them; the password that it asks for is in its environment, put there by its parent.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
SECONDS_TO_END = 5
POLICY_VIOLATION = 1008  # RFC 6455: why a WebSocket is closed

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class OwnPageOnly:
    """An ASGI application that passes on only requests to this machine by its own name, from no page but its own."""

    app: App
    port: int

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or open one WebSocket."""
        if scope["type"] not in ("http", "websocket") or self.allows(dict(scope["headers"])):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"only this machine's own page and programs\n"})

    def allows(self, headers: dict[bytes, bytes]) -> bool:
        """Whether a request names this server as its host and, if it names an origin, its page as that."""
        hosts = {f"{name}:{self.port}" for name in (HOST, "localhost")}
        origin = headers.get(b"origin")
        if headers.get(b"host", b"").decode("latin-1") not in hosts:
            return False
        return origin is None or origin.decode("latin-1") in {f"http://{host}" for host in hosts}


def main() -> None:
    """Serve until a signal ends it."""
    import uvicorn
    from prefect.server.api.server import create_app

    parser = argparse.ArgumentParser(prog="python -m pipelines.flows.server", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int, help=f"on {HOST}")
    where.add_argument("--socket", type=int, help="a listening socket that was inherited: its number")
    parser.add_argument("--parent", type=int, help="the process that started this; without it the server ends")
    given = parser.parse_args()
    if given.parent is not None:
        threading.Thread(target=end_with, args=[given.parent], daemon=True).start()
    if given.socket is None:
        uvicorn.run(OwnPageOnly(create_app(final=True), given.port), host=HOST, port=given.port)
    else:
        listening = socket.socket(fileno=given.socket)
        app = OwnPageOnly(create_app(final=True), listening.getsockname()[1])
        uvicorn.Server(uvicorn.Config(app, lifespan="on", log_level="warning")).run([listening])


def end_with(parent: int) -> None:
    """End this process when its parent has ended, killed or not: this then has another parent."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_END)  # for open connections, which uvicorn waits for
    os._exit(1)


if __name__ == "__main__":
    main()
