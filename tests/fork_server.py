"""`python fork_server.py SOCKET OWNER MODULE...`: for each request it forks a Python in which the modules are imported.

A request is what a new process would get: arguments, folder, environment, and the files for input, output and errors.
Each byte after it is a signal for the process; it is killed where the one who asked is gone. The answer is its exit
code, negative for a signal. The server ends with the process that owns it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import multiprocessing.util
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

SECONDS = 1.0  # between two looks at the owner


@dataclass
class Server:
    """The socket that it answers on, and the connections of the processes that run."""

    listening: socket.socket
    running: dict[int, socket.socket] = field(default_factory=dict)
    waking: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def serve(self, owner: int) -> dict[str, Any] | None:
        """Answer requests as long as the owner lives; returns, in a process forked for one, what that is to run."""
        woken, waker = self.waking
        for one in self.waking:
            one.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # else the end of a process wakes nobody
        self.selector.register(woken, selectors.EVENT_READ)
        self.selector.register(self.listening, selectors.EVENT_READ)
        while alive(owner):
            for key, _ in self.selector.select(SECONDS):
                if key.fileobj is woken:
                    woken.recv(4096)
                elif key.data is not None:
                    self.pass_on(key.data)
                elif (request := self.start()) is not None:
                    return request
            self.answer()
        return None

    def start(self) -> dict[str, Any] | None:
        """Fork a process for a request; returns what it is to run in that process alone."""
        connection, _ = self.listening.accept()
        length, files, *_ = socket.recv_fds(connection, 4, 3)
        request: dict[str, Any] = json.loads(connection.recv(int.from_bytes(length), socket.MSG_WAITALL))
        if (process := os.fork()) == 0:
            self.leave(connection)
            for number, file in enumerate(files):
                os.dup2(file, number)
        for file in files:
            os.close(file)
        if process == 0:
            return request
        self.running[process] = connection
        self.selector.register(connection, selectors.EVENT_READ, process)
        return None

    def leave(self, connection: socket.socket) -> None:
        """In a new process: close what is the server's, and what others wait with."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for one in (self.listening, *self.waking, connection, *self.running.values()):
            one.close()

    def pass_on(self, process: int) -> None:
        """Send a process the signals that came for it, and an end where nobody waits for it any more."""
        with suppress(OSError):
            if numbers := self.running[process].recv(64):
                for number in numbers:
                    os.kill(process, number)
                return
        self.selector.unregister(self.running[process])
        os.kill(process, signal.SIGKILL)

    def answer(self) -> None:
        """Tell the exit codes of the processes that have ended."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                connection = self.running.pop(ended[0])
                with suppress(KeyError):  # nobody waits for it
                    self.selector.unregister(connection)
                with suppress(OSError):
                    connection.sendall(os.waitstatus_to_exitcode(ended[1]).to_bytes(4, signed=True))
                connection.close()


def alive(process: int) -> bool:
    """Whether there is a process of this number."""
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def run(executable: str, arguments: list[str], folder: str, environ: dict[str, str]) -> int:
    """What an interpreter does with `-m MODULE ...`, `-c PROGRAM ...` or `FILE ...`; returns its exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.executable = executable  # what it starts by this name is forked as well; processes of `multiprocessing` are not
    sys.orig_argv = [executable, *arguments]
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    tempfile.tempdir = None  # to be looked up again
    if environ.get("PYTHONUNBUFFERED") and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(write_through=True)
    first = folder if arguments[0] in ("-m", "-c") else str(Path(arguments[0]).parent)
    sys.path[:0] = [first, *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        elif arguments[0] == "-c":
            sys.argv = ["-c", *arguments[2:]]
            sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(arguments[1], "<string>", "exec"), sys.modules["__main__"].__dict__)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ended:
        return exit_code(ended)
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def exit_code(ended: SystemExit) -> int:
    """Of `sys.exit()` with nothing, a number, or anything else, which is said."""
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    print(ended.code, file=sys.stderr)
    return 1


def end(code: int) -> None:
    """End the process as an interpreter does, but for what was imported before."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for the other threads
        atexit._run_exitfuncs()
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        if code < 0:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code & 0xFF)


def main() -> None:
    """Import, then serve."""
    path, owner, modules = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    del sys.path[0]  # the folder of this file
    for module in modules:
        importlib.import_module(module)
    atexit._clear()
    gc.collect()
    gc.freeze()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path.with_suffix(".new")))
    listening.listen(64)
    path.with_suffix(".new").rename(path)
    request = Server(listening).serve(owner)
    if request is None:
        shutil.rmtree(path.parents[1], ignore_errors=True)  # also what other servers of the run have there
    else:
        end(run(**request))


if __name__ == "__main__":
    main()
