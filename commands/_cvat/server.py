"""Opens a connection to a CVAT server, and turns what the SDK raises into one line."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import urllib3
from cvat_sdk.api_client.exceptions import ApiException, OpenApiException
from cvat_sdk.core.client import AccessTokenCredentials, Client, Config
from cvat_sdk.core.exceptions import CvatSdkException
from cvat_sdk.version import VERSION
from packaging.version import InvalidVersion, Version

from commands._cvat.address import read_address
from commands._cvat.transport import Patience, Transport, shown
from pixelproof.core.errors import StateError

OLDEST, TOO_NEW = Version("2.48"), Version("3")  # 2.48 was the first with personal access tokens


@contextmanager
def connected(
    cache: Path | None = None, patience: Patience | None = None, environ: Mapping[str, str] = os.environ
) -> Iterator[Client]:
    """A client of the server that the environment names, once that server has accepted the token.

    Args:
        cache: where the SDK keeps images and data of tasks; None for its own folder.
        patience: with a busy server.
        environ: the environment.

    Yields:
        The SDK's client.

    Raises:
        StateError: the environment, the server or an answer of it is not as it should be.
    """
    address, patience = read_address(environ), patience or Patience()
    config = Config(status_check_period=patience.period, verify_ssl=True, **({"cache_dir": cache} if cache else {}))
    client = Client(address.host, logger=_silent(), config=config, check_server_version=False)
    client.api_client.rest_client = Transport(client.api_client.configuration, address, patience)
    client.api_client.deserialize = _readable(address.host, client.api_client.deserialize)
    client.login(AccessTokenCredentials(address.token))
    with client:
        try:
            _check(client)
            yield client
        except (OpenApiException, CvatSdkException, urllib3.exceptions.HTTPError) as error:
            raise _one_line(client, error) from None


def transport_of(client: Client) -> Transport:
    """What carries a client's requests."""
    found: Transport = client.api_client.rest_client
    return found


def _check(client: Client) -> None:
    """Require a CVAT of a version that we know, and a token that it accepts."""
    host, transport = client.api_map.host, transport_of(client)
    _, answer = client.api_client.server_api.retrieve_about(_parse_response=False, _check_status=False)
    if answer.status == 401:
        raise transport.refusal(host, answer)
    about = _parsed(answer.data) if answer.status == 200 else {}
    try:
        version = Version(str(about["version"]))
    except (KeyError, InvalidVersion):
        found = f"the answer {answer.status} that is none of CVAT's"
        fix = "check the address; CVAT's own page opens there in a browser"
        raise StateError(f"{host}/api/server/about", f"expected CVAT's version, found {found}", fix) from None
    if not OLDEST <= version < TOO_NEW:
        fix = "update CVAT, or export by hand as 'CVAT for images 1.1'"
        raise StateError(host, f"expected CVAT {OLDEST} or newer, below {TOO_NEW}, found {version}", fix)
    client.api_client.users_api.retrieve_self(_parse_response=False)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _readable(host: str, deserialize: Callable[..., Any]) -> Callable[..., Any]:
    """The SDK's parser of answers, which fails in as many ways as there are odd answers."""

    def read(answer: urllib3.HTTPResponse, *how: Any, **more: Any) -> Any:
        try:
            return deserialize(answer, *how, **more)
        except Exception:  # whatever a parser raises on an answer that is none
            where, found = shown(urljoin(host, answer.url or "")), "one that cvat-sdk cannot read"
            fix = "is something else between this machine and CVAT? If not, please report this as a bug"
            raise StateError(where, f"expected an answer of CVAT {VERSION}, found {found}", fix) from None

    return read


def _one_line(client: Client, error: Exception) -> StateError:
    """An error of the SDK's, without the answer's headers and body that it would print."""
    text = getattr(error, "reason", None) if isinstance(error, ApiException) else str(error)
    found = transport_of(client).address.without_token(" ".join(str(text).split()))[:300]
    fix = "if the server works in a browser, please report this as a bug"
    return StateError(client.api_map.host, f"{type(error).__name__}: {found}", fix)


def _silent() -> logging.Logger:
    """The SDK reports each step; we say what matters."""
    logger = logging.Logger("cvat")
    logger.addHandler(logging.NullHandler())
    return logger
