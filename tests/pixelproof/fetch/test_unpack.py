"""Every kind of archive gives the same files; a malicious one is refused and writes nothing outside the target."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixelproof.core.errors import FetchError
from pixelproof.fetch.unpack import digest, unpack

NOISE = np.random.default_rng(0).bytes(3000)
FILES = {"a.png": NOISE, "deep/er/b.png": NOISE[:10], "list.txt": b"", "ümlaut name.txt": b"x"}
Entry = tuple[tarfile.TarInfo, bytes]


def plain(name: str, content: bytes = b"x") -> Entry:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def special(name: str, kind: bytes, linkname: str = "") -> Entry:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info, b""


def tar(path: Path, entries: list[Entry], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return path


def whole(path: Path, top: str = "Repo-1/") -> Path:
    """An archive of FILES, of the kind that its name says, among other files of the repository."""
    entries = {f"{top}CamVid/{name}": content for name, content in FILES.items()} | {f"{top}README": b"no"}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.mkdir(f"{top}CamVid")
            for name, content in entries.items():
                archive.writestr(name, content)
        return path
    folder = special(f"{top}CamVid", tarfile.DIRTYPE)
    outside = special(f"{top}link-that-nobody-wants", tarfile.SYMTYPE, "/etc")
    return tar(path, [folder, outside, *(plain(*e) for e in entries.items())], "w:gz" if path.suffix == ".gz" else "w")


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
@pytest.mark.parametrize("top", ["Repo-1/", "./", ""])
def test_every_kind_gives_the_wanted_folder_and_only_that(tmp_path: Path, name: str, top: str) -> None:
    archive = whole(tmp_path / name, top).rename(tmp_path / "no-ending")  # recognised by content
    assert contents(unpack(archive, "CamVid", tmp_path / "out", 4, 100_000)) == FILES


def test_the_digest_is_of_names_and_contents_as_sha256sum_prints_them(tmp_path: Path) -> None:
    folder = unpack(whole(tmp_path / "a.tar"), "CamVid", tmp_path / "out", 4, 100_000)
    by_hand = "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum"
    shell = subprocess.run(by_hand, shell=True, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S602
    before = digest(folder)
    assert shell.stdout.split()[0] == before
    (folder / "a.png").rename(folder / "c.png")
    assert digest(folder) != before
    (folder / "c.png").rename(folder / "a.png")
    assert digest(folder) == before
    (folder / "list.txt").write_bytes(b"\n")
    assert digest(folder) != before


ATTACKS: dict[str, tuple[list[Entry], str]] = {
    "parent folder": ([plain("Repo-1/CamVid/../../../evil")], "an unsafe name"),
    "parent folder elsewhere in it": ([plain("../evil"), plain("Repo-1/CamVid/a")], "an unsafe name"),
    "absolute": ([plain("/evil")], "an unsafe name"),
    "backslashes": ([plain("Repo-1\\CamVid\\..\\evil")], "an unsafe name"),
    "name with a newline": ([plain("Repo-1/CamVid/a\nb")], "an unsafe name"),
    "symbolic link": ([special("Repo-1/CamVid/link", tarfile.SYMTYPE, "/etc/passwd")], "a link"),
    "link, then a file through it": (
        [special("Repo-1/CamVid/d", tarfile.SYMTYPE, "../../.."), plain("Repo-1/CamVid/d/evil")],
        "a link",
    ),
    "the folder itself a link": (
        [special("Repo-1/CamVid", tarfile.SYMTYPE, "../.."), plain("Repo-1/CamVid/../evil")],
        "an unsafe name",
    ),
    "hard link": ([special("Repo-1/CamVid/link", tarfile.LNKTYPE, "../../kept")], "a link"),
    "device": ([special("Repo-1/CamVid/null", tarfile.CHRTYPE)], "a device"),
    "block device": ([special("Repo-1/CamVid/disk", tarfile.BLKTYPE)], "a device"),
    "pipe": ([special("Repo-1/CamVid/pipe", tarfile.FIFOTYPE)], "a device"),
    "too many files": ([plain(f"Repo-1/CamVid/{i}") for i in range(11)], "more than the 10 files"),
    "too large": ([plain("Repo-1/CamVid/a", bytes(50_001)), plain("Repo-1/CamVid/b", bytes(50_000))], "bytes allowed"),
    "the same file twice": ([plain("Repo-1/CamVid/a"), plain("Repo-1/./CamVid/a")], "in the archive twice"),
    "a file that is a folder too": ([plain("Repo-1/CamVid/a"), plain("Repo-1/CamVid/a/b")], "cannot be unpacked"),
    "a name too long": ([plain("Repo-1/CamVid/" + "a" * 300)], "cannot be unpacked"),
    "nothing wanted": ([plain("Repo-1/Other/a"), plain("Repo-1/CamVid")], "no file below 'CamVid'"),
    "nothing at all": ([], "no file below 'CamVid'"),
}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize(("entries", "message"), ATTACKS.values(), ids=ATTACKS.keys())
def test_a_harmful_tar_is_refused(tmp_path: Path, entries: list[Entry], message: str, mode: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "kept").write_text("kept")
    archive = tar(tmp_path / "a", entries, mode)
    with pytest.raises(FetchError, match=message):
        unpack(archive, "CamVid", home / "x" / "out", 10, 100_000)
    assert_harmless(tmp_path, home)


def assert_harmless(tmp_path: Path, home: Path) -> None:
    """Only plain files and folders exist, and only below the target."""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "home"]
    assert not {p.name for p in home.iterdir()} - {"kept", "x"}
    assert not {p.name for p in (home / "x").iterdir()} - {"out"}
    for path in home.rglob("*"):
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode) or stat.S_ISDIR(mode)
        assert path.lstat().st_nlink == 1 or stat.S_ISDIR(mode)


def zip_with(path: Path, name: str, content: bytes = b"x", mode: int = 0) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
        archive.writestr(info, content)


def zip_many(path: Path, count: int) -> None:
    for number in range(count):
        zip_with(path, f"R/CamVid/{number}")


ZIP_ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "parent folder": (lambda p: zip_with(p, "R/CamVid/../../../evil"), "an unsafe name"),
    "absolute": (lambda p: zip_with(p, "/evil"), "an unsafe name"),
    "link": (lambda p: zip_with(p, "R/CamVid/l", b"/etc/passwd", stat.S_IFLNK | 0o777), "a link"),
    "device": (lambda p: zip_with(p, "R/CamVid/d", b"", stat.S_IFCHR | 0o777), "a device"),
    "bomb": (lambda p: zip_with(p, "R/CamVid/zeros", bytes(20_000_000)), "bytes allowed"),
    "too many files": (lambda p: zip_many(p, 11), "the 10 files"),
}


@pytest.mark.parametrize(("build", "message"), ZIP_ATTACKS.values(), ids=ZIP_ATTACKS.keys())
def test_a_harmful_zip_is_refused(tmp_path: Path, build: Callable[[Path], None], message: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    build(tmp_path / "a")
    with pytest.raises(FetchError, match=message):
        unpack(tmp_path / "a", "CamVid", home / "x" / "out", 10, 1 << 40)
    assert_harmless(tmp_path, home)


def test_a_zip_that_lies_about_a_size_is_counted_while_unpacking(tmp_path: Path) -> None:
    """The directory says 5 bytes; the bytes that are inflated count."""
    path = tmp_path / "a"
    zip_with(path, "R/CamVid/zeros", bytes(20_000_000))
    content = path.read_bytes().replace(struct.pack("<L", 20_000_000), struct.pack("<L", 5))
    path.write_bytes(content)
    with pytest.raises(FetchError):
        unpack(path, "CamVid", tmp_path / "out", 10, 1 << 40)
    assert sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) < len(content) + 5_000_000


@pytest.mark.parametrize("where", ["wanted", "unwanted", "header", "after the end"])
def test_a_gzip_bomb_is_refused_wherever_it_is(tmp_path: Path, where: str) -> None:
    bomb, path = bytes(30_000_000), tmp_path / "a"
    name = "Repo-1/CamVid/zeros" if where == "wanted" else "Repo-1/Other/zeros"
    entries = [plain("Repo-1/CamVid/a")] + ([plain(name, bomb)] if "wanted" in where else [])
    if where == "header":
        entries[0][0].pax_headers = {"comment": "x" * 30_000_000}
    tar(path, entries, "w:gz")
    if where == "after the end":
        path.write_bytes(path.read_bytes() + gzip.compress(bomb))
    with pytest.raises(FetchError, match="bytes allowed"):
        unpack(path, "CamVid", tmp_path / "out", 10, 1 << 40)


@pytest.mark.parametrize("form", ["a.tar", "a.tar.gz", "a.zip"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_refused_or_changes_the_digest(
    tmp_path_factory: pytest.TempPathFactory, form: str, data: st.DataObject
) -> None:
    """Bytes changed, or the end cut off: our own error, other contents or the same contents; never a traceback."""
    folder = tmp_path_factory.mktemp("damage")
    content = bytearray(whole(folder / form).read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    (folder / form).write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    try:
        out = contents(unpack(folder / form, "CamVid", folder / "in" / "out", 10, 100_000))
    except FetchError as error:
        assert form in str(error)
    else:
        assert (out == FILES) == (digest(folder / "in" / "out") == digest_of_files(folder / "again"))
    assert {p.name for p in folder.iterdir()} <= {form, "in", "again"}


def digest_of_files(folder: Path) -> str:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return digest(folder)
