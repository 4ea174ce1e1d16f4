"""The progress line in real terminals and in pipes, as a person or a log gets to see it."""

from __future__ import annotations

import doctest
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from pixelproof.core import progress

ROOT = Path(__file__).parents[3]
BEGIN = """
import sys
from pixelproof.core import progress
from pixelproof.core.errors import StateError, run_main
from pixelproof.core.progress import Progress, say, track
from stages.train.progress import TrainingProgress
progress.SECONDS = 0  # every count is shown
"""
ENV = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def in_a_pipe(program: str) -> list[str]:
    """The lines that a program's log holds."""
    command = [sys.executable, "-c", BEGIN + program]
    done = subprocess.run(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert "\r" not in done.stdout and "\x1b" not in done.stdout
    return done.stdout.splitlines()


def on_a_terminal(program: str, columns: int = 80) -> list[list[str]]:
    """What stands on the screen after each print of a program; no line may reach the last column."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([sys.executable, "-c", BEGIN + program], env=ENV, stdout=slave, stderr=slave):
        os.close(slave)
        content = b""
        try:
            while block := os.read(master, 1 << 16):
                content += block
        except OSError:  # the other end is closed: that is how Linux says so
            pass
    os.close(master)
    screens, lines, column = [], [""], 0
    for token in re.findall(r"\r|\n|\x1b\[K|[^\r\n\x1b]+", content.decode()):
        if token == "\n":
            lines.append("")
            column = 0
        elif token == "\r":
            column = 0
        elif token == "\x1b[K":
            lines[-1] = lines[-1][:column]
        else:
            lines[-1] = lines[-1][:column] + token + lines[-1][column + len(token) :]
            column += len(token)
            assert column < columns, lines[-1]
            screens.append(list(lines))
    return screens


def test_a_terminal_shows_one_line_that_is_rewritten() -> None:
    """And nothing is glued to it."""
    screens = on_a_terminal("for _ in track(range(30), 'flights', 30): pass\nprint('synthetic: 72 images')")
    seen = [re.sub(r"\d+:\d\d", "T", screen[0]) for screen in screens[:-1]]
    assert seen == [*(f"flights {done}/30, T left" for done in range(1, 30)), "flights 30/30"]
    assert all(len(screen) == 1 for screen in screens[:-1])
    assert screens[-1] == ["flights 30/30", "synthetic: 72 images"]


@pytest.mark.parametrize(
    ("program", "below"),
    [
        ("for i in track('abc', 'images', 3):\n    if i == 'b': raise StateError('x', 'y', 'z')", "error: x"),
        ("t = track('abc', 'images', 3); next(t), next(t); del t; print('done')", "done"),
        ("p = Progress('images', 9); p.show(1); raise StateError('x', 'y', 'z')", "error: x"),
        ("p = Progress('images', 9); p.show(1); raise KeyboardInterrupt", "error: interrupted"),
        ("p = Progress('images', 9); p.show(1); say('trying again')", "trying again"),
        ("p = Progress('images', 9); p.show(1); p.end(); print('stopped early')", "stopped early"),
        ("p = Progress('images', None); p.show(1); p.end(); print('all came')", "all came"),
    ],
)
def test_what_is_printed_in_between_begins_a_line(program: str, below: str) -> None:
    first, second = on_a_terminal(f"def main():\n  {program}\nrun_main(main)")[-1][:2]
    assert first.startswith("images 1") and second.startswith(below)


def test_a_narrow_terminal_gets_whole_words() -> None:
    show = "Progress('deeplabv3plus seed 0: iteration', 900).show(8, ['loss 0.612', 'val mIoU 0.301', '41.0 images/s'])"
    seen = {columns: on_a_terminal(show, columns)[-1][0] for columns in (120, 70, 50, 30)}
    assert seen[120].startswith("deeplabv3plus seed 0: iteration 8/900, loss 0.612, val mIoU 0.301, 41.0 images/s, ")
    assert re.fullmatch(r"deeplabv3plus seed 0: iteration 8/900, loss 0\.612, \d+:\d\d left", seen[70])
    assert re.fullmatch(r"deeplabv3plus seed 0: iteration 8/900, \d+:\d\d left", seen[50])
    assert seen[30] == "deeplabv3plus seed 0: ..."
    wrapped = on_a_terminal("say('resumed after iteration 4, which is saved')", 24)[-1]
    assert wrapped == ["resumed after iteration", "4, which is saved"]


def test_a_log_has_a_line_every_tenth() -> None:
    lines = in_a_pipe("for _ in track(range(200), 'images', 200): pass\nprint('done')")
    assert [line.partition(",")[0] for line in lines[:-1]] == [
        f"images {done}/200" for done in (1, *range(20, 201, 20))
    ]
    assert lines[-1] == "done" and lines[-2] == "images 200/200"
    assert in_a_pipe("for _ in track(iter('ab'), 'images', 2): pass")[-1] == "images 2/2"
    assert in_a_pipe("for _ in track([], 'images', 0): pass") == []
    unknown = in_a_pipe("p = Progress('bytes', None)\nfor done in range(1, 101): p.show(done)\np.end()")
    assert unknown == [f"bytes {done}" for done in (1, 2, 4, 8, 16, 32, 64, 100)]


def test_a_training_says_the_same_in_fewer_lines() -> None:
    """From where it was resumed to where it lost patience; another process of it says nothing."""
    lines = in_a_pipe("""
rows = [(450, 'train/loss', 0.5), (450, 'val/mIoU', 0.25)]
for silent in (False, True):
    training = TrainingProgress('unet seed 0', 900, 8, silent)
    training.say('resumed after iteration 450')
    training.begin(450)
    for iteration in range(451, 801):
        training.show(iteration, rows)
    training.end()
""")
    number = r"\d+(\.\d+)?"
    assert lines[0] == "unet seed 0: resumed after iteration 450"
    for line, iteration in zip(lines[1:], (451, 540, 630, 720, 800), strict=True):
        begin = rf"unet seed 0: iteration {iteration}/900, loss 0\.500, val mIoU 0\.250, "
        assert re.fullmatch(rf"{begin}{number} images/s, \d+:\d\d left", line)


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(progress).failed == 0
