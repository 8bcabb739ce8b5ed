"""One period of arrays with a foundry's transistor in every cell (1T1R) in ngspice.

    python benchmarks/pdk.py FOLDER PDK

Prints a table in Markdown and writes it to the folder. PDK is the folder of IHP's SG13G2 with ``ngspice/models`` in it:
``.venv/pdk/ihp/models`` after ``sh scripts/pdk.sh .venv``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
from figures import Figure, at_most, measure

import spicecim as sc
from spicecim.ngspice.client import shared_worker

TRANSISTOR = {
    "lib": "ngspice/models/cornerMOSlv.lib",
    "corner": "mos_tt",
    "subcircuit": "sg13_lv_nmos",
    "verilog_a": ["ngspice/va/psp103/psp103.va"],
    "parameters": {"w": "10um", "l": "0.13um"},
}


def array(size: int, ohm: float) -> sc.Testbench:
    """Oblea's device behind a transistor whose gate is at 1.2 V."""
    states = np.random.default_rng(1).uniform(0.1, 0.7, (size, size))
    return sc.Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": states, "wire_row": ohm, "wire_column": ohm},
        drive={"kind": "sine", "amplitude": 0.45, "frequency": 100},
        cell={"kind": "1t1r", "transistor": {"pdk": str(Path(sys.argv[2]).resolve()), **TRANSISTOR}},
        word_lines={"drive": {"kind": "samples", "time": [0, 0.01], "voltages": np.full((size, 2), 1.2)}},
        analysis={"duration": 0.01, "points_per_period": 100},
    )


def _processor_time() -> float:
    """Processor time of this process and of the one that ngspice runs in (s)."""
    process = shared_worker()._process
    own = time.process_time()
    if process is None:
        return own
    user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return own + (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def arrays() -> list[Figure]:
    """32 x 32 with wires, 64 x 64 without."""
    sc.simulate(array(1, 0.0), estimate=False)  # compiles the model
    figures = []
    for size, ohm, wanted in ((32, 2.0, 15.0), (64, 0.0, 60.0)):
        bench = array(size, ohm)
        begin, begun = time.perf_counter(), _processor_time()
        run = sc.simulate(bench, estimate=False)
        wall, cpu = time.perf_counter() - begin, _processor_time() - begun
        title = f"{size} × {size}, {f'{ohm:g} ohm' if ohm else 'no wires'}, {run.sizes['time']} instants"
        figures += [at_most(f"{title}: time", wall, "s", wanted), Figure(f"{title}: processor time", cpu, "s")]
    return figures


if __name__ == "__main__":
    measure("pdk", [arrays])
