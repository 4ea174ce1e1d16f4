"""What CI runs where the DVC remote is a private bucket: a real S3 on this machine, with and without credentials."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pipelines.compare.compared import History
from tests.pipelines.conftest import ROOT, sh

pytestmark = [pytest.mark.slow, pytest.mark.promise]  # the repository takes a while to build
BUCKET, REGION = "pixelproof", "us-east-1"
READ = ["s3:GetObject", "s3:ListBucket", "s3:HeadObject", "s3:HeadBucket"]
ANYBODY: dict[str, Any] = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
Keys = dict[str, str]  # as environment variables


@pytest.fixture
def s3() -> Iterator[str]:
    """The address of an S3 server, which lets everybody in until `lock` is called."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    _guard(f"http://{host}:{port}", "inf")
    httpx.post(f"http://{host}:{port}/moto-api/reset", trust_env=False).raise_for_status()
    server.stop()


def _guard(s3: str, free: str) -> None:
    """From now on, all but so many requests are checked: their signature, and what their user may do."""
    httpx.post(f"{s3}/moto-api/reset-auth", content=free, trust_env=False).raise_for_status()


def user(s3: str, name: str, actions: list[str]) -> Keys:
    """A user who may do this alone."""
    import boto3

    iam: Any = boto3.client(
        "iam", endpoint_url=s3, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    )
    iam.create_user(UserName=name)
    allowed = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def environment(keys: Keys) -> dict[str, str]:
    """The environment of a run that has these credentials and no other."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return own | {"AWS_EC2_METADATA_DISABLED": "true", "BLIND": "No secrets here."} | keys


def pushed(history: History, s3: str) -> Keys:
    """Push everything to a private bucket, and forget it here; the keys of somebody who may read it."""
    import boto3

    client: Any = boto3.client("s3", endpoint_url=s3, region_name=REGION, **ANYBODY)
    client.create_bucket(Bucket=BUCKET)
    sh("dvc", "remote", "add", "-q", "--local", "-d", "bucket", f"s3://{BUCKET}/dvc", cwd=history.repo)
    sh("dvc", "remote", "modify", "-q", "--local", "bucket", "endpointurl", s3, cwd=history.repo)
    sh("dvc", "remote", "modify", "-q", "--local", "bucket", "region", REGION, cwd=history.repo)
    anybody = environment({name.upper(): value for name, value in ANYBODY.items()})
    subprocess.run(["dvc", "push", "-q", "--all-commits"], cwd=history.repo, env=anybody, check=True)
    reader = user(s3, "reader", READ)
    _guard(s3, "0")
    shutil.copytree(ROOT / ".ci", history.repo / ".ci")
    return reader


def forget(history: History) -> None:
    """As in a fresh clone: nothing is here but what git keeps."""
    for folder in (".dvc/cache", ".dvc/tmp", "results", "data", "models", "comparison"):
        shutil.rmtree(history.repo / folder, ignore_errors=True)


def ci(history: History, keys: Keys) -> tuple[int, str, str]:
    """How the gate ended, what it said, and the page, on the change that regresses."""
    forget(history)
    env = environment(keys)
    compared = subprocess.run(
        [".ci/metrics-compare", history.base, history.params], cwd=history.repo, env=env, capture_output=True, text=True
    )
    assert compared.returncode == 0, compared.stderr
    gate = subprocess.run(
        [".ci/metrics-gate", history.params], cwd=history.repo, env=env, capture_output=True, text=True
    )
    return gate.returncode, gate.stdout, (history.repo / "comparison/comparison.md").read_text()


def test_a_private_bucket_is_read_with_credentials_and_said_to_be_closed_without(history: History, s3: str) -> None:
    reader = pushed(history, s3)
    code, said, page = ci(history, {})
    assert code == 3 and "warning: significance was not computed" in said and "No secrets here." in said
    assert page.startswith("### Comparison: significance was not computed")
    assert "the default remote could not be read: `Unable to locate credentials`" in page
    wanted = "data/prepared/dataset.json data/prepared/test data/prepared/val evaluate results/data"
    assert f"- `dvc pull --remote bucket --all-commits {wanted}`" in page

    code, said, page = ci(history, reader | {"AWS_SECRET_ACCESS_KEY": "guessed"})
    assert code == 3 and "the default remote could not be read: " in page and "guessed" not in said + page
    code, said, page = ci(history, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    assert code == 3 and "Unable to locate credentials" in page, "what GitHub gives for a secret that is not there"

    code, said, page = ci(history, reader)
    assert code == 1 and "error: worse on validation" in said, page[-900:]
    assert page.startswith("### Comparison: regressed on validation: 1 of 2 architectures")
    assert not [value for value in reader.values() if value in said + page]


def test_those_who_may_read_may_not_write(history: History, s3: str) -> None:
    reader = pushed(history, s3)
    Path(history.repo / "extra.txt").write_text("new")
    sh("dvc", "add", "-q", "extra.txt", cwd=history.repo)
    done = subprocess.run(
        ["dvc", "push", "-q", "extra.txt"], cwd=history.repo, env=environment(reader), capture_output=True, text=True
    )
    assert done.returncode != 0
