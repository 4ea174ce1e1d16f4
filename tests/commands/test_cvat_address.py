"""Where CVAT is and who asks: certificates are verified, and the token is shown and sent to nobody else."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from commands._cvat.address import read_address
from commands._cvat.server import connected
from commands._cvat.transport import Patience
from pixelproof.core.errors import StateError
from tests.commands.cvat_place import server
from tests.cvat_faults import hang_up, redirect, status
from tests.cvat_server import TOKEN, CvatServer, serving

__all__ = ["server"]

ROOT = Path(__file__).parents[2]
SURE = Patience(attempts=2, backoff=0.01, stall=5, period=0.01)


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("https://cvat.example.org/", "https://cvat.example.org"),
        ("cvat.example.org:8443", "https://cvat.example.org:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_addresses(given: str, host: str) -> None:
    address = read_address({"CVAT_HOST": given, "CVAT_ACCESS_TOKEN": f" {TOKEN}\n"})
    assert (address.host, address.token) == (host, TOKEN)
    assert TOKEN not in repr(address)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"CVAT_HOST": ""}, "CVAT_HOST: not set; set it to your CVAT server, such as https://app.cvat.ai"),
        ({"CVAT_ACCESS_TOKEN": ""}, "CVAT_ACCESS_TOKEN: not set; set it to a personal access token: make one in CVAT"),
        ({"CVAT_ACCESS_TOKEN": f"{TOKEN}\r\nX: y"}, "CVAT_ACCESS_TOKEN: a character that no token has; copy it again"),
        ({"CVAT_ACCESS_TOKEN": f"{TOKEN}é"}, "CVAT_ACCESS_TOKEN: a character that no token has"),
        ({"CVAT_HOST": "http://cvat.example.org"}, "http to cvat.example.org would send the token unencrypted; use"),
        ({"CVAT_HOST": "http://localhost.example.org"}, "would send the token unencrypted"),
        ({"CVAT_HOST": "http://10.0.0.7:8080"}, "http to 10.0.0.7 would send the token unencrypted"),
        ({"CVAT_HOST": "https://anna:pass@cvat.example.org"}, "CVAT_HOST: it holds a user or a password"),
        ({"CVAT_HOST": "https://cvat.example.org/tasks/7"}, "is not the address of a server; give scheme, host and"),
        ({"CVAT_HOST": f"https://cvat.example.org/{TOKEN}"}, "'https://cvat.example.org' and what follows is not the"),
        ({"CVAT_HOST": f"cvat.example.org?token={TOKEN}"}, "'https://cvat.example.org' and what follows is not the"),
        ({"CVAT_HOST": f"https://cvat.example.org#{TOKEN}"}, "'https://cvat.example.org' and what follows is not the"),
        ({"CVAT_HOST": f"https:///{TOKEN}"}, "'https://' is not the address of a server"),
        ({"CVAT_HOST": "ftp://cvat.example.org"}, "is not the address of a server"),
        ({"CVAT_HOST": "https://cvat.example.org:x"}, "CVAT_HOST: not an address"),
        ({"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}, "REQUESTS_CA_BUNDLE: no such file: /nowhere/ca.pem; name a file"),
    ],
)
def test_what_cannot_be_right_is_one_line_without_secrets(environ: dict[str, str], message: str) -> None:
    with pytest.raises(StateError) as raised:
        read_address({"CVAT_HOST": "https://cvat.example.org", "CVAT_ACCESS_TOKEN": TOKEN, **environ})
    assert message in str(raised.value)
    assert TOKEN not in str(raised.value) and "pass@" not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("http://127.0.0.1:9", "http://127.0.0.1:9: connection refused; is the address right, the server up"),
        ("https://no-such-host.invalid", "https://no-such-host.invalid: no host of this name"),
    ],
)
def test_an_unreachable_server_is_said_at_once(host: str, message: str) -> None:
    with (
        pytest.raises(StateError, match=message),
        connected(patience=Patience(backoff=60), environ={"CVAT_HOST": host, "CVAT_ACCESS_TOKEN": TOKEN}),
    ):
        pass


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private authority (ca.pem), and a certificate of it for 127.0.0.1 with its key (server.pem)."""
    folder = tmp_path_factory.mktemp("tls")
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of our own")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)

    def signed(name: x509.Name, public: ec.EllipticCurvePublicKey, ca: bool) -> bytes:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = builder if ca else builder.add_extension(names, critical=False)
        return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    (folder / "ca.pem").write_bytes(signed(issuer, authority.public_key(), ca=True))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(signed(subject, key.public_key(), ca=False) + private)
    return folder


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_without_certificates_is_named(content: str, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(content)
    environ = {"CVAT_HOST": "https://127.0.0.1:9", "CVAT_ACCESS_TOKEN": TOKEN, "REQUESTS_CA_BUNDLE": str(bundle)}
    with (
        pytest.raises(StateError, match=rf"REQUESTS_CA_BUNDLE: {bundle}: no certificate in it; name a file of cert"),
        connected(patience=SURE, environ=environ),
    ):
        pass


def test_certificates_are_verified_and_a_private_authority_is_trusted_on_request(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = CvatServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem")
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    environ = {"CVAT_HOST": secure.url.replace("http:", "https:"), "CVAT_ACCESS_TOKEN": TOKEN}
    with serving(secure):
        distrust = pytest.raises(StateError, match="its certificate cannot be verified; if its certificate is your org")
        with distrust, connected(patience=SURE, environ=environ):
            pass
        assert not secure.asked
        with connected(patience=SURE, environ={**environ, "REQUESTS_CA_BUNDLE": str(certificates / "ca.pem")}):
            assert len(secure.asked) == 2
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))  # OpenSSL itself reads this one
        with connected(patience=SURE, environ=environ):
            assert len(secure.asked) == 4


def test_https_to_a_server_without_it_is_said(server: CvatServer) -> None:
    environ = {"CVAT_HOST": server.url.replace("http:", "https:"), "CVAT_ACCESS_TOKEN": TOKEN}
    no_tls = pytest.raises(StateError, match=r"no TLS: .*; does this server speak https at this port")
    with no_tls, connected(patience=SURE, environ=environ):
        pass


def test_the_token_is_in_no_output_file_or_traceback(server: CvatServer, tmp_path: Path) -> None:
    """A process of its own with all loggers on, through good answers, odd ones and refusals that quote the token."""
    debug = (
        "import logging, sys; logging.basicConfig(level=1)\n"
        "from commands.__main__ import main\n"
        "from pixelproof.core.errors import run_main\n"
        "run_main(lambda: main(sys.argv[1:]))"
    )

    def output(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-c", debug, "cvat", "pull", "--out", str(tmp_path / "out"), *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    code, said = output("--project", "5")
    assert code == 0 and "6 frames pulled" in said and TOKEN not in said
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    refusal = status(403, body={"detail": f"not for Bearer {TOKEN}"})
    for faults, expected in (
        (
            [status(500), hang_up, redirect(f"http://localhost:1/?{TOKEN}")],
            "the server redirects to http://localhost:1;",
        ),
        ([refusal], "not for Bearer ***"),
        ([status(200, body={"count": TOKEN, "results": TOKEN})], "that cvat-sdk cannot read"),
    ):
        server.fail("/api/jobs", *faults)
        code, said = output("--task", "7")
        assert code == 2 and expected in said and TOKEN not in said and "Traceback" not in said
    assert server.tokens[0][1] == f"Bearer {TOKEN}"
