"""Log in to a publisher's site with a name and a password from the environment, before a file is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from pixelproof.core.errors import FetchError


@dataclass(frozen=True)
class Login:
    """A page with a form, and the environment variables that hold what it asks for."""

    page: str  # answers with a redirect if name and password are right, and with the form again if not
    user: str
    password: str

    def enter(self, client: httpx.Client, environ: Mapping[str, str]) -> None:
        """Log in; the client keeps the cookie.

        Args:
            client: The one that will ask for the file.
            environ: Holds the name and the password, which appear in no message.

        Raises:
            FetchError: A variable is not set, or the site refuses what they say.
        """
        missing = [name for name in (self.user, self.password) if not environ.get(name)]
        if missing:
            raise FetchError(self.page, "asks for a name and a password", f"set {' and '.join(missing)}")
        form = {"username": environ[self.user], "password": environ[self.password], "submit": "Login"}
        answer = client.post(self.page, data=form, follow_redirects=False)
        if answer.status_code >= 500:
            raise httpx.TransportError(f"the server answered {answer.status_code}")  # worth another attempt
        if not answer.is_redirect:
            raise FetchError(self.page, "refuses the name or the password", f"check {self.user} and {self.password}")
