"""`python fork_client.py SOCKET NAME ARGUMENT...`: a `python`, of that name, whose process the server forks."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ask(server: str, command: Sequence[str], folder: str, environ: Mapping[str, str], files: Sequence[int]) -> int:
    """Run it there, with these files for input, output and errors; returns its exit code, negative for a signal."""
    executable, *arguments = command
    asked = {"executable": executable, "arguments": arguments, "folder": folder, "environ": dict(environ)}
    request = json.dumps(asked).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(server)
        socket.send_fds(connection, [len(request).to_bytes(4)], files)
        connection.sendall(request)
        before = {number: signal.getsignal(number) for number in PASSED_ON} if __name__ == "__main__" else {}
        for number in before:
            signal.signal(number, lambda number, _: connection.sendall(bytes([number])))
        answer = connection.recv(4, socket.MSG_WAITALL)
    return int.from_bytes(answer, signed=True) if answer else -signal.SIGKILL  # the server was killed


def main() -> None:
    """As the interpreter with these arguments would end; one that the server has no part in is that interpreter."""
    server, name, *arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-m", "-c")):
        os.execv(sys.executable, [sys.executable, *arguments])
    code = ask(server, [name, *arguments], os.getcwd(), os.environ, (0, 1, 2))  # noqa: PTH109
    if code < 0:
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
