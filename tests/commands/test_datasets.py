"""`datasets`: every source with its facts; licences are accepted once, outside the graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.__main__ import main
from commands._datasets import LOCAL, accept_licence, facts_of, listing
from pixelproof.core.errors import FetchError, StateError
from pixelproof.fetch.licences import accept, require
from pixelproof.sources import names


def test_every_dataset_is_listed_with_its_licence_and_place(tmp_path: Path) -> None:
    lines = listing({"PIXELPROOF_CACHE": str(tmp_path)}).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [name for name in names() if name not in LOCAL]
    for line in lines[1:]:
        facts = facts_of(line.split()[0])
        assert facts.licence in line and (facts.url or "made here") in line and str(facts.images or "-") in line


def test_what_lies_in_the_mirror_is_on_disk(tmp_path: Path) -> None:
    def dubai(**environ: str) -> list[str]:
        lines = listing({"PIXELPROOF_CACHE": str(tmp_path / "cache")} | environ).splitlines()
        return next(line for line in lines if line.startswith("dubai")).split()

    (tmp_path / "dubai-aerial.zip").touch()
    assert "no" in dubai() and "yes" not in dubai()
    assert "yes" in dubai(DATA_MIRROR=str(tmp_path))


@pytest.mark.parametrize("name", names())
def test_facts_are_complete(name: str) -> None:
    facts = facts_of(name)
    assert facts.name == name
    if name not in ("none", "folder"):
        assert facts.licence and facts.classes
    for classes in (facts.classes, *facts.others.values()):
        assert [info.id for info in classes] == list(range(len(classes))) and len(classes) < 255
        assert len({info.name for info in classes}) == len(classes)
    for archive in facts.archives:
        assert archive.url.startswith(("https://", "http://")) or archive.where
        assert archive.bytes <= archive.max_bytes and set(archive.variants) <= set(facts.variants)
        assert not archive.digest or len(archive.digest) == 64
    assert len(facts.note.splitlines()) <= 1


def test_a_licence_is_accepted_once_and_anew_when_it_changes(tmp_path: Path) -> None:
    environ = {"PIXELPROOF_CACHE": str(tmp_path)}
    with pytest.raises(
        FetchError, match=r"^x: its licence must be accepted first \(mine only\); read [^\n]+--accept x"
    ):
        require("x", "mine only", "https://example.org", environ)
    accept("x", "mine only", environ)
    require("x", "mine only", "https://example.org", environ)
    with pytest.raises(FetchError):
        require("x", "another wording", "https://example.org", environ)
    require("x", "another wording", "https://example.org", environ | {"PIXELPROOF_ACCEPT": "y, x"})


def test_nothing_to_accept_and_an_unknown_name(tmp_path: Path) -> None:
    environ = {"PIXELPROOF_CACHE": str(tmp_path)}
    assert accept_licence("dubai", environ) == "dubai: nothing to accept (CC0 1.0)"
    assert not list(tmp_path.iterdir())
    with pytest.raises(StateError, match="did you mean 'dubai'"):
        accept_licence("dubay", environ)


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELPROOF_CACHE", str(tmp_path))
    assert main(["datasets"]) == 0
    assert "camvid" in capsys.readouterr().out
