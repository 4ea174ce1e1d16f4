"""`serve`: the schedule of prefect.yaml makes runs happen, on loopback, with nothing written outside the clone."""

from __future__ import annotations

import base64
import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from pipelines.flows.serve import password, serve
from pixelproof.core.errors import StateError
from tests.browser import chromium
from tests.pipelines.conftest import ROOT, sh
from tests.pipelines.flows.conftest import Served, serving


def test_a_scheduled_run_finishes(served: Served) -> None:
    run = served.scheduled_run
    assert run["auto_scheduled"]
    assert run["state_name"] == "Completed", run["state"]["message"]
    assert run["state"]["message"] == "0 ran, 0 restored, 6 skipped"
    assert run["work_pool_name"] == "pixelproof"
    assert set(served.task_runs(run["id"])) == {"download", "cvat", "prepare", "train@unet", "train@fcn", "report"}


def test_only_loopback_is_served_and_all_is_kept_in_the_clone(served: Served) -> None:
    family = [served.process, *served.process.children(recursive=True)]
    listening = {c.laddr.ip for p in family for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert (served.repo / ".pixelproof/prefect/prefect.db").exists()
    assert not Path.home().joinpath(".prefect").exists()
    assert sh("git", "status", "--porcelain", cwd=served.repo).stdout == " M prefect.yaml\n"  # the test's own schedule


# What a page can do that its visitor does not see: a flow of its own, as the first step to a deployment with a command.
FOREIGN = """<script>
const send = (kind, headers) => fetch("API/flows/", {
  method: "POST", mode: kind, headers, body: JSON.stringify({name: `foreign ${kind}`}), credentials: "omit",
}).then(answer => answer.status || answer.type, error => "refused");
const socket = new Promise(done => {
  const open = new WebSocket("API/events/in".replace("http", "ws"));
  open.onopen = () => done("open");
  open.onclose = open.onerror = () => done("refused");
});
Promise.all([send("cors", {"content-type": "application/json"}), send("no-cors", {}), socket])
  .then(found => document.title = found.join());
</script>"""


@pytest.fixture
def foreign_page(served: Served, tmp_path: Path) -> Iterator[str]:
    """The address of a web page from elsewhere that tries to make the server work for it."""
    (tmp_path / "index.html").write_text(FOREIGN.replace("API", served.api))
    handler = lambda *given: http.server.SimpleHTTPRequestHandler(*given, directory=str(tmp_path))  # noqa: E731
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{elsewhere.server_port}/index.html"
        elsewhere.shutdown()


def test_a_foreign_web_page_starts_nothing(served: Served, foreign_page: str) -> None:
    with chromium() as browser:
        page = browser.browser.new_context().new_page()
        page.goto(foreign_page)
        page.wait_for_function("document.title", timeout=60_000)
        assert page.title() in ("refused,opaque,refused", "refused,refused,refused")  # opaque: sent, and answered 403
    assert [flow["name"] for flow in served.ask("flows") if "foreign" in flow["name"]] == []


def test_without_the_password_or_from_another_name_or_page_nothing_is_told(served: Served) -> None:
    def status(headers: dict[str, str], login: tuple[str, str] | None = served.login) -> int:
        asked = httpx.post(
            f"{served.api}/flows/filter", json={}, headers=headers, auth=login, timeout=60, trust_env=False
        )
        return asked.status_code

    own = served.headers
    address = served.api.removeprefix("http://").removesuffix("/api")
    assert status(own) == 200
    assert status(own | {"Origin": f"http://{address}"}) == 200  # its own page
    assert status(own, login=None) == 401
    assert status(own, login=("pixelproof", "guess")) == 401
    assert status({}) == 403  # a request that any form could send: no CSRF token
    assert status(own | {"Origin": "https://example.org"}) == 403
    assert status(own | {"Host": f"example.org:{address.split(':')[1]}"}) == 403  # a name that resolves to this machine


def test_a_socket_from_a_foreign_page_is_refused(served: Served) -> None:
    login = base64.b64encode(":".join(served.login).encode()).decode()
    with pytest.raises(WebSocketException):
        connect(
            f"{served.api.replace('http', 'ws')}/events/in",
            origin="https://example.org",  # type: ignore[arg-type]
            additional_headers={"Authorization": f"Basic {login}"},
            proxy=None,
        )


def test_only_its_owner_can_read_the_password_and_no_log_has_it(served: Served) -> None:
    home = served.repo / ".pixelproof/prefect"
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "auth").stat().st_mode & 0o777 == 0o600
    secret = served.login[1]
    assert len(secret) >= 32
    assert not [log.name for log in home.glob("*.log") if secret in log.read_text()]


@pytest.mark.slow
def test_a_cron_of_every_minute_runs(reproduced: Path, tmp_path: Path) -> None:
    with serving(reproduced, tmp_path / "repo", {"cron": "* * * * *"}, seconds=300) as served:
        assert served.scheduled_run["state_name"] == "Completed"


def test_a_taken_port_is_an_error(clone: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StateError, match=r"cannot be served.*give another with --port"):
            serve(taken.getsockname()[1])
    with pytest.raises(StateError, match="cannot be served"):
        serve(70_000)


def test_the_schedule_of_the_project_is_nightly() -> None:
    deployment, *others = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert deployment["name"] == "reproduce" and not any("schedules" in other for other in others)
    assert deployment["schedules"] == [{"cron": "0 3 * * *", "timezone": "UTC"}]


def test_a_password_that_could_not_be_written_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk would otherwise leave an empty one for ever; here a process may write no byte."""
    program = (
        "import resource, signal\nfrom pipelines.flows.serve import password\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\npassword()"
    )
    environ = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    full = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environ, capture_output=True, check=False)
    assert b"OSError: [Errno 27]" in full.stderr
    assert list((tmp_path / ".pixelproof/prefect").iterdir()) == []
    monkeypatch.chdir(tmp_path)
    made = password()
    assert made == password() and made.startswith("pixelproof:") and len(made) > 40
    assert [path.name for path in (tmp_path / ".pixelproof/prefect").iterdir()] == ["auth"]
