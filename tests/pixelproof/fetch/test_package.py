"""A file of an installed package: found without an import, verified, and each failure a line that says what to run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pixelproof.core.errors import FetchError
from pixelproof.fetch.package import packaged_file

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE = "some_model/models/a.pth"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As pip leaves a package behind, in a folder of its own; importing it fails."""
    (tmp_path / "some_model/models").mkdir(parents=True)
    (tmp_path / "some_model/__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / FILE).write_bytes(CONTENT)
    (tmp_path / "some_model-0.1.0.dist-info").mkdir()
    (tmp_path / "some_model-0.1.0.dist-info/METADATA").write_text("Name: some-model\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / FILE


def test_a_file_is_found_and_verified(installed: Path) -> None:
    assert packaged_file("some-model", "0.1.0", FILE, DIGEST) == installed


def test_what_is_missing_or_other_is_one_line(installed: Path) -> None:
    again = "`bin/python -m pip install --force-reinstall some-model==0.1.0`"
    with pytest.raises(FetchError) as caught:
        packaged_file("other-model", "0.2.0", FILE, DIGEST)
    assert str(caught.value) == "other-model: not installed; run `bin/python -m pip install other-model==0.2.0`"
    installed.write_bytes(b"other")
    with pytest.raises(
        FetchError, match=rf"some-model: a\.pth: found SHA-256 .*, expected {DIGEST[:16]}\.\.\."
    ) as caught:
        packaged_file("some-model", "0.1.0", FILE, DIGEST)
    assert str(caught.value).endswith(f"; run {again}")
    installed.unlink()
    with pytest.raises(FetchError, match=r"a\.pth: no such file; run `bin/python -m pip install --force-reinstall"):
        packaged_file("some-model", "0.1.0", FILE, DIGEST)
