"""`python follow.py PID MODULE ...`: a module's program, which ends soon after the process with this number.

So nothing that we start outlives us if we are killed: DVC, Prefect's server and worker, and what these start. It is
named by its path, because it also runs in folders of other commits.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Follow the process, and become the program, as `python -m` would run it."""
    _, pid, *program = sys.argv
    sys.path[0] = str(ROOT)
    from pixelproof.core.alive import follow

    follow(int(pid))
    sys.path[0] = str(Path.cwd())
    sys.argv = program
    runpy.run_module(program[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
