"""The certificate of a verification: the metrics, what they rest on, and the versions and machine that computed them.

The same result gives the same certificate except for the line `made`: no paths, no names of machines or people.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeGuard

from pipelines.dvc.lock import Difference, DvcLock, digest, params_of, rests_on
from pipelines.markdown import code
from pixelproof.core.errors import ExitCode
from pixelproof.core.table import markdown_table

Mode = Literal["rebuilt", "restored"]
Metrics = dict[str, dict[str, Any]]

FORMAT = 1
OUTCOMES = ("different", "missing", "new", "within tolerance", "identical")
FAILURES = ("different", "missing", "new")
PROVES: dict[Mode, str] = {
    "rebuilt": "Every stage ran in a clean clone of the commit, with nothing from DVC's cache except data that no "
    "stage writes. So the metrics under `rebuilt` are what the commit's data, params and code produce with the "
    "versions and the processor below.",
    "restored": "Data, weights and results were restored by the hashes in the commit's dvc.lock, every byte was hashed "
    "again, and only the stages that write metrics ran. So the metrics under `rebuilt` follow from the stored results. "
    "This does not show that data, params and code produce these results; `verify` without `--cached` does.",
}


class Judged(NamedTuple):
    """The outcome for one metric."""

    architecture: str
    metric: str
    committed: Any
    rebuilt: Any
    outcome: str
    apart: float | None  # if both are numbers


def judge(committed: Metrics, rebuilt: Metrics, tolerance: float) -> list[Judged]:
    """Every metric that either side has, by architecture and key."""
    judged = []
    for arch in sorted(committed.keys() | rebuilt.keys()):
        before, after = committed.get(arch, {}), rebuilt.get(arch, {})
        for key in sorted(before.keys() | after.keys()):
            judged.append(Judged(arch, key, before.get(key), after.get(key), *_outcome(before, after, key, tolerance)))
    return judged


def _outcome(before: dict[str, Any], after: dict[str, Any], key: str, tolerance: float) -> tuple[str, float | None]:
    if key not in before or key not in after:
        return ("missing" if key in before else "new"), None
    old, new = before[key], after[key]
    if not (is_number(old) and is_number(new)):
        same = type(old) is type(new) and (old == new or (old != old and new != new))  # NaN is never equal to NaN
        return ("identical" if same else "different"), None
    apart = abs(new - old)
    if apart == 0:
        return "identical", apart
    return ("within tolerance" if apart <= tolerance else "different"), apart


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a metric's value can be compared as a number (`true`, NaN and infinity cannot)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


@dataclass(frozen=True)
class Evidence:
    """Everything that the certificate reports."""

    commit: str
    mode: Mode
    tolerance: float
    judged: list[Judged]
    committed: DvcLock
    rebuilt: DvcLock
    stages: dict[str, list[Difference]]
    ran: list[str]
    versions: dict[str, dict[str, str | None]]  # package -> stated by the commit, installed here
    machine: dict[str, Any]
    made: str


def certify(evidence: Evidence) -> dict[str, Any]:
    """The certificate as plain values."""
    counts = Counter(row.outcome for row in evidence.judged)
    basis = rests_on(evidence.committed, evidence.rebuilt)
    params = params_of(evidence.rebuilt)
    stale = sorted({str(difference) for found in evidence.stages.values() for difference in found if difference.stale})
    return {
        "format": FORMAT,
        "commit": evidence.commit,
        "mode": evidence.mode,
        "proves": PROVES[evidence.mode],
        "verdict": verdict(evidence.judged, evidence.mode, bool(stale)),
        "tolerance": evidence.tolerance,
        "counts": {outcome: counts[outcome] for outcome in OUTCOMES},
        "metrics": [
            row._asdict() | {"committed": _plain(row.committed), "rebuilt": _plain(row.rebuilt)}
            for row in evidence.judged
        ],
        "stale": stale,
        "stages": [
            {"stage": name, "ran": name in evidence.ran, "same": not found, "differs": [str(thing) for thing in found]}
            for name, found in evidence.stages.items()
        ],
        "rests on": {
            **{role: {"sha256": _digest_of(entries), "files": entries} for role, entries in basis.items()},
            "params": {
                "sha256": digest(params),
                "as committed": params == params_of(evidence.committed),
                "values": params,
            },
        },
        "versions": evidence.versions,
        "machine": evidence.machine,
        "made": evidence.made,
    }


def verdict(judged: list[Judged], mode: Mode, stale: bool) -> str:
    """The worst outcome, in words. Stored results of another tree say nothing about the commit's metrics."""
    found = {row.outcome for row in judged}
    if mode == "restored" and stale:
        return "stale"
    if found & set(FAILURES):
        return "different"
    return "within tolerance" if "within tolerance" in found else "identical"


def exit_code(certificate: dict[str, Any]) -> ExitCode:
    """Good if nothing differs by more than the tolerance; stored results of another tree cannot tell."""
    return {"different": ExitCode.WORSE, "stale": ExitCode.CANNOT_TELL}.get(certificate["verdict"], ExitCode.GOOD)


def summary(certificate: dict[str, Any]) -> str:
    """One line: how many metrics have which outcome."""
    counts = certificate["counts"]
    said = [f"{counts[outcome]} {outcome}" for outcome in reversed(OUTCOMES) if counts[outcome]]
    return f"{certificate['verdict']}: {', '.join(said)}"


def markdown(certificate: dict[str, Any]) -> str:
    """The certificate for people, the verdict first."""
    machine, basis = certificate["machine"], certificate["rests on"]
    instructions = " ".join(machine["instructions"]) or "not known"
    computed = "processor: " if certificate["mode"] == "rebuilt" else "processor (it only computed the metrics): "
    lines = [f"# Metrics of {certificate['commit'][:10]}: {summary(certificate)}", ""]
    if certificate["verdict"] == "stale":
        lines += ["The stored results are from another tree than this commit's, so its metrics were not verified.", ""]
    lines += [
        f"- commit: {code(certificate['commit'])}",
        f"- {certificate['mode']}: {certificate['proves']}",
        f"- tolerance: {certificate['tolerance']} (`pipelines.tolerance`), for another processor or device",
        f"- {computed}{code(machine['processor'])}, {machine['cores']} cores, {code(instructions)}",
        f"- device: {code(machine['device'])}; threads: {machine['threads'] or 'not stated'}; {machine['system']}",
        f"- made: {certificate['made']}",
        "",
        "## Metrics",
        "",
        *_metric_rows(certificate["metrics"]),
        "",
        "## Stages",
        "",
    ]
    if certificate["stale"]:
        lines += [f"dvc.lock does not match the commit's tree: {_listed(certificate['stale'])}.", ""]
    lines += _stage_rows(certificate["stages"])
    lines += [
        "",
        "## What the metrics rest on",
        "",
        "Hashes are MD5 as DVC records them; those of several files or values are SHA-256.",
        "",
    ]
    lines += _basis_rows(basis)
    lines += ["", "## Versions", "", *_version_rows(certificate["versions"])]
    return "\n".join(lines) + "\n"


def _metric_rows(rows: list[dict[str, Any]]) -> list[str]:
    """Every metric; those that need attention come first."""
    ordered = sorted(rows, key=lambda row: OUTCOMES.index(row["outcome"]))
    header = ["architecture", "metric", "committed", "rebuilt", "difference", "outcome"]
    return markdown_table(
        header,
        [
            [
                code(row["architecture"]),
                code(row["metric"]),
                "missing" if row["outcome"] == "new" else _value(row["committed"]),
                "missing" if row["outcome"] == "missing" else _value(row["rebuilt"]),
                f"{row['apart']:.4g}" if row["apart"] else "",
                row["outcome"] if row["outcome"] == "identical" else f"**{row['outcome']}**",
            ]
            for row in ordered
        ],
    )


def _value(value: Any) -> str:
    return code(json.dumps(value, ensure_ascii=False))


def _stage_rows(stages: list[dict[str, Any]]) -> list[str]:
    rows = [
        [
            code(row["stage"]),
            "ran" if row["ran"] else "restored",
            "same" if row["same"] else f"**differs**: {_listed(row['differs'])}",
        ]
        for row in stages
    ]
    return markdown_table(["stage", "here", "against the committed dvc.lock"], rows)


def _basis_rows(basis: dict[str, Any]) -> list[str]:
    """Data, weights and results one by one; code and params, which are many, by one hash each."""
    rows = []
    for role in ("data", "weights", "results"):
        rows += [[role, code(e["path"]), code(e["hash"]), _as_committed(e)] for e in basis[role]["files"]]
    files, params = basis["code"]["files"], basis["params"]
    other = [entry["path"] for entry in files if not entry["as committed"]]
    same = f"no: {_listed(other)}" if other else "yes"
    rows.append(["code", f"{len(files)} files", code(basis["code"]["sha256"]), same])
    rows.append(["params", f"{len(params['values'])} values", code(params["sha256"]), _as_committed(params)])
    return markdown_table(["what", "path", "hash", "as committed"], rows)


def _version_rows(versions: dict[str, dict[str, str | None]]) -> list[str]:
    rows = []
    for package, version in versions.items():
        differs = "" if package not in other_versions(versions) else " **(differs)**"
        rows.append([code(package), version["stated"] or "", f"{version['installed'] or 'not installed'}{differs}"])
    return markdown_table(["package", "stated by the commit", "installed here"], rows)


def other_versions(versions: dict[str, dict[str, str | None]]) -> list[str]:
    """The packages whose installed version is not the one the commit states; builds (`+cpu`) are not compared."""
    return [
        package
        for package, version in versions.items()
        if version["stated"] and (version["installed"] or "").partition("+")[0] != version["stated"]
    ]


def _as_committed(entry: dict[str, Any]) -> str:
    return "yes" if entry["as committed"] else "no"


def _listed(names: list[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(code(name) for name in names[:limit]) + more


def _digest_of(entries: list[dict[str, Any]]) -> str:
    return digest([[entry["path"], entry["hash"]] for entry in entries])


def _plain(value: Any) -> Any:
    """A value that JSON can hold."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
