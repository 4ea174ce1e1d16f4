"""What can go wrong with the CVAT of cvat_server.py: faults for `CvatServer.fail`."""

from __future__ import annotations

import time
from typing import Any

from tests.cvat_server import Fault, Handler


def status(code: int, retry_after: str | None = None, body: Any = None, raw: bytes = b"") -> Fault:
    """Answer with a status, and with JSON or raw bytes."""

    def fault(handler: Handler) -> bool:
        if raw:
            handler.bytes(raw, code)
            return True
        handler.json(body or {"detail": "as planned"}, code, **({"Retry-After": retry_after} if retry_after else {}))
        return True

    return fault


def hang_up(handler: Handler) -> bool:
    """Close the connection without a word."""
    handler.close_connection = True
    handler.connection.shutdown(2)
    return True


def cut(after: int) -> Fault:
    """Send so many bytes of a body, then break the connection."""

    def fault(handler: Handler) -> bool:
        write, sent = handler.wfile.write, [0]

        def some(content: Any) -> int:
            if content.startswith(b"HTTP/"):
                return write(content)
            sent[0] += write(content[: max(0, after - sent[0])])
            handler.wfile.flush()
            handler.connection.shutdown(2)
            raise ConnectionError

        handler.wfile.write = some  # type: ignore[method-assign]
        return False

    return fault


def redirect(target: str) -> Fault:
    """Send the client elsewhere."""

    def fault(handler: Handler) -> bool:
        handler.bytes(b"", 302, Location=target)
        return True

    return fault


def stall(seconds: float) -> Fault:
    """Say nothing for a while, then answer."""

    def fault(handler: Handler) -> bool:
        time.sleep(seconds)
        return False

    return fault
