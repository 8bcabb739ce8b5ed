"""What the error estimate and the physical checks of an ngspice run cost: 64 x 64 cells, ideal wires and 1 ohm.

Every ratio is of one run with all of them over its own part without: the processor time of ngspice's process and this
one, and the wall clock, so that another load on the machine changes neither much. A size may be given as argument.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from unittest import mock

from crossbars import crossbar

import spicecim as sc
from spicecim.estimates import estimate_error
from spicecim.ngspice import engine
from spicecim.ngspice.client import shared_worker


def used() -> tuple[float, float]:
    """Processor time in user mode of this process and ngspice's, and the wall clock (s)."""
    worker = shared_worker()._process
    of_worker = 0.0
    if worker is not None:
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        of_worker = int(fields[11]) / os.sysconf("SC_CLK_TCK")
    return os.times().user + of_worker, time.perf_counter()


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    sc.simulate(crossbar(2, 0.0))
    print("wires, instants | ngspice user, wall (s) | checks: user ratio | estimate: user ratio, wall ratio | error")
    for ohm in (0.0, 1.0):
        bench = crossbar(size, ohm, points=200, tolerance=1e-7)
        checked: list[float] = []
        check = engine.check_physics

        def timed(*arguments: object, check=check, checked=checked) -> None:  # type: ignore[no-untyped-def]
            before = used()[0]
            check(*arguments)
            checked.append(used()[0] - before)

        start = used()
        with mock.patch.object(engine, "check_physics", timed):
            run = engine.run_ngspice(bench)
        middle = used()
        found = estimate_error(bench, run)
        end = used()
        user, wall = middle[0] - start[0] - checked[0], middle[1] - start[1]
        print(
            f"{ohm:g} ohm, {run.waveforms.sizes['time']} | {user:.2f}, {wall:.2f} | {1 + checked[0] / user:.3f} | "
            f"{1 + (end[0] - middle[0]) / user:.3f}, {1 + (end[1] - middle[1]) / wall:.3f} | "
            f"{found.current_error:.1e} of peak, {found.state_error:.1e} of x",
            flush=True,
        )


if __name__ == "__main__":
    main()
