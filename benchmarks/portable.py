"""`compute.portable`: which operations differ under which instruction sets, what it costs, where dvc.lock was rebuilt.

bin/python benchmarks/portable.py                       every operation here, uncapped and capped, as a table
bin/python benchmarks/portable.py --emulate Haswell     and on a processor that qemu-x86_64 emulates (minutes)
bin/python benchmarks/portable.py --cost                trainings in fp32, capped and uncapped in turn (two minutes);
                                                        target: at most twice the time
bin/python benchmarks/portable.py --row DIR             this machine's row of benchmarks/results/portable.md, from
                                                        what `bin/pixelproof verify --out DIR` has written
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table
from benchmarks.workspace import ENDLESS, make_task
from commands._pace import Training, take_turns, train_in
from pixelproof.core.files import write_text
from pixelproof.core.portable import CAPS

OPERATIONS = ROOT / "benchmarks" / "operations.py"
TABLE = ROOT / "benchmarks" / "results" / "portable.md"
REFERENCE = "here, capped"
NETWORKS = ("unet", "fcn-r18-d8", "pspnet-r18", "deeplabv3plus-r18")  # of the default run
WARM_UP, ROUNDS, STEPS = 3, 5, 8


def digests(environ: dict[str, str], emulated: str | None = None) -> dict[str, str]:
    """The digest of each operation under some variables, here or on an emulated processor."""
    plain = {name: value for name, value in os.environ.items() if name not in CAPS}
    emulator = ["qemu-x86_64", "-cpu", emulated] if emulated else []
    command = [*emulator, sys.executable, str(OPERATIONS)]
    done = subprocess.run(command, env=plain | environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def operations(models: list[str]) -> None:
    """Print which operations differ from those here under the caps."""
    if models and not shutil.which("qemu-x86_64"):
        sys.exit("error: --emulate: no qemu-x86_64 on PATH; install it (Debian: apt-get install qemu-user)")
    columns = {REFERENCE: digests(CAPS), "here, uncapped": digests({})}
    for model in models:
        columns[f"{model}, capped"] = digests(CAPS, model)
        columns[f"{model}, uncapped"] = digests({}, model)
    reference = columns.pop(REFERENCE)
    rows = [
        [name, *("" if other[name] == value else "differs" for other in columns.values())]
        for name, value in reference.items()
    ]
    counts = [f"{sum(row[at] == 'differs' for row in rows)} of {len(rows)}" for at in range(1, len(columns) + 1)]
    differing = [row for row in rows if any(row[1:])]
    print_table(
        "Operations that differ from those here, capped", ["operation", *columns], [["(all)", *counts], *differing]
    )


def cost() -> None:
    """Print how fast the networks of the default run train, capped and uncapped in turn."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for arch in NETWORKS:
            workspace = make_task(arch, "small", Path(folder) / arch, ENDLESS, {"compute.precision": "fp32"}).workspace
            with contextlib.ExitStack() as stack:
                trainings = {}
                for name, caps in {"capped": CAPS, "uncapped": dict[str, str]()}.items():
                    for variable in CAPS:
                        os.environ.pop(variable, None)
                    os.environ.update(caps)  # the process that is started next has them
                    trainings[name] = stack.enter_context(Training(name, train_in, workspace, arch, 0))
                    trainings[name].run(WARM_UP)
                found = take_turns(trainings, ROUNDS, STEPS)
            capped, uncapped = ([one.rate for one in found[name]] for name in ("capped", "uncapped"))
            times = [free / held for held, free in zip(capped, uncapped, strict=True)]
            rates = (f"{statistics.median(rates):.1f}" for rates in (capped, uncapped))
            rows.append([arch, *rates, f"{statistics.median(times):.2f}", f"{min(times):.2f} to {max(times):.2f}"])
    header = ["network", "images/s capped", "images/s uncapped", "times as long", "rounds"]
    print_table("Training in fp32 with `compute.portable`, and without", header, rows)


def row(folder: Path) -> None:
    """Add this machine to the table, if its certificate is of a rebuild with the same bytes in every output."""
    certificate = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    machine, stages = certificate["machine"], certificate["stages"]
    other = [entry["stage"] for entry in stages if not entry["same"]]
    if certificate["mode"] != "rebuilt" or not certificate["rests on"]["params"]["values"].get("compute.portable"):
        sys.exit(f"error: {folder}: not the certificate of a rebuild with compute.portable")
    if other:
        sys.exit(f"error: {folder}: other bytes than the commit's dvc.lock records in {', '.join(other)}")
    newest = [name for name in machine["instructions"] if name.startswith(("avx", "amx"))]
    cells = [
        machine["processor"], f"{' '.join(newest)}", str(machine["cores"]), machine["system"],
        certificate["commit"][:10], certificate["made"][:10],
    ]  # fmt: skip
    line = f"| {' | '.join(cells)} |"
    text = TABLE.read_text(encoding="utf-8").rstrip("\n")
    write_text(TABLE, f"{text}\n{line}\n")
    print(line)


def main() -> None:
    """Measure, or add a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emulate", nargs="*", default=[], metavar="MODEL", help="processors that qemu-x86_64 knows")
    parser.add_argument("--row", type=Path, metavar="DIR", help="where `verify --out` has written its certificate")
    parser.add_argument("--cost", action="store_true", help="time trainings")
    arguments = parser.parse_args()
    if arguments.row:
        row(arguments.row)
    elif arguments.cost:
        cost()
    else:
        operations(arguments.emulate)


if __name__ == "__main__":
    main()
