"""A mirror is tried first, and passed over with a message if it has nothing."""

from __future__ import annotations

import re

import pytest

from pixelproof.core.errors import FetchError
from pixelproof.fetch.obtain import cache_folder
from pixelproof.sources.request import Archive
from stages.download.archive import at_hand
from tests.pixelproof.fetch.server import NOBODY, Place, pack


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize("form", ["folder", "file", "http"])
def test_a_mirror_is_tried_first(place: Place, form: str, ending: str) -> None:
    asked = place.at(place.serve()).asked
    packed = pack(place.folder / "mir ror" / f"Repo-1{ending}")
    server = place.serve(files={f"/deep/{packed.name}": packed.read_bytes()})
    folder = packed.parent
    place.obtain({"folder": str(folder), "file": folder.as_uri(), "http": f"{server.url}/deep/"}[form])
    assert asked == []
    assert place.left() == ({"into", "Repo-1.archive"} if form == "http" else {"into"})  # a folder is read in place


@pytest.mark.parametrize("fault", ["no folder", "empty", "damaged", "empty server", "no server", "broken server"])
def test_if_the_mirror_has_none_the_url_is_tried(place: Place, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    origin = place.at(place.serve())
    mirror = {
        "empty server": lambda: place.serve(files={"/other": b""}).url,
        "broken server": lambda: place.serve("500", files={"/Repo-1.tar": b"x"}).url,
        "no server": lambda: NOBODY,
    }.get(fault, lambda: str(place.folder / "mirror"))()
    if fault in ("empty", "damaged"):
        (place.folder / "mirror").mkdir()
    if fault == "damaged":
        (place.folder / "mirror" / "Repo-1.tar").write_bytes(b"not an archive")
    place.obtain(mirror)
    assert len(origin.asked) == 1
    assert re.search(
        r"no such folder|has no Repo-1|Repo-1\.(tar|csv)", capsys.readouterr().err
    )  # reported, not passed over in silence


def test_neither_mirror_nor_url_has_it(place: Place) -> None:
    with pytest.raises(FetchError) as caught:
        place.obtain(str(place.folder / "mirror"))
    message = str(caught.value)
    assert f"{place.folder}/..." in message and place.url in message and "DATA_MIRROR" in message
    assert len(message.splitlines()) == 1
    assert place.left() == set()


@pytest.mark.parametrize("mirror", ["ftp://host/x", "s3://bucket", "http://[::1", "file://["])
def test_a_mirror_of_another_kind_is_an_error(place: Place, mirror: str) -> None:
    with pytest.raises(FetchError, match=r"DATA_MIRROR.*allowed: a folder, a file:// or an http"):
        place.obtain(mirror)


@pytest.mark.parametrize(
    "mirror",
    [
        "http://anna:secret@{host}",
        "http://{host}?token=secret",
        "http://{host}#secret",
        "http://anna:sec/secret@{host}",
        "http://anna:secret\u2100@{host}",
        "http://anna:secret\x07@{host}",
        "http://anna:secret@[::1",
        "http:/anna:secret@{host}",
        "anna:secret@{host}/data",
        "{host}/data?token=secret",
        "{host}/data#secret",
        "http://{host}/secret/x",
        "http://{host}/x;secret",
        "http://{host}/x;secret/",
        "http://{host}/secret;x?secret=secret#secret",
        "http://anna:1/secret@{host}",
        "//anna:secret/{host}",
        "anna:secret",
        "token=secret",
        "secret",
        "/secret",
        "~/secret",
        "./secret",
        "../secret/secret",
        "/dev/null/secret",
        "file:///secret",
        "file://secret/x",
        "secret://{host}",
        "token=secret://{host}",
        "token=" + 300 * "secret",
    ],
)
def test_a_password_or_a_token_is_never_shown(place: Place, mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = place.serve("500", files={"/Repo-1.tar": b""})
    with pytest.raises(FetchError) as caught:
        place.obtain(mirror.format(host=server.url.removeprefix("http://")))
    captured = capsys.readouterr()
    shown = str(caught.value) + captured.out + captured.err
    assert ("DATA_MIRROR" in shown or server.url in shown) and "secret" not in shown


def test_a_token_is_not_shown_by_a_look_for_what_is_at_hand(place: Place) -> None:
    environ = {"DATA_MIRROR": 300 * "secret", "PIXELPROOF_CACHE": str(place.cache)}
    assert not at_hand(Archive("Repo-1", place.url, 1, folder="", digest="", max_files=1), environ)


@pytest.mark.parametrize(
    ("mirror", "shown"),
    [
        ("{there}/no/such", "DATA_MIRROR {there}/...: no such folder, or none you may read; allowed: a folder, a file"),
        ("{there}/file", "DATA_MIRROR {there}/...: no such folder"),
        ("{there}", "DATA_MIRROR {there}: has no Repo-1; Repo-1.tar"),
        ("no-such", "DATA_MIRROR (7 characters): no such folder"),
        ("http://127.0.0.1:9/deep/er", "http://127.0.0.1:9/.../Repo-1.tar: "),
    ],
)
def test_what_is_no_secret_is_shown(place: Place, mirror: str, shown: str) -> None:
    (place.folder / "mirror").mkdir()
    (place.folder / "mirror/file").touch()
    with pytest.raises(FetchError) as caught:
        place.obtain(mirror.format(there=place.folder / "mirror"))
    assert shown.format(there=place.folder / "mirror") in str(caught.value)


def test_a_signed_url_keeps_its_signature(place: Place) -> None:
    packed = pack(place.folder / "Repo-1.tar")
    server = place.serve(files={"/deep/Repo-1.tar?signature=abc": packed.read_bytes()})
    place.obtain(f"{server.url}/deep?signature=abc")
    assert place.left() == {"into", "Repo-1.archive"}


def test_a_user_without_a_home_folder_is_told_to_set_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it does for an unknown user id
    with pytest.raises(FetchError, match=r"PIXELPROOF_CACHE: the user has no home folder; set PIXELPROOF_CACHE to"):
        cache_folder({})
