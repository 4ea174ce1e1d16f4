"""`python benchmarks/gpu.py [--out FILE]`, which is `make gpu`: everything that only a GPU can show, into one file.

Training speed against stock, a bare loop and the card's limits; the tests marked `gpu`; what determinism costs; and
CamVid at its own size, if DATA_MIRROR has it. It needs no network. Each part is a process of its own and ends in time;
one that fails is noted in the file, with what it said last, and the rest goes on. The file is written anew after each.

Exit codes: 0, every part ran; 1, some part failed; 2, there is no GPU. A target that was missed is no failure: the file
says so. `--device cpu` runs every line with tiny sizes on a machine without a GPU, so that the first run on one is not
the first run of the code; its file says that it is no result.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT
from benchmarks.train_cuda import met
from pixelproof.core.files import write_text
from pixelproof.core.machine import machine
from pixelproof.core.table import markdown_table

OUT = ROOT / "benchmarks/results/gpu.md"
MISSED = met(False)
SKIPPED = 3  # the exit code of a part that cannot tell
SAID = 25  # last lines of a part that failed
DRY_SHARE = "segnet-fp32 or cpu_does or gradient"  # of the tests, in a dry run
DRY = "**A dry run on the CPU, with tiny sizes: none of its numbers is a result.**"


@dataclass(frozen=True)
class Part:
    """One thing to measure."""

    name: str
    title: str
    command: Sequence[str]
    minutes: float  # after which it is ended
    plain: bool = False  # whether what it prints is no Markdown


@dataclass(frozen=True)
class Ran:
    """How a part ended."""

    code: int
    seconds: float
    said: str  # on its output
    errors: str  # on its error output

    @property
    def word(self) -> str:
        """The end in a word."""
        missed = self.said.count(MISSED)
        words = {0: f"done, {missed} targets missed" if missed else "done", SKIPPED: "skipped"}
        return words.get(self.code, f"**failed** ({ended(self.code)})")


def ended(code: int) -> str:
    """An exit code in words.

    >>> ended(1), ended(-9)
    ('exit code 1', 'SIGKILL')
    """
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def parts_of(device: str) -> list[Part]:
    """What is measured on a device, in this order."""
    dry = device == "cpu"
    python, on = sys.executable, ["--device", device]
    larger = ["--arch", "unet", "--size", "64", "--batch", "2", "--steps", "1", "--rounds", "1"]
    bound = larger if dry else ["--scale", "full", "--size", "512"]
    tests = ["-k", DRY_SHARE] if dry else []
    networks = ["--arch", "deeplabv3plus-lite0"] if dry else []
    speed = [
        Part(f"speed-{arch}", f"Training speed: {arch}", [python, "benchmarks/train_cuda.py", "--arch", arch, *on], 20)
        for arch in ("unet", "deeplabv3plus-r50")
    ]
    quiet = ["-q", "-p", "no:cacheprovider", "--color=no", "--durations=5", "-m", "gpu", *tests]
    return [
        *speed,
        Part("tests", "The tests marked `gpu`", [python, "-m", "pytest", *quiet], 30, plain=True),
        Part("determinism", "What determinism costs", [python, "benchmarks/deterministic.py", *on, *bound], 20),
        Part("camvid", "CamVid at its own size", [python, "benchmarks/camvid_cuda.py", *on, *networks], 60),
    ]


def run(part: Part, environ: dict[str, str]) -> Ran:
    """Run a part to its end, or end it and all that it started when its time is over."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            part.command, cwd=ROOT, env=environ, stdout=said, stderr=errors, start_new_session=True
        )
        late = ""
        try:
            process.wait(part.minutes * 60)
        except subprocess.TimeoutExpired:
            late = f"ended after {part.minutes:g} minutes\n"
        finally:
            end_group(process)
        said.seek(0)
        errors.seek(0)
        return Ran(process.returncode, time.perf_counter() - start, said.read(), errors.read() + late)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End what a part left, which has a session of its own."""
    with contextlib.suppress(ProcessLookupError):  # it left nothing
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def report(parts: Sequence[Part], ran: dict[str, Ran], where: str, dry: bool) -> str:
    """The whole file, as far as it is known."""
    rows = []
    for part in parts:
        one = ran.get(part.name)
        rows.append([part.title, one.word if one else "not run yet", f"{one.seconds:.0f} s" if one else ""])
    lines = ["`make gpu`", "", "# On a GPU", "", *([DRY, ""] if dry else []), f"Measured on: {where}", ""]
    lines += [*markdown_table(["part", "result", "time"], rows), ""]
    for part in parts:
        if part.name in ran:
            lines += [f"## {part.title}", "", *section(part, ran[part.name]), ""]
    return without_places("\n".join(lines).rstrip() + "\n")


def section(part: Part, one: Ran) -> list[str]:
    """What a part printed, a level deeper; and if it failed, what it said last."""
    said = re.sub(r"(?m)^(#+ )", r"##\1", one.said).strip()
    lines = said.splitlines()
    if part.plain and lines:
        lines = ["```", *lines[-SAID:], "```"]
    if one.code:
        last = one.errors.strip().splitlines()[-SAID:]
        lines += ["", f"{one.word}; what it said last:", "", "```", *last, "```"]
    return lines


def without_places(text: str) -> str:
    """The text without this machine's folders: the file may be committed."""
    folders = {str(ROOT): ".", sys.prefix: ".venv", tempfile.gettempdir(): "TMP", str(Path.home()): "~"}
    for folder, name in sorted(folders.items(), key=lambda each: -len(each[0])):
        text = text.replace(folder, name) if folder != "/" else text
    return text


def place(device: str) -> str:
    """The machine, its card, and the versions that computed."""
    import torch

    card = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}" if device == "cuda" else "no GPU"
    return f"{machine()}; {card}; torch {torch.__version__}"


def measure(parts: Sequence[Part], device: str, out: Path) -> int:
    """Run all parts, writing the file after each; the exit code."""
    environ = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_WAIT_POLICY": "passive", "PIXELPROOF_GPU_TESTS_ON": device}
    if device == "cpu":
        environ["CUDA_VISIBLE_DEVICES"] = ""
    ran, where = dict[str, Ran](), place(device)
    for part in parts:
        print(f"{part.title} ...", file=sys.stderr, flush=True)
        ran[part.name] = one = run(part, environ)
        print(f"{part.title}: {one.word}, {one.seconds:.0f} s", file=sys.stderr, flush=True)
        write_text(out, report(parts, ran, where, device == "cpu"))
    return 1 if any(one.code not in (0, SKIPPED) for one in ran.values()) else 0


def main() -> int:
    """Run the parts, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [part.name for part in parts_of("cuda")]
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT.relative_to(ROOT)}")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a dry run with tiny sizes")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PART", help=", ".join(names))
    arguments = parser.parse_args()
    device, out = arguments.device, arguments.out
    if device == "cpu" and out.resolve() == OUT.resolve():
        print("error: a dry run is no result: name another file with --out", file=sys.stderr)
        return 2
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        print("error: no GPU: torch sees no CUDA device; see --device in `benchmarks/gpu.py --help`", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the part, too
    return measure([part for part in parts_of(device) if part.name in arguments.only], device, out)


if __name__ == "__main__":
    sys.exit(main())
