"""The files for other machines: what they start exists, secrets are asked for, and nothing is open beyond loopback.

`make check` reads compose.yaml against its schema and slurm.sh with shellcheck; the Kubernetes job is read here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands._catalogue import load
from commands._parser import Parser
from tests.pipelines.conftest import ROOT

DEPLOY = ROOT / "pipelines/deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SECRETS = re.compile(r"password|auth|secret|key", re.IGNORECASE)


def test_compose_opens_ports_on_loopback_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_asks_for_every_secret_and_knows_none() -> None:
    values = {
        name: value
        for service in COMPOSE["services"].values()
        for name, value in service.get("environment", {}).items()
    }
    secret = {name: value for name, value in values.items() if SECRETS.search(name) and value.startswith("$")}
    assert len(secret) == 5
    assert all(re.fullmatch(r"\$\{\w+:\?choose .+\}", value) for value in secret.values())
    asked = set(re.findall(r"\$\{(\w+):", (DEPLOY / "compose.yaml").read_text()))
    named = [line.partition("=") for line in (DEPLOY / "example.env").read_text().splitlines() if "=" in line]
    assert {name for name, _, _ in named} == asked and not any(value for _, _, value in named)
    assert subprocess.run(["git", "check-ignore", "-q", "pipelines/deploy/.env"], cwd=ROOT, check=False).returncode == 0


def test_the_worker_of_compose_is_a_command_that_exists() -> None:
    program, name, *arguments = COMPOSE["services"]["worker"]["command"]
    assert program == "bin/pixelproof"
    parser = Parser(prog=name)
    load(name).add_arguments(parser)
    assert parser.parse_args(arguments).pool == "machines"


def filled(template: Any, values: dict[str, Any]) -> Any:
    """A template of Prefect with values in place of its names."""
    if isinstance(template, dict):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, values) for value in template]
    if isinstance(template, str) and (found := re.fullmatch(r"\{\{ (\w+) \}\}", template)):
        return values[found[1]]
    return (
        re.sub(r"\{\{ (\w+) \}\}", lambda match: values[match[1]], template) if isinstance(template, str) else template
    )


def test_the_kubernetes_job_is_one() -> None:
    import kubernetes_validate

    content = json.loads((DEPLOY / "kubernetes.json").read_text())
    defaults = {name: each.get("default") for name, each in content["variables"]["properties"].items()}
    given = {"name": "stage", "labels": {"app": "pixelproof"}, "image": "pixelproof:1", "command": ["true"], "env": []}
    manifest = filled(content["job_configuration"]["job_manifest"], defaults | given)
    kubernetes_validate.validate(manifest, "1.31", strict=True)
    pod = manifest["spec"]["template"]["spec"]
    pod["container"] = pod.pop("containers")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_slurm_ends_the_worker_and_lets_it_save(tmp_path: Path) -> None:
    """The signal that Slurm sends reaches the worker, whose end is waited for, and its exit code is the job's."""
    (tmp_path / "bin").mkdir()
    worker = tmp_path / "bin/pixelproof"
    worker.write_text(
        "#!/bin/sh\necho \"$@\" >called\ntrap 'sleep 1; echo saved >saved; exit 7' TERM\nwhile :; do sleep 0.1; done\n"
    )
    worker.chmod(0o755)
    environment = os.environ | {"PREFECT_API_URL": "http://127.0.0.1:1/api"}
    job = subprocess.Popen(["sh", str(DEPLOY / "slurm.sh"), "gpus"], cwd=tmp_path, env=environment)
    while not (tmp_path / "called").exists() or not (tmp_path / "called").read_text():
        assert job.poll() is None
    job.terminate()
    assert job.wait(30) == 7
    assert (tmp_path / "saved").exists() and (tmp_path / "called").read_text() == "work gpus\n"
    refused = subprocess.run(
        ["sh", str(DEPLOY / "slurm.sh")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert refused.returncode and "name the work pool" in refused.stderr
