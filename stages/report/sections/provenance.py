"""What this page is based on: digests that anyone can reproduce with shell tools, versions, and all settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelproof.core.files import read_json
from pixelproof.data.dataset import SPLITS
from stages.report.digests import CODE, OURS, canonical, of_code, of_file, of_folder, of_values
from stages.report.figures import ranking
from stages.report.gather import Results

TITLE = "What this page is based on"
ORDER = 140
GROUP = "Origins"
ROOT = Path(__file__).resolve().parents[3]  # of the code that makes the page
CODE_FOLDERS = ("pixelproof", "stages")
PARAMS = (
    'bin/python -c "from pixelproof.core.params import load; from stages.report.params import Params; '
    "from stages.report.digests import canonical; print(canonical(load('report', Params).model_dump()), end='')\""
    " | sha256sum"
)


@dataclass(frozen=True)
class Proof:
    """An input, its SHA-256, and the command that reproduces it in the folder of the clone."""

    name: str
    digest: str | None
    command: str


def context(results: Results) -> dict[str, Any]:
    """Digests of data, params, code, packages and weights; versions; all settings."""
    values = results.params.model_dump()
    return {
        "proofs": proofs(results, values),
        "weights": weights(results),
        "versions": read_json(ROOT / "pixelproof/core/versions.json"),
        "settings": list(settings(values)),
    }


def proofs(results: Results, values: dict[str, Any]) -> list[Proof]:
    """All but the weights."""
    root = results.root
    folders = {f"{split} split": f"data/prepared/{split}" for split in SPLITS} | {"augmented copies": "data/augmented"}
    return [
        file_proof("classes and sources", root, "data/prepared/dataset.json"),
        *(Proof(name, of_folder(root / path), f"cd {path} && {OURS}") for name, path in folders.items()),
        Proof("params", of_values(values), PARAMS),
        Proof("code, without comments", of_code(ROOT, CODE_FOLDERS), f"{CODE} {' '.join(CODE_FOLDERS)} | sha256sum"),
        file_proof("versions of all packages", root, "requirements.lock"),
    ]


def weights(results: Results) -> list[tuple[str, int, Proof]]:
    """The weights of each architecture and seed, the best first."""
    return [
        (name, run.seed, file_proof("weights", results.root, path.relative_to(results.root).as_posix()))
        for name in ranking(results)
        for run in results.runs[name]
        for path in run.weights
    ]


def file_proof(name: str, root: Path, path: str) -> Proof:
    """A file's digest."""
    return Proof(name, of_file(root / path), f"sha256sum {path}")


def settings(values: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """`key path -> value` of every setting; what is not a section is one value, as JSON."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", canonical(value)
