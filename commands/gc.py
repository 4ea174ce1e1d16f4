"""Remove outputs that params.yaml no longer names, or unneeded data.

Outputs are those of networks and seeds that are no longer asked for. Only what DVC can restore is removed from models/
and results/: a dvc.lock of this clone records it and the cache holds it. Temporary folders that killed stages have left
are removed too, a day after the last write. Nothing is removed while DVC is at work here. `make repro` and `reproduce`
do this first.

--cache and --remote look at DVC's cache, or at its default remote: what no tip of a branch, tag or experiment needs,
here or on the git remote `origin`, nor this working tree, and is older than --days. They only say what that is; --force
removes it. Older commits of a branch may then have to be run again.
"""

from __future__ import annotations

import argparse

GROUP = "trust"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to look at, and whether to remove anything."""
    parser.add_argument("--dry-run", action="store_true", help="print what would be removed, and remove nothing")
    parser.add_argument("--cache", action="store_true", help="look at DVC's cache of this clone")
    parser.add_argument("--remote", action="store_true", help="look at DVC's default remote")
    parser.add_argument("--force", action="store_true", help="remove what --cache or --remote has found")
    parser.add_argument("--days", type=float, default=7.0, help="what is younger stays: others may need it; default 7")


def run(arguments: argparse.Namespace) -> None:
    """Remove leftovers, or what nothing needs."""
    from pipelines.dvc.graph import open_repo
    from pipelines.dvc.leftovers import clear

    with open_repo() as repo:
        if arguments.cache or arguments.remote:
            for remote in [name for name, asked in ((False, arguments.cache), (True, arguments.remote)) if asked]:
                _sweep(repo, remote, arguments.days, arguments.force and not arguments.dry_run)
        elif not clear(repo, arguments.dry_run):
            print("nothing to remove")


def _sweep(repo: object, remote: bool, days: float, force: bool) -> None:
    from pipelines.dvc.garbage import find_garbage, remove_garbage

    fs, found = find_garbage(repo, remote, days)
    if force and found.paths:
        remove_garbage(fs, found, remote)
    where = "the remote" if remote else "the cache"
    did = "removed" if force else "would remove"
    young = f"; {found.young} more are younger than {days:g} days" if found.young else ""
    needs = f"{found.kept} objects stay, which {found.tips} branches, tags, experiments and worktrees need"
    print(f"{where}: {did} {len(found.paths)} files of {found.size / 1e6:.1f} MB; {needs}{young}")
    if found.paths and not force:
        print("nothing was removed: --force does it")
