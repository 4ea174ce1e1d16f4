"""Prefect's server for this machine's own programs and its own page; `python -m pipelines.flows.server --port 4200`.

With `--socket FILE` it serves `reproduce`, on a socket that this has opened.

A web page from anywhere can send requests to a port on loopback, and a name of its own that resolves to 127.0.0.1 even
lets it read the answers (DNS rebinding). Prefect allows any origin and any host by default, so such a page could create
a deployment whose command the worker then runs. Requests that name another host, or come from another site's page, are
refused here before Prefect sees them; the password that it asks for is in its environment, put there by its parent.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
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
    given = parser.parse_args()
    if given.socket is None:
        uvicorn.run(OwnPageOnly(create_app(final=True), given.port), host=HOST, port=given.port)
    else:
        listening = socket.socket(fileno=given.socket)
        app = OwnPageOnly(create_app(final=True), listening.getsockname()[1])
        uvicorn.Server(uvicorn.Config(app, lifespan="on", log_level="warning")).run([listening])


if __name__ == "__main__":
    main()
