"""`compare`: two revisions in, one Markdown page out: metrics better or worse, and what changed in params and data.

Everything is read as data with git, nothing of either revision is run: the page may be made for a stranger's fork.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pipelines.markdown import code, fit, number, size, table
from pipelines.revision import Revision, flatten, open_revision
from pipelines.verify import is_number
from stages.errors import StateError
from stages.files import write_text

# By the last part of a metric's key: +1 where higher is better, -1 where lower is.
DIRECTIONS = {
    "mIoU": 1,
    "iou": 1,
    "pixel_accuracy": 1,
    "mean_accuracy": 1,
    "accuracy": 1,
    "precision": 1,
    "recall": 1,
    "f1": 1,
    "ece": -1,
}
UNDEFINED = "undefined (null)"
OUTPUTS_SHOWN = "data/prepared/"


def compare(base: str, head: str, out: Path | None) -> None:
    """Print the comparison, or write it as `comparison.md` into the folder `out`."""
    page = render(open_revision(base), open_revision(head))
    if out is None:
        print(page, end="")
    else:
        write_text(out / "comparison.md", page)
        print(out / "comparison.md")


def render(base: Revision, head: Revision) -> str:
    """The Markdown page, short enough for a comment on GitHub."""
    rows = compare_metrics(base.metrics(), head.metrics())
    names = [f"{code(side.name)}" + (f" ({side.commit[:10]})" if side.commit else "") for side in (base, head)]
    lines = [f"### Metrics: {verdict(rows)}", "", f"base {names[0]}, head {names[1]}"]
    if rows:
        header = ["architecture", "metric", "base", "head", "change", "verdict"]
        lines += ["", *table(header, [[code(row[0]), code(row[1]), *row[2:]] for row in rows])]
    for title, changes in (
        ("Params", changed_params(base, head)),
        ("Data", changed_data(base, head)),
        ("Code", changed_code(base, head)),
    ):
        lines += ["", f"#### {title}", "", *(changes or ["No change."])]
    return fit(lines)


def verdict(rows: list[list[str]]) -> str:
    """How many metrics became better or worse, in one line; nothing that could not be judged is left unsaid."""
    if not rows:
        return "neither revision has any"
    counts = Counter(row[-1] for row in rows)
    parts = [f"{counts.pop(kind, 0)} {kind}" for kind in ("better", "worse", "unchanged")]
    return ", ".join(parts + [f"{count} {kind}" for kind, count in sorted(counts.items())])


def compare_metrics(base: dict[str, dict[str, Any]], head: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Rows of architecture, metric, base, head, change and verdict, for every metric that either side has."""
    rows = []
    for arch in sorted(base.keys() | head.keys()):
        before, after = base.get(arch, {}), head.get(arch, {})
        for key in sorted(before.keys() | after.keys()):
            rows.append([arch, key, _shown(before, key), _shown(after, key), *_judge(before, after, key)])
    return rows


def _judge(before: dict[str, Any], after: dict[str, Any], key: str) -> tuple[str, str]:
    if key not in after:
        return "not comparable", "missing in head"
    if key not in before:
        return "not comparable", "new in head"
    old, new = before[key], after[key]
    if not (is_number(old) and is_number(new)):
        return "not comparable", "unchanged" if old == new else "changed, not comparable"
    change = new - old
    shown = f"{change:+.4f}" if change == 0 or abs(change) >= 0.0001 else f"{change:+.1e}"
    direction = DIRECTIONS.get(key.rsplit(".", 1)[-1])
    if change == 0:
        return "0", "unchanged"
    if direction is None:
        return shown, "changed, direction unknown"
    return shown, "better" if change * direction > 0 else "worse"


def _shown(metrics: dict[str, Any], key: str) -> str:
    if key not in metrics:
        return "missing"
    value = metrics[key]
    if value is None:
        return UNDEFINED
    return number(value) if is_number(value) else code(json.dumps(value))


def changed_params(base: Revision, head: Revision) -> list[str]:
    """One line for each key path of params.yaml whose value is not the same."""
    sides = [side.mapping("params.yaml") for side in (base, head)]
    lines = [
        f"- {code(side.name)} has no params.yaml."
        for side, values in zip((base, head), sides, strict=True)
        if values is None
    ]
    old, new = (flatten(values or {}) for values in sides)
    for key in sorted(old.keys() | new.keys(), key=str):
        if key not in old or key not in new or old[key] != new[key]:
            lines.append(f"- {code(key)}: {_param(old, key)} → {_param(new, key)}")
    return lines


def _param(values: dict[str, Any], key: str) -> str:
    return code(json.dumps(values[key], default=str, ensure_ascii=False)) if key in values else "not set"


def changed_data(base: Revision, head: Revision) -> list[str]:
    """One line for each part of the prepared dataset whose content dvc.lock says is another."""
    (old, _), (new, _) = locked(base), locked(head)
    lines = _lockless(base, head)
    for path in sorted(old.keys() | new.keys()):
        if path.startswith(OUTPUTS_SHOWN) and old.get(path, {}).get("md5") != new.get(path, {}).get("md5"):
            lines.append(f"- {code(path)}: {_extent(old.get(path))} → {_extent(new.get(path))}")
    return lines


def _extent(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "not recorded"
    files = entry.get("nfiles")
    counted = "" if files is None else "1 file, " if files == 1 else f"{files} files, "
    return counted + size(entry.get("size"))


def changed_code(base: Revision, head: Revision) -> list[str]:
    """One line for each file that stages depend on and whose content dvc.lock says is another."""
    (_, old), (_, new) = locked(base), locked(head)
    lines = _lockless(base, head)
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            kind = "no longer used" if path not in new else "new" if path not in old else "changed"
            lines.append(f"- {code(path)}: {kind}")
    return lines


def _lockless(*sides: Revision) -> list[str]:
    """Said once for each side without dvc.lock: "no change" would be a guess."""
    names = dict.fromkeys(side.name for side in sides if side.read("dvc.lock") is None)
    return [f"- {code(name)} has no dvc.lock, so nothing is known of it." for name in names]


def locked(side: Revision) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What dvc.lock records: `path -> entry` of outputs, and `path -> md5` of dependencies that no stage writes."""
    try:
        stages = (side.mapping("dvc.lock") or {}).get("stages", {}).values()
        outs = {str(entry["path"]): entry for stage in stages for entry in stage.get("outs", [])}
        deps = {str(entry["path"]): str(entry.get("md5")) for stage in stages for entry in stage.get("deps", [])}
    except (AttributeError, TypeError, KeyError):
        raise StateError(f"{side.name}: dvc.lock", "not as DVC writes it", "mend it, or `dvc repro`") from None
    return outs, {path: md5 for path, md5 in deps.items() if not _touches(path, outs)}


def _touches(path: str, outs: dict[str, dict[str, Any]]) -> bool:
    return any(path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in outs)
