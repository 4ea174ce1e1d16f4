"""What DVC keeps of a revision, by the hashes in its dvc.lock: from this clone's cache, else its default remote.

Only hashes come from the revision. The cache and the remote are those configured in the folder that compare runs in;
the revision's own dvc.yaml and .dvc/config, which may be a stranger's, are not read.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipelines.dvc.lists import CACHE, MEND, Listing, read_list
from pipelines.dvc.lock import DvcLock, read_lock
from pipelines.dvc.revision import Revision
from pixelproof.core.errors import StateError

# Absolute paths, quoted or not, on any system; a url's own slashes are none.
PATHS = re.compile(r"""(?P<quote>['"])(?:[A-Za-z]:)?[/\\].*?(?P=quote)|(?<![\w.:/\\-])(?:[A-Za-z]:)?[/\\][^\s'",;]*""")
LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


class Store:
    """Objects by their hash. What was fetched from the remote stays in the cache, as after `dvc fetch`."""

    def __init__(self, repo: Any, connect: bool = True) -> None:
        self.repo = repo
        self.trouble = ""  # why the remote could not be reached
        self._remote: Any = None
        self._opened = not connect

    def listing(self, oid: str, path: str) -> Listing | None:
        """The files of the folder `path`; None if neither cache nor remote has its list.

        Raises:
            StateError: the list is damaged.
        """
        found = read_list(self.repo.cache.local, oid, path, CACHE, MEND)
        if found is None and (remote := self._lazy_remote()) is not None:
            try:
                found = read_list(
                    remote, oid, path, f"the remote {self.remote}", "`dvc push` it again from where it is"
                )
            except StateError:
                raise
            except Exception as error:  # each kind of remote has errors of its own
                self.trouble = in_public(error)
        return found

    def fetch(self, oids: Iterable[str]) -> None:
        """Fetch what the cache lacks from the remote, many at once; what is not available is left out."""
        from dvc_data.hashfile.hash_info import HashInfo

        cache = self.repo.cache.local
        missing = sorted({oid for oid in oids if not cache.exists(oid)})
        if not missing or (remote := self._lazy_remote()) is None:
            return
        try:
            self.repo.cloud.transfer(remote, cache, [HashInfo("md5", oid) for oid in missing])
        except Exception as error:  # each kind of remote has errors of its own
            self.trouble = in_public(error)

    def read(self, oid: str) -> bytes | None:
        """The content of a file; None if it is not available, or if its bytes do not match its hash."""
        self.fetch([oid])
        try:
            content = Path(self.repo.cache.local.oid_to_path(oid)).read_bytes()
        except OSError:
            return None
        return content if hashlib.md5(content, usedforsecurity=False).hexdigest() == oid else None

    @property
    def remote(self) -> str | None:
        """The name of the default remote; None if there is none."""
        name: str | None = self.repo.config["core"].get("remote")
        return name

    def why(self) -> str:
        """Why the remote gave nothing, for the end of a sentence."""
        return f" ({self.trouble})" if self.trouble else ""

    def _lazy_remote(self) -> Any:
        """The default remote, opened when the cache lacks something; None if there is none."""
        from dvc.exceptions import DvcException

        if not self._opened and self.remote:
            self._opened = True
            try:
                self._remote = self.repo.cloud.get_remote_odb()
            except DvcException as error:
                self.trouble = in_public(error)
        return self._remote


def in_public(error: Exception) -> str:
    """An error in one line, fit for a page that strangers read: without paths of this machine, and without logins."""
    return LOGIN.sub("", PATHS.sub("…", " ".join(str(error).split())))


class Outputs:
    """The outputs of one revision: by the hashes of its dvc.lock; in the workspace, what is on disk comes first.

    Without `disk`, what is on disk does not count in the workspace either: these are the outputs as recorded.
    """

    def __init__(self, side: Revision, store: Store, disk: bool = True) -> None:
        self.disk = disk and side.commit is None
        self.side = side
        self.store = store
        self.lock: DvcLock = read_lock(side)
        self.unlike_lock: set[str] = set()  # folders and files on disk that differ from what dvc.lock records
        self.lacking: set[str] = set()  # outputs that dvc.lock records but that are not available
        self._listings: dict[str, Listing | None] = {}

    def listing(self, path: str) -> Listing | None:
        """The files of an output folder; None if it is not known, or not available (then it is `lacking`)."""
        if path not in self._listings:
            self._listings[path] = self._disk_listing(path) or self._in_store(path)
        return self._listings[path]

    def is_folder(self, path: str) -> bool:
        """Whether an output is a folder."""
        return self.is_here(path) or (self.lock.hash_of(path) or "").endswith(".dir")

    def fetch(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Prepare to read many files of output folders, each (folder, path below it)."""
        listings = [((self.listing(folder) or {}).get(name), folder) for folder, name in wanted]
        self.store.fetch(oid for oid, folder in listings if oid and not self.is_here(folder))

    def read(self, folder: str, name: str) -> bytes | None:
        """A file of an output folder; None if the folder has none, or it is not available (then it is `lacking`)."""
        oid = (self.listing(folder) or {}).get(name)
        if oid is None:
            return None
        if self.is_here(folder):
            return Path(folder, name).read_bytes()
        if (content := self.store.read(oid)) is None:
            self.lacking.add(folder)
        return content

    def file(self, path: str) -> bytes | None:
        """An output that is one file."""
        recorded = self.lock.hash_of(path)
        if self.disk and Path(path).is_file():
            content = Path(path).read_bytes()
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != recorded:
                self.unlike_lock.add(path)
            return content
        if recorded is None:
            return None
        if (found := self.store.read(recorded)) is None:
            self.lacking.add(path)
        return found

    def on_disk(self, pattern: str) -> list[str]:
        """The folders on disk that match; none where the disk does not count."""
        return [path.as_posix() for path in sorted(Path().glob(pattern))] if self.disk else []

    def is_here(self, folder: str) -> bool:
        """Whether it is read from disk."""
        return self.disk and Path(folder).is_dir()

    def _disk_listing(self, path: str) -> Listing | None:
        """A folder of the workspace as DVC would record it now; hashes of unchanged files are remembered by DVC."""
        from dvc.fs import LocalFileSystem
        from dvc_data.hashfile.build import build

        if not self.is_here(path):
            return None
        repo = self.store.repo
        where, files = str(Path(path).absolute()), LocalFileSystem()
        _, _, tree = build(repo.cache.local, where, files, "md5", dry_run=True, ignore=repo.dvcignore)
        if tree.hash_info.value != self.lock.hash_of(path):
            self.unlike_lock.add(path)
        return files_of(tree)

    def _in_store(self, path: str) -> Listing | None:
        oid = self.lock.hash_of(path)
        if oid is None:
            return None
        found = self.store.listing(oid, path) if oid.endswith(".dir") else None
        if found is None:
            self.lacking.add(path)
        return found

    def pull(self) -> str | None:
        """The command that fetches what is missing, once somebody has pushed it; None without a remote."""
        if not self.lacking or not self.store.remote:
            return None
        everywhere = [] if self.side.commit is None else ["--all-commits"]
        targets = sorted({self.lock.pull_target(path) for path in self.lacking})
        # Names may be a stranger's, and the line is pasted.
        return shlex.join(["dvc", "pull", "--remote", self.store.remote, *everywhere, *targets])


def files_of(tree: Any) -> Listing:
    """DVC's object of a folder as `path below it -> md5`."""
    return {"/".join(key): str(found.value) for key, (_, found) in tree.as_dict().items()}
