"""What the tests of `retrain` share: a clone whose labels came from a CVAT server, with an origin and a remote."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.cvat_server import TOKEN, CvatServer, Job, Task
from tests.workspace import Workspace, make_workspace

SIDE = 64
BUCKET = "pixelproof"
KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
# The real `gh` speaks to GitHub alone, by https.
GH = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "asked").open("a") as file:
    print(*sys.argv[1:], file=file)
if sys.argv[2] == "create":
    (folder / "opened").touch()
    (folder / "text").write_text(pathlib.Path(sys.argv[sys.argv.index("--body-file") + 1]).read_text())
print(json.dumps([{{"url": "https://example.org/pull/1"}}] if (folder / "opened").exists() else []))
"""
LABELS = [{"id": 1, "name": "car"}]


@dataclass(frozen=True)
class Labelled:
    """A clone, the server that its labels came from, and what it shares with others."""

    workspace: Workspace
    server: CvatServer
    origin: Path

    def git(self, *arguments: str) -> str:
        """What git prints in the clone."""
        return self.workspace.run("git", *arguments).strip()

    def branches(self) -> list[str]:
        """Those of the origin, but main."""
        listed = self.workspace.run("git", "ls-remote", "--heads", "origin").split("\n")
        names = [line.partition("refs/heads/")[2] for line in listed if line]
        return [name for name in names if name != "main"]


@contextmanager
def bucket() -> Iterator[str]:
    """The address of an S3 server with a bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client: Any = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **KEYS)
    client.create_bucket(Bucket=BUCKET)
    yield f"http://{host}:{port}"
    server.stop()


def gh(folder: Path) -> dict[str, str]:
    """An environment with GitHub's command, which notes what it is asked, and opens one pull request."""
    program = folder / "bin/gh"
    program.parent.mkdir()
    program.write_text(GH.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    return {"GH_TOKEN": "secret", "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


def photograph(seed: int) -> bytes:
    """Noise with a dark square where the car is drawn."""
    pixels = np.random.default_rng(seed).integers(128, 256, (SIDE, SIDE, 3), np.uint8)
    pixels[8:40, 8:40] //= 4
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def car(left: int = 8) -> str:
    """The square as CVAT writes it."""
    points = f"{left}.00,8.00;40.00,8.00;40.00,40.00;{left}.00,40.00"
    return (
        f'    <polygon label="car" source="manual" occluded="0" points="{points}" z_order="0">\n'
        '      <attribute name="note">x</attribute>\n    </polygon>\n'
    )


def flight(number: int, state: str = "completed") -> Task:
    """A task of two frames."""
    frames = {f"flight-{number}/{each}.png": photograph(10 * number + each) for each in range(2)}
    drawn = dict.fromkeys(range(2), car())
    return Task(number, frames, [Job(0, 1, state)], 5, (SIDE, SIDE), LABELS, drawn=drawn)


def labelled(base: Path, server: CvatServer, s3: str) -> Labelled:
    """Eight flights pulled, trained on, committed and pushed."""
    workspace = make_workspace(base).forked()
    told = {"CVAT_HOST": server.url, "CVAT_ACCESS_TOKEN": TOKEN}
    told |= {name.upper(): value for name, value in KEYS.items()} | {"AWS_DEFAULT_REGION": "us-east-1"}
    told |= {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    workspace = replace(workspace, env=workspace.env | told)
    server.tasks |= {number: flight(number) for number in range(1, 9)}
    workspace.run("bin/pixelproof", "cvat", "pull", "--project", "5")
    workspace.set_params(
        architectures=["unet"], prepare__sources=["cvat"], prepare__map={},
        prepare__shape__width=SIDE, prepare__shape__height=SIDE, augment__copies=0, measure__landing__safe=[],
        train__iterations=4, train__batch=2, train__val_interval=2, train__checkpoint_interval=2,
    )  # fmt: skip
    origin = base / "origin.git"
    workspace.dvc("remote", "add", "--default", "store", f"s3://{BUCKET}/dvc")
    workspace.dvc("remote", "modify", "store", "endpointurl", s3)
    workspace.dvc("repro")
    workspace.dvc("push")
    workspace.run("git", "add", "-A")
    workspace.run("git", "commit", "-qm", "Labels of eight flights")
    workspace.run("git", "clone", "-q", "--bare", ".", str(origin))
    workspace.run("git", "remote", "add", "origin", str(origin))
    workspace.run("git", "fetch", "-q", "origin")
    # Processes that begin where imports have ended inherit no open files, which Prefect's temporary server needs.
    workspace = replace(workspace, env=workspace.env | {"PIXELPROOF_PYTHON": sys.executable})
    return Labelled(workspace, server, origin)
