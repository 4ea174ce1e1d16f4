"""benchmarks/gpu.py and what it runs, on a machine without a GPU: failures are noted, the rest goes on."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from benchmarks import gpu, train_cuda
from benchmarks.common import ROOT
from benchmarks.gpu import Part
from benchmarks.train_cuda import BARE, EXTENTS, OURS, STOCK, Row, busy_told, table, verdicts
from commands import _pace
from commands._pace import Held, Round
from pixelproof.core.errors import StateError


def part(name: str, code: str, minutes: float = 1.0) -> Part:
    """A part that runs some Python."""
    return Part(name, name.capitalize(), [sys.executable, "-c", code], minutes)


def test_what_fails_is_noted_and_the_rest_goes_on(tmp_path: Path) -> None:
    child = tmp_path / "pid"
    hanging = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])
open({str(child)!r}, 'w').write(str(child.pid))
print('begun', flush=True)
time.sleep(99)"""
    parts = [
        part("broken", f"import sys; print('half'); sys.exit('error: {ROOT}/x: no such thing')"),
        part("hanging", hanging, minutes=0.03),
        part("absent", "raise SystemExit(3)"),
        part("fine", "print('# All well\\n\\n- 0.9 times: **missed**')"),
    ]
    out = tmp_path / "gpu.md"
    assert gpu.measure(parts, "cpu", out) == 1
    said = out.read_text()
    assert "| Broken | **failed** (exit code 1) |" in said and "half" in said and "error: ./x: no such thing" in said
    assert "| Hanging | **failed** (SIGKILL) |" in said and "ended after 0.03 minutes" in said and "begun" in said
    assert "| Absent | skipped |" in said and "| Fine | done, 1 targets missed |" in said
    assert "### All well" in said and "none of its numbers is a result" in said
    assert str(ROOT) not in said
    pid = int(child.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert gpu.measure(parts[2:], "cpu", out) == 0


def test_the_file_is_there_after_the_first_part(tmp_path: Path) -> None:
    out = tmp_path / "gpu.md"
    look = f"text = open({str(out)!r}).read(); print(text.count('not run yet'), text.count('done'))"
    gpu.measure([part("first", "pass"), part("second", look), part("third", "pass")], "cpu", out)
    assert "\n2 1\n" in out.read_text()


def test_without_a_gpu_it_is_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for module in (gpu, train_cuda):
        monkeypatch.setattr(sys, "argv", ["benchmark"])
        assert module.main() == 2
        errors = capsys.readouterr().err
        assert errors.startswith("error: ") and "CUDA" in errors and errors.count("\n") == 1
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu"])
    assert gpu.main() == 2 and "no result" in capsys.readouterr().err
    assert not gpu.OUT.exists() or "dry run" not in gpu.OUT.read_text().lower()


def test_every_part_names_files_that_exist() -> None:
    for device in ("cpu", "cuda"):
        parts = gpu.parts_of(device)
        scripts = [word for each in parts for word in each.command if word.startswith("benchmarks/")]
        assert len(parts) == 5 and len(scripts) == 4
        assert all((ROOT / script).is_file() for script in scripts)


# --- the table of train_cuda.py --------------------------------------------------------------------------------------


def row(*rates: float, busy: float = 0.95) -> Row:
    """Rounds of 10 images at these rates, a tenth of the time spent waiting."""
    rounds = [Round(5, 10, 10 / rate, 1 / rate) for rate in rates]
    return Row(rounds, Round(5, 10, 1.0, 0.1, busy))


def test_verdicts_by_hand() -> None:
    """Ratios are within a round: 150 / 100 and 90 / 50, then 150 / 160 and 90 / 90; their medians."""
    found = {STOCK: row(100, 50), OURS: row(150, 90), BARE: row(160, 90)}
    stock, bare, busy = verdicts(found)
    assert "1.65 times stock" in stock and stock.endswith(": met")
    assert "0.97 times the bare loop" in bare and bare.endswith(": met")
    assert "95.0%" in busy and busy.endswith(": met")
    slow = verdicts(found | {OURS: row(110, 60, busy=0.5)})
    assert all(line.endswith("**missed**") for line in slow)
    unseen = verdicts({OURS: row(1, 1, busy=float("nan")), BARE: row(1, 1)})
    assert [line.endswith("**not measured**") for line in unseen] == [True, False, True]


def test_the_table_by_hand() -> None:
    """120 images/s of 2 GFLOP each, of a ceiling of 1 TFLOP/s."""
    stock, ours = table({STOCK: row(100, 50), OURS: row(150, 90, busy=float("nan"))}, 2e9, 1e12)
    assert ours == [OURS, "120.0", "90.0 to 150.0", "1.65", "10.0%", "not seen", "24.0%"]
    assert stock[3:6] == ["1.00", "10.0%", "95%"]


class Fake:
    """A training whose rounds take no time, or that ends after so many."""

    def __init__(self, name: str, ends_after: float) -> None:
        self.name, self.left = name, ends_after

    def __enter__(self) -> Fake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, steps: int, profiled: bool = False) -> Round:
        """A round."""
        self.left -= 1
        if self.left < 0:
            raise StateError(self.name, "it ended", "see above")
        return Round(steps, steps, 1.0, 0.0, 0.9 if profiled else float("nan"))

    def close(self) -> None:
        """Nothing to end."""


def test_a_variant_that_fails_at_any_time_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at its start, one in the second round, one when it is profiled: what was timed of that one stays."""
    monkeypatch.setattr(train_cuda, "Training", Fake)
    extent = EXTENTS["cpu"]
    lasts = {STOCK: 99, "start": 0, "round": 2, "profiled": 1 + extent.rounds}
    found = train_cuda.measure({name: (last,) for name, last in lasts.items()}, extent)
    assert [(name, len(one.rounds)) for name, one in found.rows.items()] == [
        (STOCK, extent.rounds),
        ("profiled", extent.rounds),
    ]
    assert busy_told(found.rows[STOCK].busy) == "90%" and busy_told(found.rows["profiled"].busy) == "not seen"
    assert sorted(found.failed) == ["profiled", "round", "start"]
    assert "round: it ended" in found.failed["round"]


class Line:
    """The other end of a line, which asks for two steps, twice."""

    def __init__(self) -> None:
        self.asked: Iterator[tuple[int, bool]] = iter([(2, False), (2, False), (0, False)])
        self.rounds: list[Round] = []

    def recv(self) -> tuple[int, bool]:
        """The next request."""
        return next(self.asked)

    def send(self, one: Round) -> None:
        """A report."""
        self.rounds.append(one)


@pytest.mark.parametrize("on_gpu", [False, True])
def test_the_first_steps_of_a_turn_on_a_gpu_do_not_count(monkeypatch: pytest.MonkeyPatch, on_gpu: bool) -> None:
    emptied: list[int] = []
    monkeypatch.setattr(_pace, "finish_device", lambda: on_gpu)
    monkeypatch.setattr(_pace, "empty_device", lambda: emptied.append(1))
    line: Any = Line()
    numbers = itertools.count()
    batches = ({"inputs": [next(numbers)] * 3} for _ in itertools.repeat(None))
    with pytest.raises(SystemExit):
        for _ in Held(batches, line):
            pass
    assert [(one.steps, one.images) for one in line.rounds] == [(2, 6), (2, 6)]
    assert next(numbers) == 2 * (2 + (_pace.UNTIMED if on_gpu else 0))
    assert len(emptied) == (3 if on_gpu else 0)
