"""What `serve` asks of its own server. Prefect's client would take seconds to import, and much memory for hours."""

from __future__ import annotations

import time
from typing import Any

import httpx

CLIENT = "serve"
SECONDS = 60  # as long as a locked database may take
PAUSE = 0.5


class Api:
    """Requests to Prefect's server, with the password and against forged ones the token that it asks for.

    Args:
        address: the address of its API.
        auth: `user:password`.
    """

    def __init__(self, address: str, auth: str) -> None:
        self.address = address
        user, _, password = auth.partition(":")
        self.client = httpx.Client(base_url=address, auth=(user, password), timeout=SECONDS, trust_env=False)

    def healthy(self) -> bool:
        """Whether the server answers."""
        try:
            return self.client.get("/health", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def runs(self, **wanted: Any) -> list[dict[str, Any]]:
        """The runs of deployments, which a worker of ours starts, that match one of Prefect's filters."""
        found: list[dict[str, Any]] = self.post("/flow_runs/filter", {"flow_runs": wanted, "limit": 200})
        return [run for run in found if run["deployment_id"]]

    def set_state(self, run: str, kind: str, name: str, message: str) -> None:
        """Put a run into a state, whatever state it is in."""
        state = {"type": kind, "name": name, "message": message}
        self.post(f"/flow_runs/{run}/set_state", {"state": state, "force": True})

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The server's answer; like Prefect's own client, this asks again while the database is locked."""
        token = self.client.get("/csrf-token", params={"client": CLIENT}).raise_for_status().json()["token"]
        headers = {"Prefect-Csrf-Client": CLIENT, "Prefect-Csrf-Token": token}
        until = time.monotonic() + SECONDS
        while True:
            answer = self.client.post(path, json=body, headers=headers)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > until:
                return answer.raise_for_status().json()
            time.sleep(PAUSE)
