"""The parts of workers.py, each in a world of its own; each returns lines of Markdown."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from benchmarks.common import ROOT
from benchmarks.faults_toy import TARGET, Toy, toy
from benchmarks.workers_world import Machine, World, commit, world
from pipelines.compare.store import Store
from pipelines.dvc.graph import open_repo
from pixelproof.core.files import write_text
from pixelproof.core.table import markdown_table

CHAINS = (2, 14)
STAGES, SLEEP, WORKERS = 16, 20.0, 4
SECONDS_CUT = 40
SENT = re.compile(r"sent to the pool")
VICTIMS = ("work", "worker", "stage", "machine")


def overhead(folder: Path, arguments: argparse.Namespace) -> list[str]:
    """What a stage costs beside its own work."""
    seconds = {}
    for count in CHAINS:
        with world(folder / str(count), _sleepers(folder / f"source-{count}", chain=count), 1) as made:
            made.workers[0].work()
            seconds[count] = _run(made, lambda _: None).seconds
    short, long = (seconds[count] for count in CHAINS)
    each = (long - short) / (CHAINS[1] - CHAINS[0])
    rows = [[str(count), f"{seconds[count]:.1f} s"] for count in CHAINS]
    return [*markdown_table(["stages, one after another", "all of it"], rows), "", f"Each stage more: {each:.2f} s."]


def scaling(folder: Path, arguments: argparse.Namespace) -> list[str]:
    """How near to ideal stages side by side are."""
    with world(folder / "world", _sleepers(folder / "source", wide=STAGES), WORKERS) as made:
        for machine in made.workers:
            machine.work()
        took = _run(made, lambda _: None).seconds
    ideal = STAGES * SLEEP / WORKERS
    rows = [[str(STAGES), str(WORKERS), f"{ideal:.0f} s", f"{took:.1f} s", f"{ideal / took:.2f}"]]
    return markdown_table([f"stages of {SLEEP:.0f} s", "workers", "at best", "from the first sent", "of ideal"], rows)


def pulled(folder: Path, arguments: argparse.Namespace) -> list[str]:
    """Which objects a worker pulls that has nothing."""
    place = toy(folder / "toy")
    rows = []
    with world(folder / "world", place.clone, 1) as made:
        worker = made.workers[0]
        worker.work()
        for name in _stages(made.asks.clone):
            worker.forget()
            before = made.workers[0].proxies["s3"].received
            if code := _finish(made.reproduce("--", name), lambda _: None).code:
                sys.exit(f"error: {name} ended with {code}")
            got = worker.proxies["s3"].received - before
            wanted, own, size = _wanted(made.asks.clone, name)
            rows.append([name, str(len(wanted)), str(len(worker.objects() - own - wanted)), f"{size:,}", f"{got:,}"])
    head = ["stage", "objects of its inputs", "others pulled", "bytes of its inputs", "bytes received"]
    return [*markdown_table(head, rows), "", "Bytes received include S3's answers about what is there, and git's none."]


@dataclass
class Trial:
    """What became of one run in which something was lost."""

    lost: str
    moment: float
    same: bool
    seconds: float
    said: str


def killed(folder: Path, arguments: argparse.Namespace) -> list[str]:
    """SIGKILL to a worker at random moments."""
    return _trials(folder, arguments, VICTIMS, arguments.kills)


def cut(folder: Path, arguments: argparse.Namespace) -> list[str]:
    """The network of a worker, or of who asks, is cut for a while."""
    return _trials(folder, arguments, ("network of a worker", "network of who asks"), 4)


def _trials(folder: Path, arguments: argparse.Namespace, lost: Sequence[str], count: int) -> list[str]:
    place = toy(folder / "toy")
    kept = folder / "trials.json"
    done = [Trial(**each) for each in json.loads(kept.read_text())] if kept.is_file() else []
    if len(done) < count:
        with world(folder / f"world-{len(done)}", place.clone, 2) as made:
            for number in range(len(done), count):
                draw = random.Random(f"{arguments.seed} {folder.name} {number}")
                done.append(_lose(made, place, lost[number % len(lost)], draw))
                print(f"[{number + 1}/{count}] {done[-1]}", file=sys.stderr, flush=True)
                write_text(kept, json.dumps([asdict(each) for each in done]))
    same = sum(trial.same for trial in done)
    rows = [
        [each.lost, f"{each.moment:.1f} s", "yes" if each.same else "NO", f"{each.seconds:.0f} s", each.said]
        for each in done
    ]
    head = ["lost", "after the first was sent", "dvc.lock as of `dvc repro`", "took", "said"]
    return [f"{same} of {len(done)} ended, with the same dvc.lock.", "", *markdown_table(head, rows)]


def _lose(made: World, place: Toy, what: str, draw: random.Random) -> Trial:
    """One run, in which something is lost at a random moment."""
    made.reset()
    for machine in made.workers:
        if not machine.family():
            machine.work()
    moment = draw.uniform(0, place.seconds)
    victim = draw.choice(made.workers)

    def lose(began: float) -> None:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        _take(what, victim, made.asks, draw)

    run = _run(made, lose, TARGET, check=False)
    lock = made.asks.clone / "dvc.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else ""
    same = not run.code and digest == place.written["dvc.lock"]
    for machine in made.workers:
        if len(machine.family()) < 3:  # its `work` was killed, or its worker has not been started again yet
            machine.lose()
    return Trial(what, moment, same, run.seconds, run.said)


def _take(what: str, victim: Machine, asks: Machine, draw: random.Random) -> None:
    """Kill a part of a machine, or cut a network for a while."""
    family = victim.family()
    if what.startswith("network"):
        proxies = (victim if what.endswith("worker") else asks).proxies.values()
        for proxy in proxies:
            proxy.cut()
        time.sleep(SECONDS_CUT)
        for proxy in proxies:
            proxy.restore()
    elif what == "machine":
        victim.lose()
    elif what == "work":
        family[0].kill()
    elif what == "worker":
        next((each for each in family if "start_worker" in " ".join(each.cmdline())), family[0]).kill()
    else:
        at_work = [each for each in family if "stages." in " ".join(each.cmdline())]
        (draw.choice(at_work) if at_work else family[-1]).kill()


@dataclass
class Run:
    """How a run ended: its code, the seconds since the first stage was sent, and its last line."""

    code: int
    seconds: float
    said: str


def _run(made: World, beside: Callable[[float], None], *targets: str, check: bool = True) -> Run:
    run = _finish(made.reproduce(*targets), beside)
    if check and run.code:
        sys.exit(f"error: a run ended with {run.code}: {run.said}")
    return run


def _finish(process: subprocess.Popen[str], beside: Callable[[float], None]) -> Run:
    began, last, thread = time.monotonic(), "", None
    sent = False
    assert process.stderr is not None
    for line in process.stderr:
        print(line, end="", file=sys.stderr)
        last = line.strip() or last
        if SENT.search(line) and not sent:
            sent, began = True, time.monotonic()
            thread = threading.Thread(target=beside, args=(began,), daemon=True)
            thread.start()
    seconds = time.monotonic() - began
    if thread is not None:
        thread.join()
    return Run(process.wait(), seconds, last[:120])


def _stages(clone: Path) -> list[str]:
    command = [sys.executable, "-m", "dvc", "stage", "list", "--name-only"]
    listed = subprocess.run(command, cwd=clone, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    order = ["download", "cvat", "prepare", "augment", "configure", "train", "evaluate", "measure", "report"]
    return sorted(listed, key=lambda name: order.index(name.split("@")[0]))


def _wanted(clone: Path, name: str) -> tuple[set[str], set[str], int]:
    """The objects that a stage's inputs consist of, those that it wrote, and the bytes of the former."""
    entries = yaml.safe_load((clone / "dvc.lock").read_text())["stages"]
    with open_repo(clone) as repo:
        store = Store(repo)
        outs = {out["path"]: out["md5"] for entry in entries.values() for out in entry["outs"]}
        wanted: set[str] = set()
        size = 0
        for dep in entries[name]["deps"]:
            path = dep["path"]
            inside = [out for out in outs if out == path or out.startswith(f"{path}/") or path.startswith(f"{out}/")]
            for out in inside:
                files = store.listing(outs[out], out) if outs[out].endswith(".dir") else None
                if files is None:
                    wanted.add(outs[out])
                    continue
                below = path.removeprefix(out).strip("/") if path.startswith(out) else ""
                wanted |= {outs[out]}
                wanted |= {oid for file, oid in files.items() if not below or f"{file}/".startswith(f"{below}/")}
            size += int(dep.get("size", 0)) if inside else 0
        own: set[str] = set()
        for out in entries[name]["outs"]:
            own |= {out["md5"]}
            if out["md5"].endswith(".dir"):
                own |= set((store.listing(out["md5"], out["path"]) or {}).values())
    return wanted, own, size


def _sleepers(folder: Path, chain: int = 0, wide: int = 0) -> Path:
    """A clone of this project with another graph: stages that sleep."""
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    (folder / "code").mkdir()
    program = "import pathlib, sys, time\ntime.sleep(float(sys.argv[1]))\npathlib.Path(sys.argv[2]).write_text('x')\n"
    (folder / "code/sleep.py").write_text(program)
    stages = {}
    for number in range(chain):
        before = [f"data/{number - 1}.txt"] if number else []
        stages[f"s{number}"] = _sleeper(f"data/{number}.txt", 0.0, before)
    for number in range(wide):
        stages[f"w{number}"] = _sleeper(f"data/{number}.txt", SLEEP, [])
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    settings = yaml.safe_load((folder / "params.yaml").read_text())["pipelines"]
    (folder / "params.yaml").write_text(yaml.safe_dump({"seed": 0, "pipelines": settings | {"retries": {}}}))
    (folder / "dvc.lock").unlink()
    shutil.rmtree(folder / "stages")  # whose settings would be missed
    commit(folder, "Sleep")
    return folder


def _sleeper(out: str, seconds: float, deps: list[str]) -> dict[str, object]:
    command = f"python3 code/sleep.py {seconds} {out}"
    return {"cmd": command, "params": ["seed"], "deps": ["code/sleep.py", *deps], "outs": [out]}
