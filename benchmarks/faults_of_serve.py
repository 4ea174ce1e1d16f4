"""Kills of what `serve` consists of, for faults.py."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

from benchmarks.faults_of_commands import Trial, descendants, gone_after, kill
from benchmarks.faults_toy import Toy, wait_until, words
from pipelines.flows.api import Api
from pixelproof.core.alive import alive

PORT = 4344
WORDS = {"server": "pipelines.flows.server", "worker": "prefect worker", "run": "prefect.engine"}
VICTIMS = (*WORDS, "serve")
STATES = ("PENDING", "RUNNING", "RUNNING")
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
SECONDS_TO_BEGIN = 180


@dataclass
class Serving:
    """`serve` in the clone, and what asks its server."""

    place: Toy
    process: psutil.Popen
    api: Api

    def ask(self) -> str:
        """Ask for a run, as its button does; returns the run's id."""
        wanted = {"deployments": {"name": {"any_": ["reproduce"]}}}
        (deployment,) = self.api.post("/deployments/filter", wanted)
        return str(self.api.post(f"/deployments/{deployment['id']}/create_flow_run", {})["id"])

    def state(self, run: str) -> str:
        """The type of a run's state; nothing while the server is away."""
        with suppress(httpx.HTTPError):
            (found,) = self.api.post("/flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
            return str(found["state_type"])
        return ""

    def slots(self) -> int:
        """How many places of the deployment's limit are taken."""
        found: list[dict[str, Any]] = self.api.post("/v2/concurrency_limits/filter", {"limit": 200})
        return sum(int(limit["active_slots"]) for limit in found)


def start(place: Toy) -> psutil.Popen:
    """Start `serve`, and wait until it works."""
    command = ["bin/pixelproof", "serve", "--port", str(PORT)]
    environ = place.environ | {"PREFECT_WORKER_QUERY_SECONDS": "2"}
    process = psutil.Popen(
        command, cwd=place.clone, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    if "Ctrl-C ends it" not in process.stdout.readline():
        raise SystemExit("error: serve did not start")
    return process


@contextmanager
def serving(place: Toy) -> Iterator[Serving]:
    """`serve` during the block; the nightly schedule stays as it is."""
    process = start(place)
    served = Serving(place, process, Api(f"http://127.0.0.1:{PORT}/api", auth(place)))
    try:
        yield served
    finally:
        served.process.terminate()
        served.process.wait(120)


def auth(place: Toy) -> str:
    """The password of the clone."""
    return (place.clone / ".pixelproof/prefect/auth").read_text().strip()


def kill_served(place: Toy, served: Serving, draw: random.Random) -> Trial:
    """Ask for a run from nothing, kill in a state of it, wait for its end, compare, and ask for another."""
    place.reset()
    victim, wanted = draw.choice(VICTIMS), draw.choice(STATES)
    moment = draw.uniform(0, 1 if wanted == "PENDING" else place.seconds)
    run = served.ask()
    wait_until(lambda: served.state(run) in (wanted, *ENDED))
    time.sleep(moment)
    state = served.state(run)
    family = descendants(served.process)
    parts = [one for one in family if WORDS.get(victim, "-") in words(one)]
    killed = kill([served.process] if victim == "serve" else parts)
    began = time.monotonic()
    doomed = [one for one in family if "prefect.engine" in words(one) or "-m stages." in words(one)]
    if victim == "serve":
        served.process.wait()
        gone = gone_after(family, began)
        served.process = start(place)
    else:
        gone = gone_after(parts, began)
    wait_until(lambda: served.state(run) in ("COMPLETED", "FAILED", "CANCELLED"))
    ended = served.state(run)
    same = ended == "COMPLETED" and place.digests() == place.written
    asked = time.monotonic()
    following = served.ask()
    wait_until(lambda: served.state(following) in ("RUNNING", *ENDED), SECONDS_TO_BEGIN)
    next_s = time.monotonic() - asked
    wait_until(lambda: served.state(following) in ENDED)
    left = sum(map(alive, doomed))
    said = "" if ended == "COMPLETED" else f"the run is {ended or 'unknown'}"
    shown = victim if killed else f"{victim} (none)"
    return Trial(shown, moment, state or "-", same, left, gone, served.slots(), next_s, said)
