"""Every request of the SDK goes through here: patience with busy servers, errors in one line, and a token kept home."""

from __future__ import annotations

import email.utils
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3
from cvat_sdk.api_client.exceptions import ApiException
from cvat_sdk.api_client.rest import RESTClientObject

from commands._cvat.address import BUNDLE, NEW_TOKEN, TOKEN, Address, is_private
from pixelproof.core.errors import PixelproofError, StateError
from pixelproof.core.progress import say

SECRETS = ("authorization", "cookie", "x-csrftoken")
REDIRECTS = 5
LATER = (429, 500, 502, 503, 504)
EXPORTS = ("/dataset/export",)  # asked twice, the server answers with the same export
UNREACHABLE = "is the address right, the server up, and this machine allowed to reach it?"


class HiddenError(StateError):
    """The server has no such thing, or does not let the token's owner see or change it."""


@dataclass(frozen=True)
class Patience:
    """How long to put up with a busy server or a bad connection.

    Attributes:
        attempts: how many in a row may fail.
        backoff: seconds before the second attempt, doubled before each further one.
        longest: the longest pause, in seconds, that a server may ask for.
        stall: seconds without an answer.
        period: seconds between two looks at an export that the server prepares.
    """

    attempts: int = 6
    backoff: float = 1.0
    longest: float = 300.0
    stall: float = 60.0
    period: float = 2.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return float(self.backoff * 2 ** (failures - 1))


class Transport(RESTClientObject):  # type: ignore[misc]
    """The SDK's own HTTP client, with rules of ours around each request."""

    def __init__(self, configuration: Any, address: Address, patience: Patience) -> None:
        """Take over the SDK's settings; certificates are verified, and redirects followed by `request` alone."""
        configuration.retries, configuration.verify_ssl, configuration.ssl_ca_cert = False, True, address.bundle
        if address.bundle:
            _check_certificates(address.bundle)
        super().__init__(configuration)
        self.address, self.patience = address, patience
        self.reached = False

    def request(self, method: str, url: str, **given: Any) -> urllib3.HTTPResponse:
        """Send a request, again if that may help, and return the answer.

        Args:
            method: of HTTP.
            url: where to.
            given: what else the SDK passes on; with `_check_status=False` any final answer is returned.

        Returns:
            The answer.

        Raises:
            StateError: there is none, or it is a refusal.
        """
        check = given.pop("_check_status", True)
        given["_request_timeout"] = given.get("_request_timeout") or self._timeout(method)
        failures = redirects = 0
        while True:
            answer, reason = self._once(method, url, given)
            if answer is not None and 300 <= answer.status < 400 and "location" in answer.headers:
                redirects += 1
                url = self._redirected(method, url, answer, redirects, streamed=not given.get("_parse_response", True))
                continue
            if answer is not None and not self._may_help(method, url, answer.status):
                if check and answer.status >= 300:
                    raise self.refusal(url, answer)
                return answer
            failures += answer is None or answer.status != 409  # that one is at work on what was asked for
            self._wait(url, reason, failures, answer)

    def _once(self, method: str, url: str, given: Mapping[str, Any]) -> tuple[urllib3.HTTPResponse | None, str]:
        """One attempt: the answer, or why there is none and another may help."""
        headers = dict(given.get("headers") or {})
        if not self.address.owns(url):
            headers = {name: value for name, value in headers.items() if name.lower() not in SECRETS}
        try:
            answer = super().request(method, url, _check_status=False, **{**given, "headers": headers})
        except ApiException as error:  # the SDK's for TLS
            raise self._distrusted(url, error) from None
        except urllib3.exceptions.HTTPError as error:
            reason = _reason(error)
            if not self.reached:
                raise StateError(place(url), reason, UNREACHABLE) from None
            sent = not isinstance(error, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)
            if sent and not _repeatable(method, url):
                fix = "look in CVAT whether it arrived before you repeat it"
                raise StateError(shown(url), f"{reason} after {method} was sent", fix) from None
            return None, reason
        self.reached = True
        return answer, ""

    def _may_help(self, method: str, url: str, status: int) -> bool:
        if status == 409:
            return method == "POST" and urlsplit(url).path.endswith(EXPORTS)
        return status == 429 or (status in LATER and _repeatable(method, url))

    def _wait(self, url: str, reason: str, failures: int, answer: urllib3.HTTPResponse | None) -> None:
        asked = _asked(answer)
        if answer is not None:
            reason = f"the server answered {answer.status} {answer.reason}"
            answer.drain_conn()
        if failures >= self.patience.attempts:
            raise StateError(shown(url), reason, f"{failures} attempts in a row failed; try again later")
        if asked is not None and asked > self.patience.longest:
            raise StateError(shown(url), f"{reason} and asks to wait {asked:.0f} s", "try again then")
        if not failures:
            pause = self.patience.period
        else:
            pause = self.patience.pause(failures) if asked is None else asked
            say(f"{shown(url)}: {reason}; trying again in {pause:g} s")
        time.sleep(pause)

    def _redirected(self, method: str, url: str, answer: urllib3.HTTPResponse, count: int, *, streamed: bool) -> str:
        """Where a redirect leads. Only files may lie elsewhere, and `_once` sends no token there."""
        target = urljoin(url, answer.headers["location"])
        answer.drain_conn()
        if count > REDIRECTS:
            raise StateError(shown(url), f"more than {REDIRECTS} redirects", "check the address in CVAT_HOST")
        if method not in ("GET", "HEAD") or not (self.address.owns(target) or streamed):
            fix = f"set CVAT_HOST to {place(target)} if that is your server"
            raise StateError(shown(url), f"the server redirects to {place(target)}", fix)
        if not is_private(target):
            fix = "ask the server's administrator to serve its files over https"
            raise StateError(shown(url), f"the server redirects to {place(target)}, without encryption", fix)
        return target

    def refusal(self, url: str, answer: urllib3.HTTPResponse) -> PixelproofError:
        """The error for an answer that is none of what was hoped for."""
        status, host = answer.status, place(url)
        if status == 401:
            found = f"{host} does not accept it (401): expired, revoked, or another server's"
            return StateError(TOKEN, found, NEW_TOKEN)
        said = self._said(answer)
        if status == 403:
            fix = "use the token of a user who may, and one that is not read-only for `label`"
            return HiddenError(shown(url), f"the token's owner may not do that (403){said}", fix)
        if status == 404:
            found = f"no such thing, or hidden from the token's owner (404){said}"
            return HiddenError(shown(url), found, "check the number")
        return StateError(shown(url), f"the server answered {status} {answer.reason}{said}", "see the server's log")

    def _said(self, answer: urllib3.HTTPResponse) -> str:
        """What the server says about it, shortened."""
        try:
            body = json.loads(answer.data)
        except (ValueError, RecursionError, urllib3.exceptions.HTTPError):
            return ""
        text = body.get("detail", "") if isinstance(body, dict) else body
        return f": {self.address.without_token(str(text))[:200]}" if text else ""

    def _distrusted(self, url: str, error: ApiException) -> PixelproofError:
        found = " ".join(str(error.reason).split())
        if "CERTIFICATE_VERIFY_FAILED" in found:
            fix = "if its certificate is your organisation's own, name those certificates in REQUESTS_CA_BUNDLE"
            return StateError(place(url), "its certificate cannot be verified", fix)
        return StateError(place(url), f"no TLS: {found[:200]}", "does this server speak https at this port?")

    def _timeout(self, method: str) -> tuple[float, float]:
        """To connect, and to answer: annotations of a large task take the server a while."""
        stall = self.patience.stall
        return (stall, stall if _repeatable(method, "") else 10 * stall)


def _check_certificates(bundle: str) -> None:
    """Require a file of certificates: urllib3 would say at the first request that the connection failed."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(bundle)
    except OSError as error:
        found = "no certificate in it" if isinstance(error, ssl.SSLError) else str(error.strerror)
        raise StateError(BUNDLE, f"{bundle}: {found}", "name a file of certificates (PEM), or unset it") from None


def place(url: str) -> str:
    """Scheme, host and port of a URL: nothing that could be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def shown(url: str) -> str:
    """A URL without its query, which may hold a signature."""
    return f"{place(url)}{urlsplit(url).path}"


def _repeatable(method: str, url: str) -> bool:
    return method in ("GET", "HEAD", "PUT") or (method == "POST" and urlsplit(url).path.endswith(EXPORTS))


def _asked(answer: urllib3.HTTPResponse | None) -> float | None:
    """The seconds that the server asks to wait: a number or a date."""
    text = answer.headers.get("Retry-After", "") if answer is not None else ""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """Why there is no answer, in words."""
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "no host of this name"
    if words := getattr(error.__cause__ or error.__context__, "strerror", None):
        return str(words).lower()
    return "no answer in time" if isinstance(error, urllib3.exceptions.TimeoutError) else "the connection broke"
