"""Where libngspice is."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import sys
from pathlib import Path

from spicecim.errors import NgspiceNotFoundError
from spicecim.private_files import writable_by_others
from spicecim.veriloga.cache import cache_folder

ENVIRONMENT_VARIABLE = "NGSPICE_LIBRARY_PATH"
"""Names the library file to use; PySpice reads the same variable."""

HOW_TO_INSTALL = (
    "install it with 'spicecim doctor --install', which needs no root, with 'make setup' in a checkout of spicecim, "
    "with 'apt-get install ngspice libngspice0' (Debian, Ubuntu), or with 'brew install ngspice libngspice' (macOS)"
)

FETCHED = "ngspice"
"""Folder of the cache that packages are unpacked in where there is no root (see `fetch`)."""

_FOLDERS = (
    Path("/usr/lib"),
    Path("/usr/lib64"),
    Path("/usr/local/lib"),
    Path("/opt/homebrew/lib"),
    *(Path("/usr/lib", f"{machine}-linux-gnu") for machine in ("x86_64", "aarch64", "arm")),
)


def find_library() -> str:
    """Return the path, or the name that the dynamic loader knows, of libngspice.

    That is the one of `NGSPICE_LIBRARY_PATH`, or one that was fetched without root, or the system's, or that of the
    Python package sedes.

    Raises
    ------
    NgspiceNotFoundError
        If there is none, or if `NGSPICE_LIBRARY_PATH` names a file that does not exist.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        if Path(chosen).is_file():
            return str(Path(chosen).absolute())  # the process that loads it is elsewhere
        raise NgspiceNotFoundError(f"{ENVIRONMENT_VARIABLE} names {chosen}, which does not exist")
    own = fetched_library()
    if own is not None:
        return str(own)
    pattern = "libngspice*.dylib" if sys.platform == "darwin" else "libngspice.so*"
    brew = os.environ.get("HOMEBREW_PREFIX")
    for folder in (*([Path(brew, "lib")] if brew else []), *_FOLDERS):
        found = sorted(folder.glob(pattern))
        if found:
            return str(found[0].resolve())
    name = ctypes.util.find_library("ngspice") or wheel_library()
    if name is None:
        raise NgspiceNotFoundError(f"libngspice, the shared library of ngspice, was not found; {HOW_TO_INSTALL}")
    return name


def fetched_library() -> Path | None:
    """Path of the newest libngspice that was fetched into the user's cache, if nobody else can have changed it."""
    cache = cache_folder()
    if cache is None:
        return None
    found = [
        path
        for pattern in ("*/usr/lib/*/libngspice.so.0", "*/usr/lib/libngspice.so.0")
        for path in (cache / FETCHED).glob(pattern)
        if writable_by_others(path) is None
    ]
    return max(found, key=lambda path: path.stat().st_mtime).resolve() if found else None


def wheel_library() -> str | None:
    """Path of the libngspice in the Python package sedes; None where that is not installed."""
    package = importlib.util.find_spec("sedes")
    if package is None or package.origin is None:
        return None
    found = sorted(Path(package.origin).parent.glob("_libs/libngspice*"))
    return str(found[0].resolve()) if found else None


def library_environment(library: str) -> dict[str, str]:
    """Variables that a process needs to load a library: what was fetched finds its dependencies beside it."""
    cache, place = cache_folder(), Path(library)
    if cache is None or not place.is_relative_to((cache / FETCHED).resolve()):
        return {}
    above = os.environ.get("LD_LIBRARY_PATH", "")
    return {"LD_LIBRARY_PATH": f"{place.parent}:{above}" if above else str(place.parent)}
