"""Shows in Prefect that a machine is alive, and how far its stage is: an artifact of the run, brought up to date."""

from __future__ import annotations

import re
import threading
from types import TracebackType
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

SECONDS = 10
COUNT = re.compile(r"\b(\d+)/(\d+)\b")  # in a line of progress


class Beat:
    """Signs of life during a block.

    Args:
        run: of Prefect.
        key: of the artifact.
        stage: what runs.
    """

    def __init__(self, run: UUID, key: str, stage: str) -> None:
        self.stage, self.line, self.count = stage, "", 0
        self.made = ArtifactCreate(key=key, type="progress", flow_run_id=run, data=0.0, description=self.words())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="beat", daemon=True)

    def __enter__(self) -> Beat:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def note(self, line: str) -> None:
        """The stage has said this."""
        self.line = line

    def words(self) -> str:
        """What the artifact says."""
        return f"{self.stage}: {self.line or 'begun'} (sign of life {self.count})"

    def _beat(self) -> None:
        with get_client(sync_client=True) as client:
            artifact = None
            while not self._ended.wait(SECONDS if self.count else 0):
                self.count += 1
                try:
                    if artifact is None:
                        artifact = client.create_artifact(self.made).id
                    client.update_artifact(artifact, ArtifactUpdate(data=done(self.line), description=self.words()))
                except Exception:  # the network is away for a while: the next may arrive
                    continue


def done(line: str) -> float:
    """How much of a stage is done, in percent, as a line of its progress says.

    Args:
        line: what it said last.

    Example:
        >>> done("unet: iteration 300/900, 1:20 left")
        33.3
        >>> done("begun")
        0.0
    """
    found = COUNT.search(line)
    if found is None or not 0 < int(found[2]) >= int(found[1]):
        return 0.0
    return round(100 * int(found[1]) / int(found[2]), 1)
