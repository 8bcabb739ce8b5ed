"""Saving what can be read of a damaged table of runs."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from spicecim.errors import StoreError
from spicecim.files import write_bytes
from spicecim.sweeps.store import CLAIMED, DONE, FORMAT, TABLE, WAITING, Store


class Repaired(NamedTuple):
    """What a repair saved: the number of runs that stayed finished, and where the damaged file is kept."""

    saved: int
    damaged: Path


def repair_sweep(store: str | Path) -> Repaired:
    """Build the table of runs anew from what can be read of it; the damaged file stays beside it.

    Runs whose entries cannot be read are left out, and done again by the next call of `spicecim.sweep`.

    Raises
    ------
    StoreError
        If there is no table, nothing of it can be read, or the new one cannot be written.
    """
    folder = Path(store)
    path = folder / TABLE
    if not path.is_file():
        raise StoreError(f"{folder} holds no sweep: it has no file {TABLE}")
    kept = path.with_name(f"{TABLE}.damaged-{secrets.token_hex(4)}")
    scratch = folder / f".repair-{secrets.token_hex(4)}"
    try:
        write_bytes(kept, path.read_bytes())
        fresh = Store(scratch, create=True)
        opened = sqlite3.connect(f"{kept.absolute().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(opened) as old, fresh.writing() as new:
            new.execute("DELETE FROM meta")
            for table in ("meta", "measures", "grid", "runs", "results"):
                for row in _readable(old, table):
                    marks = ",".join("?" * len(row))
                    with contextlib.suppress(sqlite3.IntegrityError):
                        new.execute(f"INSERT INTO {table} VALUES ({marks})", row)
            new.execute(f"INSERT OR IGNORE INTO meta VALUES ('format', '{FORMAT}')")
            new.execute("DELETE FROM results WHERE run NOT IN (SELECT id FROM runs)")
            new.execute("DELETE FROM grid WHERE run NOT IN (SELECT id FROM runs)")
            new.execute(
                f"UPDATE runs SET status = '{WAITING}', session = NULL, finished = 0 WHERE status = '{CLAIMED}' "
                f"OR (status = '{DONE}' AND entries != (SELECT count(*) FROM results WHERE run = id))"
            )
            saved = new.execute(f"SELECT count(*) FROM runs WHERE status = '{DONE}'").fetchone()[0]
        (scratch / TABLE).replace(path)
        path.with_name(f"{TABLE}-journal").unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot repair {path}: {error}") from None
    finally:
        _remove(scratch)
    return Repaired(int(saved), kept)


def _readable(table: sqlite3.Connection, name: str) -> Iterator[tuple[Any, ...]]:
    """Rows of a table as far as they can be read, from its beginning and from its end."""
    order = {"meta": "name", "measures": "id", "grid": "place", "runs": "id", "results": "run, measure"}[name]
    for direction in ("ASC", "DESC"):
        by = ", ".join(f"{column.strip()} {direction}" for column in order.split(","))
        with contextlib.suppress(sqlite3.DatabaseError):
            yield from table.execute(f"SELECT * FROM {name} ORDER BY {by}")
            return


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
