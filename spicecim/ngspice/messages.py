"""What the worker process is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
class Answer:
    """How a request ended, and what it brought: a vector that was asked for and does not exist is None."""

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
    vectors: dict[str, NDArray[np.float64] | None] = field(default_factory=dict)
