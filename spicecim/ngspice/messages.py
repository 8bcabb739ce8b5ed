"""What the worker process is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from spicecim.fields import FloatArray

NETLIST_FILE = "netlist.cir"
LOG_FILE = "ngspice.log"


class Capabilities(NamedTuple):
    """What a libngspice can do."""

    library: str
    version: str
    klu: bool
    osdi: bool
    xspice: bool
    pyspice: str


@dataclass(frozen=True)
class Request:
    """Run the netlist in `folder` and send back the vectors named; without a folder, only say what ngspice can do.

    `compatibility` is the mode, a value of ngspice's variable ngbehavior, that the netlist is read in; empty for none.
    `libraries` are shared libraries of compiled models that it needs. Folder and libraries are plain names in the
    worker's own folder.
    """

    folder: str | None
    vectors: list[str] = field(default_factory=list)
    compatibility: str = ""
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vectors(Mapping[str, "FloatArray"]):
    """Vectors of a run by their names.

    Attributes
    ----------
    names
        Their names.
    lengths
        How many values each has; 0 if it does not exist.
    table
        Values (vector, instant), each row as long as the longest vector. In one array, thousands of them are sent and
        checked at once.
    """

    names: Sequence[str] = ()
    lengths: Sequence[int] = ()
    table: FloatArray = field(default_factory=lambda: np.empty((0, 0)))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> FloatArray:
        place = self._places[name]
        return self.table[place, : self.lengths[place]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def side_by_side(self, names: Sequence[str]) -> FloatArray:
        """Return vectors of full length as the columns of an array (instant, vector)."""
        return np.ascontiguousarray(self.table[[self._places[name] for name in names]].T)


@dataclass(frozen=True)
class Answer:
    """How a request ended, and what it brought."""

    outcome: Literal[
        "done",
        "no library",
        "library rejected",
        "netlist rejected",
        "value replaced",
        "nothing simulated",
        "quit",
        "out of memory",
    ]
    message: str = ""
    capabilities: Capabilities | None = None
    vectors: Vectors = field(default_factory=Vectors)
