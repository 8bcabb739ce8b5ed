"""The store of a sweep: a folder with a table of runs in SQLite, and netCDF files of waveforms where they are kept.

A run counts when the transaction that holds all of it is committed; its waveforms are renamed into place before. The
journal is SQLite's rollback journal, because its write-ahead log does not work on network folders. Every
transaction opens the file anew: a connection must not pass a fork, and a folder that vanished is noticed.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.errors import StoreError
from spicecim.fields import FloatArray
from spicecim.files import write_bytes
from spicecim.sweeps.sessions import is_alive, remove_marks
from spicecim.sweeps.work import Outcome, Value

TABLE = "runs.sqlite"
FORMAT = "2"
_PATIENCE = 60.0
"""Seconds to wait for another process's transaction, each of which takes milliseconds."""
_CHUNK = 500
"""Values of a query; SQLite takes 999 at least."""

WAITING, CLAIMED, DONE, FAILED = "waiting", "claimed", "done", "failed"

_TABLES = f"""
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT OR IGNORE INTO meta VALUES ('format', '{FORMAT}');
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, status TEXT NOT NULL, session TEXT,
    started INTEGER NOT NULL DEFAULT 0, finished INTEGER NOT NULL DEFAULT 0, seconds REAL,
    error_type TEXT, error_text TEXT, warnings TEXT, entries INTEGER, waveforms INTEGER, waveforms_crc INTEGER);
CREATE INDEX IF NOT EXISTS claims ON runs (session) WHERE session IS NOT NULL;
CREATE TABLE IF NOT EXISTS measures (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, dims TEXT NOT NULL, units TEXT NOT NULL, long_name TEXT NOT NULL,
    UNIQUE (name, dims, units, long_name));
CREATE TABLE IF NOT EXISTS results (
    run INTEGER NOT NULL, measure INTEGER NOT NULL, shape TEXT NOT NULL, not_finite INTEGER NOT NULL,
    crc INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (run, measure)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS grid (place INTEGER PRIMARY KEY, run INTEGER NOT NULL);
"""


class Counts(NamedTuple):
    """How many runs of a plan there are of each kind, and how often runs of the store were begun and finished."""

    total: int
    waiting: int
    claimed: int
    done: int
    failed: int
    started: int
    finished: int


class Layout(NamedTuple):
    """How the values of a measure are laid out.

    Attributes
    ----------
    dims
        Names of its own dimensions.
    units, long_name
        Its unit, and its name for people.
    shape, smallest
        Largest and smallest size along each of the dimensions.
    """

    dims: tuple[str, ...]
    units: str
    long_name: str
    shape: tuple[int, ...]
    smallest: tuple[int, ...]


class Store:
    """The runs of a sweep in a folder.

    Parameters
    ----------
    folder
        The folder.
    create
        Whether to make it if it is not there.

    Raises
    ------
    StoreError
        If it cannot be opened, is damaged, or was made by another version of its format.
    """

    def __init__(self, folder: str | Path, *, create: bool = False) -> None:
        self.folder = Path(folder)
        self._table = self.folder / TABLE
        if create:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"cannot make the folder {folder}: {error.strerror or error}") from None
            with self._told(), contextlib.closing(sqlite3.connect(self._table, timeout=_PATIENCE)) as connection:
                connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        elif not self._table.is_file():
            raise StoreError(f"{folder} holds no sweep: it has no file {TABLE}")
        with self.reading() as connection:
            made = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'meta'").fetchone()[0]
            found = connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchone() if made else None
        if not made:
            raise StoreError(f"{folder} holds no sweep yet: another process is about to make its tables")
        if found != (FORMAT,):
            raise StoreError(
                f"{folder} has the format {found and found[0]}, this version of spicecim reads {FORMAT}; "
                "begin a new store"
            )

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for queries that see one state of the table."""
        with self._connected("BEGIN") as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for a transaction that is done as a whole, or not at all."""
        with self._connected("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextlib.contextmanager
    def _connected(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._told():
            address = f"{self._table.absolute().as_uri()}?mode=rw"
            opened = sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)
            with contextlib.closing(opened) as connection:
                connection.execute("PRAGMA journal_mode = TRUNCATE")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(begin)
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            cure = "the same call goes on when the cause is gone"
            if type(error) is sqlite3.DatabaseError:  # of its kinds, the one for a file that is damaged
                cure = f"`spicecim sweep repair {self.folder}` saves what can be read"
            raise StoreError(f"{self._table}: {error}; the runs that it holds are unchanged, and {cure}") from None

    def check(self) -> None:
        """Raise `StoreError` if the table of runs is damaged in its structure."""
        with self.reading() as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreError(
                f"{self._table} is damaged ({' '.join(str(found).split())[:200]}); nothing was changed. "
                "`spicecim sweep repair` saves the runs that can be read"
            )

    def set_plan(self, described: Mapping[str, Any], keys: Sequence[str]) -> None:
        """Make a plan that of the store: its runs are in the table, and its dataset is what `open_sweep` opens."""
        with self.writing() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO runs (key, status) VALUES (?, '{WAITING}')", ((key,) for key in keys)
            )
            ids = dict(connection.execute("SELECT key, id FROM runs"))
            connection.execute("DELETE FROM grid")
            connection.executemany("INSERT INTO grid VALUES (?, ?)", enumerate(ids[key] for key in keys))
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('plan', ?)", (json.dumps(described),))

    def plan(self) -> dict[str, Any]:
        """Return the plan of the store, as `Plan.described` gave it."""
        with self.reading() as connection:
            found = connection.execute("SELECT value FROM meta WHERE name = 'plan'").fetchone()
        if found is None:
            raise StoreError(f"{self.folder} holds no sweep yet")
        values: dict[str, Any] = json.loads(found[0])
        return values

    def claim(self, session: str, keys: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Claim those of some runs that wait, and return their keys, and the states of the others by their keys."""
        others: dict[str, str] = {}
        with self.writing() as connection:
            states = _states(connection, keys)
            mine = [key for key in keys if states.get(key) == WAITING]
            connection.executemany(
                f"UPDATE runs SET status = '{CLAIMED}', session = ?, started = started + 1 WHERE key = ?",
                ((session, key) for key in mine),
            )
            others = {key: states[key] for key in keys if states.get(key, WAITING) != WAITING}
        return mine, others

    def states(self, keys: Sequence[str]) -> dict[str, str]:
        """States of runs by their keys."""
        with self.reading() as connection:
            return _states(connection, keys)

    def save(self, session: str, outcomes: Mapping[str, Outcome]) -> None:
        """Store what became of runs that a session has claimed, all of them or none."""
        for key, outcome in outcomes.items():
            if outcome.waveforms is not None:
                path = self.waveforms_path(key)
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise StoreError(f"cannot make the folder {path.parent}: {error.strerror or error}") from None
                write_bytes(path, outcome.waveforms)
        with self.writing() as connection:
            for key, outcome in outcomes.items():
                _save(connection, session, key, outcome)

    def release(self, session: str) -> None:
        """Let go of what a session has claimed and not finished."""
        with self.writing() as connection:
            connection.execute(
                f"UPDATE runs SET status = '{WAITING}', session = NULL WHERE session = ? AND status = '{CLAIMED}'",
                (session,),
            )

    def release_dead(self) -> None:
        """Let go of what processes have claimed that are no more."""
        with self.reading() as connection:
            names = [name for (name,) in connection.execute("SELECT DISTINCT session FROM runs WHERE session NOT NULL")]
        for name in names:
            if not is_alive(self.folder, name):
                self.release(name)
        remove_marks(self.folder)

    def wait_again(self, keys: Iterable[str]) -> None:
        """Have runs done again, whatever became of them."""
        with self.writing() as connection:
            for key in keys:
                connection.execute(
                    "DELETE FROM results WHERE run = (SELECT id FROM runs WHERE key = ?)",
                    (key,),
                )
                connection.execute(
                    f"UPDATE runs SET status = '{WAITING}', session = NULL, error_type = NULL, error_text = NULL, "
                    f"finished = 0 WHERE key = ? AND status IN ('{DONE}', '{FAILED}')",
                    (key,),
                )

    def damaged(self, keys: Sequence[str]) -> list[str]:
        """Keys of runs that are done of which an entry, or the file of waveforms, is not as it was written."""
        wanted = set(keys)
        found: dict[str, None] = {}
        with self.reading() as connection:
            count = "(SELECT count(*) FROM results WHERE run = runs.id)"
            rows = connection.execute(
                f"SELECT key, waveforms, entries = {count} FROM runs WHERE status = '{DONE}'"
            ).fetchall()
            for key, size, complete in rows:
                path = self.waveforms_path(key)
                if not complete or (size is not None and (not path.is_file() or path.stat().st_size != size)):
                    found[key] = None
            for key, crc, data in connection.execute(
                "SELECT key, crc, data FROM results JOIN runs ON runs.id = results.run"
            ):
                if zlib.crc32(data) != crc:
                    found[key] = None
        return [key for key in found if key in wanted]

    def counts(self) -> Counts:
        """Count the runs of the store's plan."""
        with self.reading() as connection:
            found = dict(
                connection.execute("SELECT status, count(*) FROM grid JOIN runs ON id = run GROUP BY status").fetchall()
            )
            sums = connection.execute("SELECT coalesce(sum(started), 0), coalesce(sum(finished), 0) FROM runs")
            started, finished = sums.fetchone()
        waiting, claimed, done, failed = (found.get(status, 0) for status in (WAITING, CLAIMED, DONE, FAILED))
        return Counts(sum(found.values()), waiting, claimed, done, failed, started, finished)

    def failures(self, most: int = -1) -> list[tuple[int, str, str, str]]:
        """Place, key, type and text of the error of each run of the plan that failed."""
        with self.reading() as connection:
            return connection.execute(
                "SELECT place, key, error_type, error_text FROM grid JOIN runs ON id = run "
                f"WHERE status = '{FAILED}' ORDER BY place LIMIT ?",
                (most,),
            ).fetchall()

    def rows(self) -> list[tuple[str, str, str, str, float, str, int]]:
        """State, type and text of the error, key, seconds, warnings and number in the table of the plan's runs."""
        with self.reading() as connection:
            return connection.execute(
                "SELECT status, coalesce(error_type, ''), coalesce(error_text, ''), key, coalesce(seconds, 'nan'), "
                "coalesce(warnings, ''), id FROM grid JOIN runs ON id = run ORDER BY place"
            ).fetchall()

    def layouts(self) -> dict[str, Layout]:
        """Layouts of the measures that runs of the plan have given, by their names.

        Raises
        ------
        StoreError
            If runs gave one with different dimensions.
        """
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT name, dims, units, long_name, shape FROM grid JOIN results USING (run) "
                "JOIN measures ON measures.id = results.measure"
            ).fetchall()
        found: dict[str, Layout] = {}
        for name, dims, units, long_name, written in rows:
            shape = tuple(json.loads(written))
            own = Layout(tuple(json.loads(dims)), units, long_name, shape, shape)
            before = found.setdefault(name, own)
            if len(before.shape) != len(own.shape):
                raise StoreError(
                    f"{name} has the dimensions {before.dims} in some runs and {own.dims} in others; a measure must "
                    "return arrays of the same dimensions"
                )
            found[name] = before._replace(
                shape=tuple(map(max, before.shape, shape)), smallest=tuple(map(min, before.smallest, shape))
            )
        return found

    def not_finite(self) -> dict[str, dict[str, int]]:
        """Numbers of values that are NaN or infinite, and of runs that gave them, of the measures that have any."""
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT name, sum(not_finite), count(*) FROM grid JOIN results USING (run) "
                "JOIN measures ON measures.id = results.measure WHERE not_finite > 0 GROUP BY name ORDER BY name"
            ).fetchall()
        return {name: {"values": values, "runs": runs} for name, values, runs in rows}

    def values(self, name: str, runs: NDArray[np.int_], shape: tuple[int, ...]) -> FloatArray:
        """Values (run, ...) of a measure of runs by their numbers in the table, NaN where there are none.

        Raises
        ------
        StoreError
            If an entry is damaged.
        """
        numbers, places = np.unique(runs, return_inverse=True)
        found = np.full((len(numbers), *shape), np.nan)
        if not len(numbers):
            return found
        where = {int(number): place for place, number in enumerate(numbers)}
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT run, shape, crc, data, key FROM results JOIN runs ON runs.id = run "
                "WHERE measure IN (SELECT id FROM measures WHERE name = ?) AND run BETWEEN ? AND ?",
                (name, int(numbers[0]), int(numbers[-1])),
            )
            for run, own, crc, data, key in rows:
                if run in where:
                    if zlib.crc32(data) != crc:
                        raise StoreError(
                            f"{self._table}: the entry of run {key} is damaged; the same call, or `spicecim sweep "
                            "retry`, does this run again and keeps all others"
                        )
                    array = np.frombuffer(data, dtype="<f8").reshape(json.loads(own))
                    inside: Any = (where[run], *map(slice, array.shape))
                    found[inside] = array
        return np.asarray(found[places])

    def waveforms_path(self, key: str) -> Path:
        """File of the waveforms of a run; the folders keep each from having too many."""
        return self.folder / "waveforms" / key[:2] / f"{key}.nc"

    def waveforms_crc(self, place: int) -> tuple[str, int | None]:
        """Key of the run at a place of the plan, and the checksum of its file of waveforms; None without one."""
        with self.reading() as connection:
            key, crc = connection.execute(
                "SELECT key, waveforms_crc FROM grid JOIN runs ON id = run WHERE place = ?", (int(place),)
            ).fetchone()
        return key, crc


def told_not_finite(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Say in words what `Store.not_finite` gave; an empty text if there are none."""
    parts = [
        f"{name}: {each['values']} in {each['runs']} run{'s' * (each['runs'] > 1)}" for name, each in counts.items()
    ]
    return f"values that are NaN or infinite: {'; '.join(parts)}" if parts else ""


def _states(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        marks = ",".join("?" * len(part))
        found |= dict(connection.execute(f"SELECT key, status FROM runs WHERE key IN ({marks})", part).fetchall())
    return {key: found[key] for key in keys if key in found}  # in the order of the plan, in which runs are begun


def _save(connection: sqlite3.Connection, session: str, key: str, outcome: Outcome) -> None:
    kind, text = outcome.error or (None, None)
    waveforms = outcome.waveforms
    changed = connection.execute(
        "UPDATE runs SET status = ?, session = NULL, finished = finished + 1, seconds = ?, error_type = ?, "
        "error_text = ?, warnings = ?, entries = ?, waveforms = ?, waveforms_crc = ? "
        f"WHERE key = ? AND session = ? AND status = '{CLAIMED}'",
        (
            DONE if outcome.error is None else FAILED, outcome.seconds, kind, text, "\n".join(outcome.warnings),
            len(outcome.values), None if waveforms is None else len(waveforms),
            None if waveforms is None else zlib.crc32(waveforms), key, session,
        ),
    )  # fmt: skip
    if not changed.rowcount:
        return  # it is no longer this session's
    for name, value in outcome.values.items():
        run = connection.execute("SELECT id FROM runs WHERE key = ?", (key,)).fetchone()[0]
        measure = _measure_id(connection, name, value)
        data = value.data.tobytes()
        connection.execute(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)",
            (
                run, measure, json.dumps(value.data.shape), int((~np.isfinite(value.data)).sum()), zlib.crc32(data),
                data,
            ),
        )  # fmt: skip


def _measure_id(connection: sqlite3.Connection, name: str, value: Value) -> int:
    described = (name, json.dumps(value.dims), value.units, value.long_name)
    found = connection.execute(
        "SELECT id FROM measures WHERE name = ? AND dims = ? AND units = ? AND long_name = ?", described
    ).fetchone()
    if found is not None:
        return int(found[0])
    added = connection.execute(
        "INSERT INTO measures (name, dims, units, long_name) VALUES (?, ?, ?, ?)", described
    )  # fmt: skip
    return int(added.lastrowid or 0)
