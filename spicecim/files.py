"""Files that are whole or not there, and folders of results that are replaced as a set.

A file is written beside its place and renamed into it. A folder of results takes one run at a time. The run writes into
a scratch folder in it; when everything is there, one rename declares the set ready, and the files move into their
places: the earlier summary goes first, the new one comes last. What a process left behind when it was killed is
finished (a set that was ready) or removed (one that was not) by the next run.

The marks of a process that is at work are locks of the operating system, which end with it, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import resource
import secrets
import shutil
import socket
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spicecim.errors import InputError, ResultsError
from spicecim.outside import parse_json, read_text, real_path
from spicecim.run_log import logged_to

LOCK, SCRATCH, READY = ".spicecim-lock", ".spicecim-scratch", ".spicecim-ready"
"""Names in a folder of results: of the lock, and of the scratch folder before and after its set is complete."""

_ORDER = ".spicecim-order.json"
"""What is to be done with a set that is ready: names to move, the summary last, and those to remove."""

_LEAST_SPACE = 1 << 18
"""Bytes that a folder must take before a simulation: figures and tables of a small run."""

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file as UTF-8, as `write_bytes` does."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write a file that is whole or not there, and return its path.

    An earlier file of that name stays as it is until the new one is complete on the disk. A link keeps pointing to the
    file written. A device or a pipe has no earlier content and is written to as it is.

    Raises
    ------
    ResultsError
        If it cannot be written; an earlier file is unchanged.
    """
    path = Path(path)
    with _told(path):
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                file.write(data)
        else:
            _replace(real_path(path), data)
    return path


def _replace(path: Path, data: bytes) -> None:
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    if mode is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    prefix = f".spicecim-{hashlib.sha256(path.name.encode()).hexdigest()[:12]}-"
    _remove_abandoned(path.parent, prefix)
    scratch = path.parent / f"{prefix}{secrets.token_hex(4)}"
    try:
        with open(locked_file(scratch), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove files of which no process holds the lock: it was killed while it wrote them."""
    for path in folder.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)


def locked_file(path: Path) -> int:
    """Descriptor of a file, made if need be, that is locked for as long as the descriptor is open.

    Raises BlockingIOError if another process, or another thread, has it.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had the lock before may have removed the file meanwhile: then this is the lock of nothing.
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextlib.contextmanager
def result_folder(folder: str | Path, expected: Mapping[str, int]) -> Iterator[Path]:
    """Replace the results in a folder by those that are written within this context, all of them or none.

    Parameters
    ----------
    folder
        Where the results are to be. It is made if it does not exist.
    expected
        Every name that may be written, and how many bytes it will have at least. The last one is the summary, a JSON
        object with the names of all files in ``artifacts`` and the version in ``spicecim_version``; it must be written.

    Yields
    ------
    pathlib.Path
        A scratch folder to write into, with nothing but the log of this run, which is named as the summary is. Its
        files become the results when the context ends without an error. What the earlier summary names and the new
        one does not is removed; other files in the folder stay.

    Raises
    ------
    ResultsError
        If the folder cannot take the results: it cannot be made or written, has too little space, holds something else
        than a file in the place of a result, or another process is writing results into it. Before anything is
        simulated.
    """
    folder = Path(folder)
    log_name = Path(list(expected)[-1]).with_suffix(".log").name
    expected = {log_name: 0, **expected}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"cannot make the folder {folder}: {_reason(error)}") from None
    scratch = folder / SCRATCH
    with _only_run_in(folder):
        try:
            with _told(folder):
                _move_ready(folder)
                shutil.rmtree(scratch, ignore_errors=True)
                scratch.mkdir()
                (scratch / _ORDER).write_bytes(bytes(_LEAST_SPACE))
                (scratch / _ORDER).unlink()
                _check_space(folder, expected)
                _check_places(folder, expected)
                log = logged_to(scratch / log_name)
            with log:
                yield scratch
            with _told(folder):
                _declare_ready(folder, expected)
                try:
                    _move_ready(folder)
                except KeyboardInterrupt:
                    _move_ready(folder)
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def remove_results(folder: str | Path, summary: str) -> None:
    """Remove the files that the summary in a folder lists, and the folder if it holds nothing else.

    Raises
    ------
    ResultsError
        If they cannot be removed, or another process is writing results into the folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return
    with _only_run_in(folder), _told(folder):
        _move_ready(folder)
        shutil.rmtree(folder / SCRATCH, ignore_errors=True)
        for name in _artifacts(folder / summary):
            (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it holds other files
        folder.rmdir()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise an error of the operating system as one that says what could not be written."""
    try:
        yield
    except ResultsError:
        raise
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {_reason(error)}") from None


@contextlib.contextmanager
def _only_run_in(folder: Path) -> Iterator[None]:
    path = folder / LOCK
    with _told(folder):
        try:
            descriptor = locked_file(path)
        except BlockingIOError:
            raise ResultsError(
                f"the folder {folder} is in use by {_holder(path)}; wait for it, or give another folder"
            ) from None
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise ResultsError(f"the file system of {folder} has no locks; give a folder on another one") from None
            raise
    try:
        with _told(folder):
            command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
            text = f"process {os.getpid()} on {socket.gethostname()} ({command}), since {time.ctime()}"
            os.ftruncate(descriptor, 0)
            os.write(descriptor, text.encode("utf-8", "replace"))
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _holder(lock: Path) -> str:
    with contextlib.suppress(OSError):
        return lock.read_bytes()[:400].decode("utf-8", "replace").strip() or "another process"
    return "another process"


def _check_space(folder: Path, expected: Mapping[str, int]) -> None:
    least, free = sum(expected.values()), shutil.disk_usage(folder).free
    if least > free:
        raise ResultsError(f"the results need {_megabytes(least)} at least; {folder} has {_megabytes(free)} free")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    for name, size in expected.items():
        if limit != resource.RLIM_INFINITY and size > limit:
            raise ResultsError(
                f"{name} needs {_megabytes(size)} at least; this process may write files of {_megabytes(limit)} only "
                "(ulimit -f)"
            )


def _check_places(folder: Path, names: Mapping[str, int] | list[str]) -> None:
    for name in names:
        place = folder / name
        if not place.is_symlink() and place.exists() and not place.is_file():
            raise ResultsError(f"{place} is in the way of a result of that name: it is no file")


def _declare_ready(folder: Path, expected: Mapping[str, int]) -> None:
    """Turn the scratch folder into a set that is ready, by one rename."""
    scratch, summary = folder / SCRATCH, list(expected)[-1]
    names = [name for name in expected if (scratch / name).exists()]
    unexpected = {path.name for path in scratch.iterdir()} - set(names)
    if unexpected or summary not in names:
        raise RuntimeError(f"results written are {names} and, not announced, {sorted(unexpected)}")
    _check_places(folder, names)
    replaced = [name for name in _artifacts(folder / summary) if name not in names and (folder / name).is_file()]
    write_text(scratch / _ORDER, json.dumps({"names": names, "replaced": replaced}))
    scratch.rename(folder / READY)
    _sync(folder)


def _move_ready(folder: Path) -> None:
    """Move a set that is ready into its place. Started again after any interruption it ends in the same state."""
    ready = folder / READY
    if not ready.is_dir():
        return
    try:
        order = parse_json(read_text(ready / _ORDER, "JSON_BYTES"))
        *others, summary = _plain_names(order["names"])
        replaced = _plain_names(order["replaced"])
    except (InputError, ValueError, KeyError, TypeError):
        # Only the end of removing it, or another program, leaves such a folder.
        shutil.rmtree(ready)
        return
    if (ready / summary).exists():
        for name in (summary, *replaced):
            (folder / name).unlink(missing_ok=True)
        for name in (*others, summary):
            with contextlib.suppress(FileNotFoundError):  # it was moved before the interruption
                (ready / name).replace(folder / name)
        _sync(folder)
    shutil.rmtree(ready)


def _artifacts(summary: Path) -> list[str]:
    """Names of files that an earlier run lists in its summary; a file that spicecim did not write names none."""
    try:
        earlier = parse_json(read_text(summary, "JSON_BYTES"))
    except InputError:
        return []
    if not isinstance(earlier, dict) or "spicecim_version" not in earlier:
        return []
    return _plain_names(earlier.get("artifacts"))


def _plain_names(values: Any) -> list[str]:
    """Those of the values that are names of files in a folder, and neither hidden nor somewhere else."""
    texts = [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
    return [text for text in texts if text == Path(text).name and not text.startswith(".") and "\0" not in text]


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # not every file system syncs folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.3g} MB"
