"""What a training begins with instead of random weights, pinned by its SHA-256: `train.pretrained` of params.yaml.

`imagenet` is what an architecture's own file states as `imagenet = dict(url=..., sha256=...)`. Where only the first
digits of a digest are published (in the file's name, as torch.hub verifies it), `sha256` is these digits.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.core.files import sha256
from stages.configure.resolve import ARCHITECTURES, names, read

KEY = "train.pretrained"
FOLDER = "pretrained"
ENDINGS = (".safetensors", ".pth", ".pt")
ALLOWED = f"allowed: none, imagenet, a file in {FOLDER}/, or <http(s):// or file:// url>#sha256=<64 hex digits>"


def pinned(value: str, arch: str) -> dict[str, str] | None:
    """Where an architecture's first weights are and what their SHA-256 is; None where they are random."""
    if value == "none":
        return None
    if value == "imagenet":
        return imagenet(arch)
    return from_url(value) if "://" in value else from_folder(value)


def imagenet(arch: str) -> dict[str, str]:
    """The weights that an architecture's file states."""
    if stated := stated_by(arch):
        return stated
    others = ", ".join(name for name in names() if stated_by(name))
    raise ParamsError(KEY, "'imagenet'", f"{arch} states no such weights; these do: {others}")


def stated_by(arch: str) -> dict[str, str] | None:
    """An architecture's `imagenet`, None where it has none."""
    stated = read(ARCHITECTURES / f"{arch}.py").get("imagenet")
    if stated is None:
        return None
    digest = str(stated.get("sha256", ""))
    if set(stated) != {"url", "sha256"} or not re.fullmatch("[0-9a-f]{8,64}", digest):
        expected = "`imagenet = dict(url=..., sha256=<8 to 64 hex digits>)`"
        raise DataError(f"architectures/{arch}.py", expected, str(dict(stated)), "mend the file")
    return {"url": str(stated.url), "sha256": digest}


def from_url(value: str) -> dict[str, str]:
    """A url with its digest behind it, as pip writes it."""
    url, _, fragment = value.partition("#")
    scheme, _, rest = url.partition("://")
    digest = fragment.removeprefix("sha256=").lower()
    if scheme not in ("http", "https", "file") or not rest or not re.fullmatch("sha256=[0-9a-f]{64}", fragment.lower()):
        raise ParamsError(KEY, repr(value), ALLOWED)
    check_ending(value, url)
    return {"url": url, "sha256": digest}


def from_folder(value: str) -> dict[str, str]:
    """A file of the folder `pretrained`: nothing else of the repository is a dependency of configure."""
    path = PurePosixPath(value)
    if path.is_absolute() or path.parts[:1] != (FOLDER,) or ".." in path.parts or len(path.parts) < 2:
        raise ParamsError(KEY, repr(value), ALLOWED)
    check_ending(value, value)
    if not Path(path).is_file():
        raise ParamsError(KEY, repr(value), "no such file; see pretrained/README.md, or `dvc pull` what DVC keeps")
    return {"path": str(path), "sha256": sha256(Path(path))}


def check_ending(value: str, name: str) -> None:
    """That the name is one of a kind of file that can be loaded without running code."""
    if not name.lower().endswith(ENDINGS):
        raise ParamsError(KEY, repr(value), f"expected a name that ends in {', '.join(ENDINGS)}")
