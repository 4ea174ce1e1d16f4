"""The content-security policy that a page of ours states of itself: nothing from outside, and nothing but its own."""

from __future__ import annotations

import base64
import hashlib


def content_security_policy(style: str, script: str | None = None) -> str:
    """Nothing may be loaded or run but the pictures in the page, this style and this script, told by their hashes."""
    rules = {"default-src": "'none'", "img-src": "data:", "style-src": digest(style)}
    rules |= {"script-src": digest(script)} if script is not None else {}
    rules |= {"base-uri": "'none'", "form-action": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def digest(text: str) -> str:
    """How a policy names an inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
