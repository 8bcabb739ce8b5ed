"""Files kept between runs, found by the content that they were made from."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import platformdirs

VARIABLE = "SPICECIM_CACHE"
"""Environment variable that names another folder for the cache."""


class CacheWarning(UserWarning):
    """The cache cannot be written; what it would keep is made anew by every process."""


def cache_folder() -> Path:
    """Return the folder of the cache, which may not exist yet: that of `SPICECIM_CACHE`, or the user's own."""
    named = os.environ.get(VARIABLE)
    # ngspice's process, which gets the paths of what is kept, looks at relative ones from elsewhere
    return Path(named).absolute() if named else platformdirs.user_cache_path("spicecim")


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
        Writes the file at the path that it is given.
    """
    target = cache_folder() / f"{key}{suffix}"
    if is_intact(target):  # whether or not the folder can be written
        return target
    folder = _writable_folder()
    target = folder / target.name
    if is_intact(target):
        return target
    with tempfile.TemporaryDirectory(prefix="making-", dir=folder) as scratch:
        made = Path(scratch) / f"made{suffix}"
        make(made)
        written = Path(scratch) / "record.json"
        written.write_text(json.dumps({"sha256": _digest(made)}), encoding="utf-8")
        made.replace(target)
        written.replace(_record(target))
    return target


def _record(target: Path) -> Path:
    """Where the record of a file's content is kept."""
    return target.with_name(f"{target.name}.json")


def is_intact(target: Path) -> bool:
    """Whether a file that `cached_file` returned is still there and as it was made."""
    try:
        return bool(json.loads(_record(target).read_text(encoding="utf-8"))["sha256"] == _digest(target))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _writable_folder() -> Path:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        return _temporary_folder(f"the cache {folder} cannot be written ({error.strerror}); set {VARIABLE} to a folder")


@functools.cache
def _temporary_folder(reason: str) -> Path:
    warnings.warn(
        f"{reason} that can. Until then models are compiled anew by every process.", CacheWarning, stacklevel=2
    )
    folder = Path(tempfile.mkdtemp(prefix="spicecim-cache-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
