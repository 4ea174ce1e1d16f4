"""Licences that a user has accepted: once for all clones, in the cache folder, or in an environment variable."""

from __future__ import annotations

from collections.abc import Mapping

from pixelproof.core.errors import FetchError
from pixelproof.core.files import read_json, write_json
from pixelproof.fetch.obtain import cache_folder

ACCEPTED = "PIXELPROOF_ACCEPT"  # names of datasets, separated by commas
FILE = "licences.json"


def accepted(name: str, licence: str, environ: Mapping[str, str]) -> bool:
    """Whether the user has accepted a dataset's licence as it is worded now.

    Args:
        name: The dataset.
        licence: What its facts say; another wording must be accepted anew.
        environ: `PIXELPROOF_ACCEPT` may list names; `PIXELPROOF_CACHE` names the folder that remembers.

    Example:
        >>> accepted("cityscapes", "research only", {"PIXELPROOF_ACCEPT": "ade20k, cityscapes", "HOME": "/nowhere"})
        True
    """
    listed = [one.strip() for one in environ.get(ACCEPTED, "").split(",")]
    return name in listed or _known(environ).get(name) == licence


def accept(name: str, licence: str, environ: Mapping[str, str]) -> None:
    """Remember that the user accepts a licence."""
    write_json(cache_folder(environ) / FILE, _known(environ) | {name: licence})


def require(name: str, licence: str, url: str, environ: Mapping[str, str]) -> None:
    """Check that a licence which asks for it was accepted.

    Raises:
        FetchError: It was not; the message says how to accept it.
    """
    if not accepted(name, licence, environ):
        fix = f"read {url}, then run `bin/pixelproof datasets --accept {name}` or set {ACCEPTED}={name}"
        raise FetchError(name, f"its licence must be accepted first ({licence})", fix)


def _known(environ: Mapping[str, str]) -> dict[str, str]:
    path = cache_folder(environ) / FILE
    return dict(read_json(path)) if path.exists() else {}
