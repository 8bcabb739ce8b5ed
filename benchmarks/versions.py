"""Times of this version over those of another checkout, both measured in turn on this machine.

``python benchmarks/versions.py ../before`` takes the Python of the other checkout's own ``.venv`` (``make setup``
there) and prints a table. Each time is the shortest of several; of a ratio below 1 this version is faster.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]

START = """
import subprocess, tempfile, time, warnings
from pathlib import Path
import numpy as np
warnings.simplefilter("ignore")
from crossbars import crossbar, run
import spicecim as sc
from spicecim.netlist import crossbar_netlist

def shortest(call, times=3):
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)

def reference(bench):
    return sc.simulate(bench, "reference")

def ngspice(size, ohm, native, times):
    netlist = crossbar_netlist(crossbar(size, ohm), native=native)
    return min(run(netlist).taken for _ in range(times))
"""

BARE = """
def over_bare(size, ohm):
    bench = crossbar(size, ohm)
    netlist = crossbar_netlist(bench, native=True)
    lines = netlist.text.split("\\n")
    lines[1:1] = [".control", f"pre_osdi {netlist.libraries[0]}", "set num_threads=1", ".endc"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bare.cir")
        file.write_text("\\n".join(lines))
        command = ["ngspice", "-b", "-r", str(file.with_suffix(".raw")), str(file)]
        sc.simulate(bench, estimate=False)
        pairs = [(shortest(lambda: subprocess.run(command, check=True, capture_output=True), 1),
                  shortest(lambda: sc.simulate(bench, estimate=False), 1)) for _ in range(5)]
    return min(ours for _, ours in pairs) / min(bare for bare, _ in pairs)
"""

CASES = {
    "ngspice, compiled model, 64 x 64 ideal (s)": "ngspice(64, 0.0, True, 5)",
    "ngspice, compiled model, 64 x 64, 1 ohm (s)": "ngspice(64, 1.0, True, 3)",
    "ngspice, behavioral model, 32 x 32 ideal (s)": "ngspice(32, 0.0, False, 2)",
    "ngspice, behavioral model, 32 x 32, 1 ohm (s)": "ngspice(32, 1.0, False, 2)",
    "sc.simulate over ngspice -b, 64 x 64 ideal (ratio)": "over_bare(64, 0.0)",
    "reference engine, 64 x 64, 1 ohm, 100 instants (s)": "shortest(lambda: reference(crossbar(64, 1.0)), 2)",
    "reference engine, 128 x 128, 1 ohm, 100 instants (s)": "shortest(lambda: reference(crossbar(128, 1.0)), 1)",
    "reference engine, 128 x 128 ideal, 16,384 states, 1000 instants (s)": (
        "shortest(lambda: reference(crossbar(128, 0.0, points=1000)))"
    ),
    "reference engine, 128 x 128 ideal, states 0 and 1, 1000 instants (s)": (
        "shortest(lambda: reference(crossbar(128, 0.0, points=1000,"
        " states=np.random.default_rng(7).integers(0, 2, (128, 128)).astype(float))))"
    ),
}


def measured(checkout: Path, case: str) -> float:
    """Run a case in a checkout, in a process of its own."""
    command = [checkout / ".venv/bin/python", "-c", f"{START}{BARE}print({CASES[case]})"]
    done = subprocess.run(command, cwd=checkout / "benchmarks", capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{checkout}: {case}:\n{done.stderr}")
    return float(done.stdout)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="checkout of the other version, with its .venv")
    parser.add_argument("--rounds", type=int, default=2, help="how often both are measured, in turn")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    print("| | other | this | this over other |\n| --- | --- | --- | --- |", flush=True)
    for case in CASES:
        if options.only not in case:
            continue
        taken = {True: math.inf, False: math.inf}
        for _ in range(options.rounds):
            for this in (False, True):
                taken[this] = min(taken[this], measured(HERE if this else options.other.resolve(), case))
        print(f"| {case} | {taken[False]:.3g} | {taken[True]:.3g} | {taken[True] / taken[False]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
