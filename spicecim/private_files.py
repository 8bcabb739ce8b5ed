"""Files that this user alone can write, so that what is loaded from them was not put there by somebody else."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from spicecim.errors import InputError

_LINKS_FOLLOWED = 40


def writable_by_others(path: Path) -> str | None:
    """Say which part of an existing path somebody else than this user and root can write or replace; None if none.

    Every folder on the way counts, those behind symbolic links too: who can write a folder can put another file in the
    place of one in it. A folder with the sticky bit, such as ``/tmp``, lets only the owner of a file do that.

    Raises
    ------
    OSError
        If the path, or a part of it, does not exist or cannot be looked at.
    """
    # in a container whose root is not the system's, all that is the system's shows the owner of "/"
    trusted = {os.geteuid(), 0, Path("/").stat().st_uid}
    here, coming = Path("/"), list(reversed(path.absolute().parts[1:]))
    links = 0
    while True:
        status = here.lstat()
        if status.st_uid not in trusted:
            return f"{here} belongs to another user"
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _LINKS_FOLLOWED:
                raise OSError(f"too many symbolic links in {path}")
            target = here.readlink()
            here = Path("/") if target.is_absolute() else here.parent
            coming += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            continue
        open_to_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        kept = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if open_to_others and not (kept and coming):
            return f"others can write {here}"
        if not coming:
            return None
        part = coming.pop()
        here = here.parent if part == ".." else here / part


def temporary_folder(prefix: str = "spicecim-") -> Path:
    """Make a folder for temporary files, which nobody else can write or replace, and return its absolute path.

    Raises
    ------
    InputError
        If there is no place for one; the message names the environment variable TMPDIR.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix)).absolute()
    except OSError as error:
        raise InputError(
            f"TMPDIR: no folder for temporary files can be made ({error}); set it to one that can be written"
        ) from None
    reason = writable_by_others(folder)
    if reason is not None:
        folder.rmdir()
        raise InputError(
            f"TMPDIR: temporary files would not be safe, because {reason}; set it to a folder that only you can write, "
            "or to one with the sticky bit such as /tmp"
        )
    return folder


def make_folder(folder: Path) -> None:
    """Make a folder with those above it that are missing, for this user alone."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)
