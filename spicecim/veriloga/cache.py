"""Files kept between runs, found by the content that they were made from.

What is kept is loaded as a program, so only what nobody but this user (and root) can have put there counts.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import platformdirs

from spicecim.private_files import make_folder, temporary_folder, writable_by_others

_log = logging.getLogger(__name__)

VARIABLE = "SPICECIM_CACHE"
"""Environment variable that names another folder for the cache."""

_LEFT_BEHIND = 86_400.0
"""Seconds after which a folder that something was made in, and that is still there, was left by a killed process."""


class CacheWarning(UserWarning):
    """The cache cannot be used; what it would keep is made anew by every process."""


def cache_folder() -> Path | None:
    """Return the folder of the cache, which may not exist yet: that of `SPICECIM_CACHE`, or the user's own.

    None where neither is set and the user has no home.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).absolute()
    try:
        folder = platformdirs.user_cache_path("spicecim")
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None


def usable_cache() -> tuple[Path | None, str]:
    """Return the folder of the cache, made if it is not there; or None, and why it cannot be used and what to do."""
    folder = cache_folder()
    if folder is None:
        return None, f"there is no home folder to keep a cache in; set {VARIABLE} to a folder"
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
        reason = writable_by_others(folder)
    except OSError as error:
        return None, f"the cache {folder} cannot be written ({error.strerror}); set {VARIABLE} to a folder that can"
    if reason is None:
        return folder, ""
    return None, (
        f"the cache {folder} is not safe, because {reason}; take the right to write away from others (chmod go-w), or "
        f"set {VARIABLE} to another folder"
    )


def key_of(*parts: str) -> str:
    """Return a name for what is made from these texts."""
    return hashlib.sha256("\0".join(hashlib.sha256(part.encode()).hexdigest() for part in parts).encode()).hexdigest()


def cached_file(key: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """Return the file kept under a key, made first if it is not there or has been damaged.

    The file is written beside its place and moved there whole, and a record of its content is written after it, in the
    same way: processes that make it at the same time do not disturb each other, and what a crash or a full disk leaves
    behind is not taken for the file.

    Parameters
    ----------
    key
        As `key_of` returns it.
    suffix
        Suffix of the file's name.
    make
        Writes the file at the path that it is given, which is in a folder of its own.
    """
    name = f"{key}{suffix}"
    kept = cache_folder()
    if kept is not None and is_intact(target := kept / name):  # whether or not the folder can be written
        _log.debug("cache: %s is there", target)
        return target
    folder, reason = usable_cache()
    if folder is None:
        folder = _temporary_cache(reason)
    if is_intact(target := folder / name):
        return target
    _remove_left_behind(folder)
    with tempfile.TemporaryDirectory(prefix="making-", dir=folder) as scratch:
        made, record = Path(scratch, f"made{suffix}"), Path(scratch, "record.json")
        make(made)
        record.write_text(json.dumps({"sha256": _digest(made)}), encoding="utf-8")
        for written, place in ((made, target), (record, _record(target))):
            written.chmod(0o644)  # whatever the umask is, others may not write it
            if place.is_dir():
                shutil.rmtree(place)
            written.replace(place)
    _log.info("cache: made %s", target)
    return target


def is_intact(target: Path) -> bool:
    """Whether a file that `cached_file` returned is still there as it was made, and nobody else can have changed it."""
    try:
        if not all(path.is_file() and writable_by_others(path) is None for path in (target, _record(target))):
            return False
        return bool(json.loads(_record(target).read_text(encoding="utf-8"))["sha256"] == _digest(target))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _record(target: Path) -> Path:
    """Where the record of a file's content is kept."""
    return target.with_name(f"{target.name}.json")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _remove_left_behind(folder: Path) -> None:
    for scratch in folder.glob("making-*"):
        with contextlib.suppress(OSError):
            if time.time() - scratch.stat().st_mtime > _LEFT_BEHIND:
                shutil.rmtree(scratch)


@functools.cache
def _temporary_cache(reason: str) -> Path:
    warnings.warn(f"{reason}. Until then models are compiled anew by every process.", CacheWarning, stacklevel=2)
    folder = temporary_folder("spicecim-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
