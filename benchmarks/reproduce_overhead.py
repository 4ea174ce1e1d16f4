"""What `bin/pixelproof reproduce` costs when there is nothing to do, against a Prefect flow of empty tasks.

    python benchmarks/reproduce_overhead.py [--rounds N] [--server]

Run it in a clone where `dvc repro` has been run. Both are whole commands, run in turn after a warm-up round for file
caches, DVC's state and Prefect's database; medians are compared. With `--server` both use one Prefect server that is
already up; without, the flow starts a temporary one, as on a machine with nothing running. `reproduce` starts neither
Prefect nor a server if there is nothing to do: it asks DVC.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import print_table
from pipelines.dvc.graph import open_repo, read_graph
from pipelines.flows.api import Api
from pipelines.flows.serve import wait_until_healthy

EMPTY_FLOW = """\
import sys
from prefect import flow, task

@task
def empty(): ...

@flow
def nothing(count: int):
    for future in [empty.submit() for _ in range(count)]:
        future.wait()

nothing(int(sys.argv[1]))
"""


def seconds(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """How long a command takes, and its output."""
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return took, done.stderr


@contextmanager
def prefect_server(environment: dict[str, str], port: int) -> Iterator[None]:
    """A Prefect server on loopback during the block."""
    prefect = str(Path(sys.executable).with_name("prefect"))
    command = [prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_healthy(Api(f"http://127.0.0.1:{port}/api", ""), "server", server)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def measure(rounds: int, environment: dict[str, str], scratch: Path) -> float:
    """Print both medians, and return their ratio."""
    with open_repo() as repo:
        count = len(read_graph(repo).order)
    (scratch / "empty_flow.py").write_text(EMPTY_FLOW)
    ours = [sys.executable, "-m", "commands", "reproduce"]
    peer = [sys.executable, str(scratch / "empty_flow.py"), str(count)]
    commands = {f"`bin/pixelproof reproduce`, {count} stages": ours, f"a flow of {count} empty tasks": peer}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            took, said = seconds(command, environment)
            if command is ours and f"0 ran, 0 restored, {count} skipped" not in said:
                sys.exit(f"there was something to do; run `dvc repro` first:\n{said}")
            if number:  # the first round is the warm-up
                times[name].append(took)
    rows = [[name, f"{statistics.median(took):.2f} s", f"{max(took):.2f} s"] for name, took in times.items()]
    print_table(f"Nothing to do, {rounds} runs", ["command", "median", "slowest"], rows)
    reproduce, empty = (statistics.median(took) for took in times.values())
    return reproduce / empty


def main() -> None:
    """Measure and compare with the target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds; default 5")
    parser.add_argument("--server", action="store_true", help="both use a server that is already up")
    parser.add_argument("--port", type=int, default=4299, help="that server's port; default 4299")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PREFECT_HOME": f"{folder}/prefect", "PYTHONPATH": str(Path.cwd())}
        environment["PREFECT_SERVER_EPHEMERAL_ENABLED"] = (
            "true"  # for the empty flow; in a clone no server starts by itself
        )
        if arguments.server:
            with prefect_server(environment, arguments.port):
                api = {"PREFECT_API_URL": f"http://127.0.0.1:{arguments.port}/api"}
                ratio = measure(arguments.rounds, environment | api, Path(folder))
        else:
            ratio = measure(arguments.rounds, environment, Path(folder))
    print(f"ratio {ratio:.2f} (target: at most 1.50)")


if __name__ == "__main__":
    main()
