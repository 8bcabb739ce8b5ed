"""Arrays of numbers from .npy and .npz files, whose headers are checked before memory is taken for them."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from spicecim import limits
from spicecim.errors import InputError
from spicecim.outside import exceeds, read_bytes

_KINDS = {
    "b": "truth values",
    "c": "complex numbers",
    "S": "texts",
    "U": "texts",
    "O": "Python objects",
    "V": "records",
}


def load_array(path: Path, name: str = "") -> np.ndarray[Any, np.dtype[Any]]:
    """Return an array of real numbers from a file.

    Parameters
    ----------
    path
        A .npy file, or a .npz file.
    name
        Which array of a .npz file; may be empty if it holds one.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged or encrypted, does not hold that array, or holds one that is too large
        or not of real numbers.
    """
    content = read_bytes(path, "ARRAY_FILE_BYTES")
    if not content.startswith(b"PK"):
        if name:
            raise InputError(f"{path} is no .npz file, so that it has no array {name!r}")
        return _array(io.BytesIO(content), str(path))
    try:
        # what comes out of other people's code on damaged content is of many kinds: here, any of them means damaged
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entry = _entry(archive, name, path)
            with archive.open(entry) as file:
                return _array(file, f"{path}:{entry.removesuffix('.npy')}")
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} is damaged or encrypted: {error}") from None


def _entry(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    entries = {entry.removesuffix(".npy"): entry for entry in archive.namelist()}
    if not name and len(entries) == 1:
        name = next(iter(entries))
    if name not in entries:
        listed = ", ".join(list(entries)[:20]) or "none"
        raise InputError(f"name one of the arrays in {path} as {path.name}:NAME; it has {listed}")
    return entries[name]


def _array(file: IO[bytes], where: str) -> np.ndarray[Any, np.dtype[Any]]:
    shape, in_columns, dtype = _header(file, where)
    if dtype.kind not in "iuf":
        raise InputError(f"{where} holds {_KINDS.get(dtype.kind, dtype)} where real numbers should stand")
    if len(shape) > 2 or min(shape, default=0) < 0:
        raise InputError(f"{where} has the shape {shape}; it must have two dimensions at most")
    if max(*shape, math.prod(shape), 0, 0) > limits.ARRAY_VALUES:
        raise InputError(f"{where} has the shape {shape}, which {exceeds('ARRAY_VALUES', 'values')}")
    size = math.prod(shape) * dtype.itemsize
    content = file.read(size + 1)
    if len(content) != size:
        more = "more" if len(content) > size else "less"
        raise InputError(f"{where} is damaged: it holds {more} than its header says, {size:,} bytes of values")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if in_columns else "C")


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
        (3, 0): np.lib.format.read_array_header_2_0,  # the same in UTF-8, which only the names of records need
    }
    try:
        # numpy's reader evaluates the text of the header: of what it raises, anything means damaged
        return read[np.lib.format.read_magic(file)](file)
    except Exception as error:
        raise InputError(f"{where} is no array, or damaged: {' '.join(str(error).split())}") from None
