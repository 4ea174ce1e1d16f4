"""Where the CVAT server is and who asks, from the environment; the token is shown nowhere."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pixelproof.core.errors import StateError

HOST: Final = "CVAT_HOST"
TOKEN: Final = "CVAT_ACCESS_TOKEN"  # the name that cvat-cli reads too
BUNDLE: Final = "REQUESTS_CA_BUNDLE"
PORTS = {"https": 443, "http": 80}
NEW_TOKEN = "make one in CVAT under your profile, Security"


@dataclass(frozen=True)
class Address:
    """A server and the token for it.

    Attributes:
        host: scheme, host and port, without a slash at the end.
        token: a personal access token; not part of the object's text.
        bundle: certificates to trust instead of the system's; None for the system's.
    """

    host: str
    token: str = field(repr=False)
    bundle: str | None = None

    def owns(self, url: str) -> bool:
        """Whether a URL is of this server: only then may it be sent the token."""
        return origin(urlsplit(url)) == origin(urlsplit(self.host))

    def without_token(self, text: str) -> str:
        """A text, for example of the server's, with the token blotted out."""
        return text.replace(self.token, "***")


def read_address(environ: Mapping[str, str]) -> Address:
    """The address in CVAT_HOST, CVAT_ACCESS_TOKEN and REQUESTS_CA_BUNDLE.

    Args:
        environ: the environment.

    Returns:
        The server's address.

    Raises:
        StateError: one is missing or cannot be right, or the token would travel unencrypted.
    """
    host, token = read_host(environ), environ.get(TOKEN, "").strip()
    if not host:
        raise StateError(HOST, "not set", "set it to your CVAT server, such as https://app.cvat.ai")
    if not token:
        raise StateError(TOKEN, "not set", f"set it to a personal access token: {NEW_TOKEN}")
    if not re.fullmatch("[!-~]+", token):  # an error that HTTP libraries raise would quote it
        raise StateError(TOKEN, "a character that no token has", f"copy it again, or {NEW_TOKEN}")
    bundle = environ.get(BUNDLE) or None
    if bundle and not Path(bundle).is_file():
        raise StateError(BUNDLE, f"no such file: {bundle}", "name a file of certificates (PEM), or unset it")
    if not is_private(host):
        fix = "use https, or a tunnel (`ssh -L`) to http://localhost"
        raise StateError(HOST, f"http to {urlsplit(host).hostname} would send the token unencrypted", fix)
    return Address(host, token, bundle)


def read_host(environ: Mapping[str, str]) -> str:
    """The server in CVAT_HOST alone, for links to it.

    Args:
        environ: the environment.

    Returns:
        Scheme, host and port, without a slash at the end; "" if it is not set.

    Raises:
        StateError: it is not the address of a server, or holds more than that.
    """
    host = environ.get(HOST, "").strip()
    return _checked(host) if host else ""


def origin(url: SplitResult) -> tuple[str, str, int | None]:
    """Scheme, host and port, which together say whose a URL is."""
    return url.scheme, (url.hostname or "").rstrip("."), url.port or PORTS.get(url.scheme)


def is_private(url: str) -> bool:
    """Whether nobody on the way can read along: over TLS, or within this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))


def _checked(host: str) -> str:
    """The host with its scheme; messages quote no more of what was given, which may hold a password or a token."""
    whole = host if "://" in host else f"https://{host}"
    example = "give scheme, host and port alone, such as https://cvat.example.org:8443"
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError:
        raise StateError(HOST, "not an address", example) from None
    if "@" in parts.netloc:
        raise StateError(HOST, "it holds a user or a password", f"{example}; {TOKEN} says who asks")
    named = f"{parts.scheme}://{parts.hostname or ''}"  # what is behind may hold a token
    if parts.scheme not in PORTS or not parts.hostname:
        raise StateError(HOST, f"'{named}' is not the address of a server", example)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise StateError(HOST, f"'{named}' and what follows is not the address of a server", example)
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
