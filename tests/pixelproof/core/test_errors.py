"""How a command ends: with its exit code, an error of one line, and never a traceback because nobody reads on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MANY = "from pixelproof.core.errors import run_main\nrun_main(lambda: print(*range(300_000), sep='\\n'))"


def unread(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python where whoever read its output has gone already."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command, env = [sys.executable, *arguments], os.environ | {"PYTHONUNBUFFERED": ""}
        return subprocess.run(command, cwd=ROOT, env=env, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    "command", ["commands params", "commands", "commands cost --help", "stages.configure --help", "stages.train --help"]
)
def test_output_that_nobody_reads_is_no_error(command: str) -> None:
    """Also that of --help, which argparse prints: it stays in Python's buffer until the very end."""
    done = unread("-m", *command.split())
    assert (done.returncode, done.stderr) == (141, "")  # 128 + SIGPIPE, as a shell has it


def test_head_ends_a_long_output() -> None:
    """More than a pipe holds, so that the writer still writes when `head` has gone."""
    line = f"set -o pipefail; '{sys.executable}' -c \"$0\" | head -1"
    done = subprocess.run(["bash", "-c", line, MANY], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (141, "0\n", "")
    env = os.environ | {"PIXELPROOF_PYTHON": sys.executable}
    whole, first = (
        subprocess.run(["sh", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        for command in ("bin/pixelproof params", "bin/pixelproof params | head -1")
    )
    assert first.stdout == whole.stdout.splitlines(keepends=True)[0] and first.stderr == ""


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [
        ("return None", 0, ""),
        ("return ExitCode.GOOD", 0, ""),
        ("return ExitCode.WORSE", 1, ""),
        ("return ExitCode.CANNOT_TELL", 3, ""),
        ("raise StateError('it', 'bad\\n here', 'mend it')", 2, "error: it: bad here; mend it\n"),
        ("raise StateError('gr\\u00fcn\\x1b[31m', 'a\\u202e', 'b')", 2, "error: grün\\x1b[31m: a\\u202e; b\n"),
        ("raise KeyboardInterrupt", 130, "error: interrupted\n"),
        ("import argparse; argparse.ArgumentParser(prog='x').parse_args(['y'])", 2, "usage: x"),
        ("raise SystemExit(143)", 143, ""),
        ("open('/nowhere/x')", 2, "error: /nowhere/x: No such file or directory; check that this path"),
        ("raise OSError(28, 'No space left', 'x')", 2, "error: x: No space left; check that it has space left\n"),
        ("raise OSError('ours')", 1, "Traceback"),
    ],
)
def test_exit_codes(ending: str, code: int, said: str) -> None:
    program = f"from pixelproof.core.errors import *\ndef main():\n    {ending}\nrun_main(main)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said) and bool(done.stderr) == bool(said)
