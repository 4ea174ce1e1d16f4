"""`compute.portable`: what the libraries of a stage's process then use, and what is said where it cannot be had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pixelproof.core import portable
from pixelproof.core.params import declared_keys, read_yaml
from pixelproof.core.portable import CAPS, caps, missing_instructions, start_again_capped

ROOT = Path(__file__).parents[3]
X86 = not missing_instructions()
# Imports before `run_stage`, as a stage does, so that the variables would come too late in the same process.
PROGRAM = """
import json, os, cv2, numpy, torch
from pixelproof.core.stage import run_stage
from numpy._core._multiarray_umath import __cpu_features__ as numpys

def main():
    x = torch.ones(8, 16, 64, 64).to(memory_format=torch.channels_last)
    torch.nn.functional.conv2d(x, torch.ones(8, 16, 3, 3))
    print(json.dumps({
        "pid": os.getpid(),
        "aten": torch.backends.cpu.get_cpu_capability(),
        "numpy": sorted(name for name, used in numpys.items() if used),
        "opencv": cv2.getCPUFeaturesLine(),
        "ipp": cv2.ipp.getIppVersion(),
        "variables": {name: os.environ.get(name) for name in %r},
    }))

run_stage(main)
"""


def libraries(folder: Path, asked: bool, **environ: str) -> tuple[dict[str, Any], str]:
    """What libraries say in a stage's process, and what oneDNN says of its convolutions."""
    (folder / "params.yaml").write_text(f"compute: {{portable: {str(asked).lower()}}}\n")
    env = {name: value for name, value in os.environ.items() if name not in CAPS}
    env |= {"PYTHONPATH": str(ROOT), "ONEDNN_VERBOSE": "1"} | environ
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM % (list(CAPS),)], cwd=folder, env=env, stdout=subprocess.PIPE, text=True
    )
    lines = process.communicate()[0].splitlines()
    said = json.loads(next(line for line in lines if line.startswith("{")))
    assert said["pid"] == process.pid, "DVC waits for the process that it started"
    return said, "\n".join(line for line in lines if "isa:" in line)


@pytest.mark.skipif(not X86, reason="needs an x86-64 processor with AVX2")
@pytest.mark.parametrize("environ", [{}, {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}])
def test_libraries_use_what_all_such_processors_have(tmp_path: Path, environ: dict[str, str]) -> None:
    said, onednn = libraries(tmp_path, asked=True, **environ)
    assert said["variables"] == dict.fromkeys(CAPS) | caps()
    assert said["aten"] == "AVX2"
    assert onednn.endswith("isa:Intel AVX2")
    assert not {"X86_V3", "X86_V4", "AVX512_ICL", "AVX512_SPR"} & set(said["numpy"])
    assert "X86_V2" in said["numpy"]
    assert "*AVX2 " in str(said["opencv"]) and str(said["opencv"]).endswith("AVX512-SKX?")  # `?` is for: not used
    assert "AVX2 (l9)" in str(said["ipp"])


@pytest.mark.parametrize(
    ("flags", "told"), [({"avx2", "avx512bw"}, True), ({"avx2"}, False), (set(), True)], ids=["skx", "avx2", "unknown"]
)
def test_opencv_is_told_to_leave_out_only_what_is_there(
    flags: set[str], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portable, "processor", lambda: ("some model", flags))
    assert dict.fromkeys(CAPS) | caps() == CAPS | ({} if told else {"OPENCV_CPU_DISABLE": None})


@pytest.mark.skipif(not X86, reason="needs an x86-64 processor with AVX2")
def test_opencv_does_not_complain() -> None:
    env = {name: value for name, value in os.environ.items() if name not in CAPS} | caps()
    done = subprocess.run([sys.executable, "-c", "import cv2"], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_it_nothing_is_changed(tmp_path: Path) -> None:
    said, _ = libraries(tmp_path, asked=False)
    assert said["variables"] == dict.fromkeys(CAPS)


def test_every_stage_runs_again_if_it_is_changed() -> None:
    graph = read_yaml(ROOT / "dvc.yaml")
    for stage in graph["stages"]:
        assert {"compute", "compute.portable"} & set(declared_keys(graph, stage)), stage


@pytest.mark.parametrize(
    ("machine", "flags", "missing"),
    [("aarch64", {"sve"}, "x86-64"), ("x86_64", {"avx"}, "avx2 and fma"), ("x86_64", {"avx2"}, "fma")],
)
def test_a_processor_without_them_is_told_and_computes_as_it_can(
    machine: str, flags: set[str], missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(portable, "processor", lambda: ("some model", flags))
    start_again_capped({})
    assert f"this processor lacks {missing}; results will differ" in capsys.readouterr().err


def test_a_capped_process_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("started again for ever"))
    start_again_capped(CAPS)
