"""A TCP proxy on loopback that counts bytes and can be cut, as a network can."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

BYTES = 1 << 16


class Proxy:
    """Passes connections on to a port of this machine.

    Args:
        to: the port.
    """

    def __init__(self, to: int) -> None:
        self.to, self.received, self.sent, self.is_cut = to, 0, 0, False
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        self.is_cut = True
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Pass connections on again."""
        self.is_cut = False

    def close(self) -> None:
        """End it."""
        self.cut()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.is_cut:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                client.close()
                continue
            self._open |= {client, server}
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, down: bool) -> None:
        with suppress(OSError):
            while content := source.recv(BYTES):
                if self.is_cut:
                    break
                to.sendall(content)
                if down:
                    self.received += len(content)
                else:
                    self.sent += len(content)
        for each in (source, to):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
            self._open.discard(each)
