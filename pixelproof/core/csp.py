"""The content-security policy of the HTML pages written here: they load nothing, and run only their own code."""

from __future__ import annotations

import base64
import hashlib


def content_security_policy(style: str, script: str | None = None) -> str:
    """Allow images embedded in the page, and this style and script by their hashes; block everything else."""
    rules = {"default-src": "'none'", "img-src": "data:", "style-src": digest(style)}
    rules |= {"script-src": digest(script)} if script is not None else {}
    rules |= {"base-uri": "'none'", "form-action": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def digest(text: str) -> str:
    """The hash by which a policy allows an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
