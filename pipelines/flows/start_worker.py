"""`python -m pipelines.flows.start_worker POOL LIMIT`: a worker of Prefect whose stages run in spare processes.

It is small because Python imports it again in each of those: Prefect would take them seconds.
"""

from __future__ import annotations

import asyncio
import sys

from pipelines.machines.spare import context


def main() -> None:
    """Work until a signal."""
    _, pool, limit = sys.argv
    context()
    from pipelines.flows.worker import StageWorker

    asyncio.run(StageWorker(work_pool_name=pool, limit=int(limit)).start())


if __name__ == "__main__":
    main()
