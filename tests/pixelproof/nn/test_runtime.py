"""Where a network computes, on machines with CUDA and without."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest
import torch

from pixelproof.core.errors import ParamsError
from pixelproof.core.params import check
from pixelproof.nn.runtime import Compute, keep_freed_memory, pick_device, set_up


def compute(device: str) -> Compute:
    """The section with this device."""
    return Compute.model_validate({"device": device, "precision": "fp32", "channels_last": False, "threads": 1})


@pytest.mark.parametrize(
    ("asked", "cuda", "expected"),
    [
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("cuda", True, "cuda"),
        ("cpu", True, "cpu"),
        ("cpu", False, "cpu"),
    ],
)
def test_the_device_is_the_one_that_params_name(
    asked: str, cuda: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert pick_device(compute(asked)) == expected


@pytest.mark.parametrize(
    ("key", "value", "fix"), [("precision", "bf16", "precision: fp32"), ("channels_last", False, "channels_last: true")]
)
def test_what_portable_cannot_promise_is_refused(key: str, value: object, fix: str) -> None:
    values = {"device": "cpu", "precision": "fp32", "channels_last": True, "threads": 1, "portable": True}
    assert Compute.model_validate(values).portable
    with pytest.raises(ParamsError, match=rf"^params.yaml: compute\.portable: found True .*set {fix}, or false here$"):
        check(Compute, values | {key: value}, "compute.")


@pytest.mark.parametrize("deterministic", [True, False])
def test_fp32_is_fp32_and_kernels_are_timed_unless_they_must_repeat(
    deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    torch.backends.cuda.matmul.allow_tf32 = True  # false by default, and afterwards again
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", deterministic)
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: deterministic)
    threads = torch.get_num_threads()
    assert set_up(compute("cpu")) == "cpu"
    torch.set_num_threads(threads)
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.benchmark is not deterministic


def test_cuda_where_there_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParamsError, match=r"compute\.device.*no CUDA device; allowed here: auto, cpu"):
        pick_device(compute("cuda"))


def test_a_c_library_without_mallopt_keeps_memory_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=lambda *values: told.append(values)))
    keep_freed_memory()
    assert told == [(-3, 2**30), (-1, 2**31 - 1)]  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h
    told.clear()
    keep_freed_memory(largest=2**20)
    assert told == [(-3, 2**20), (-1, 2**21 - 1)]
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())  # as on macOS
    keep_freed_memory()
    assert len(told) == 2
