"""Judge both engines on random testbenches by an independent integration, and write what they are off by.

``python benchmarks/random_testbenches.py out/random --count 300`` writes ``testbenches.json``, a record per testbench,
and prints a table; ``--modules`` takes random Verilog-A modules instead. ``--first`` sets the first number, ``--most``
the most rows and columns, ``--jobs`` how many processes run at once. A number and the most rows and columns stand for
the same testbench anywhere: ``--numbers N --show`` prints it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices of a few cells: threads only wait for each other
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from integration import Course, OracleError
from judging import checked_course, judge, stated
from random_benches import random_bench
from random_modules import random_module

import spicecim as sc

ENGINES = ("ngspice", "reference")
LIMIT = 40.0
"""Seconds for a run of an engine: of this process's own time for the reference engine."""
ORACLE_LIMIT = 120.0
"""Seconds of this process's own time for the independent integration."""
ACCURACY = 1e-3
"""Of a column's peak, and of x."""
DEFINITION = 3e-6
"""What the models' definition leaves open at hard stops, where equations act over a millionth and tables at a point,
in x; of a current, a hundred times that, since the resistance falls that fast there."""
CERTAIN = 1e-4
"""Largest error of the independent integration itself with which an error of 1e-3 is judged."""


class OutOfTime(BaseException):
    """No `Exception`, which an engine may catch."""


@contextmanager
def limited(seconds: float):
    """Raise `OutOfTime` when this process has computed for a time."""

    def stop(*_: Any) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run_engine(bench: sc.Testbench, engine: str) -> tuple[Any, dict[str, Any]]:
    """Run an engine: the dataset or None, and how it went."""
    start = time.perf_counter(), time.process_time()
    record: dict[str, Any] = {"engine": engine}
    dataset = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with limited(LIMIT):
                dataset = sc.simulate(bench, engine, **({"time_limit": LIMIT} if engine == "ngspice" else {}))
            record |= {"outcome": "ran", **stated(dataset)}
        except OutOfTime:
            record |= {"outcome": "hung"}
        except sc.SpiceCimError as error:
            record |= {"outcome": "raised", "error": type(error).__name__, "message": str(error).splitlines()[0]}
        except Exception as error:  # a traceback that a user would see
            record |= {"outcome": "crashed", "error": type(error).__name__, "message": str(error)[:300]}
    record |= {"seconds": time.perf_counter() - start[0], "cpu_seconds": time.process_time() - start[1]}
    record |= {"warnings": [str(each.message) for each in caught]}
    return dataset, record


def kept_course(bench: sc.Testbench, cells: Any, kept: Path | None) -> tuple[Course, float, float]:
    """Return the course and its own errors, from a file if they were found before, for this or another version."""
    if kept is not None and kept.is_file():
        state, pieces, *own = pickle.loads(kept.read_bytes())
        if np.array_equal(state, bench.crossbar.state):
            return Course(bench, cells, pieces=pieces), *own
    with limited(ORACLE_LIMIT):
        course, *own = checked_course(bench, cells)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps((bench.crossbar.state, course.pieces, *own)))
    return course, *own


def one(number: int, modules: bool, most: int, keep: Path | None) -> dict[str, Any]:
    """Draw a testbench, run and judge it."""
    kept = keep and keep / f"{'module' if modules else 'testbench'}-{number}-{most}.pickle"
    try:
        with tempfile.TemporaryDirectory() as folder:
            cells = None
            if modules:
                drawn = random_module(number, Path(folder), most)
                values, cells, label = drawn.values, drawn.cells, drawn.label
            else:
                values = random_bench(number, most)
                label = "{model} {preset}".format(**values["device"])
            bench = sc.Testbench.from_dict(values)
            record: dict[str, Any] = {
                "number": number, "device": label, "drive": values["drive"]["kind"], "shape": list(bench.shape),
                "wires": [name for name in values["crossbar"] if name != "state"], "runs": [],
            }  # fmt: skip
            runs = [run_engine(bench, engine) for engine in ENGINES]
            start = time.process_time()
            course = None
            try:
                course, record["oracle_current"], record["oracle_x"] = kept_course(bench, cells, kept)
            except (OracleError, OutOfTime) as error:
                record["oracle_failed"] = str(error) or "out of time"
            record["oracle_seconds"] = time.process_time() - start
            for dataset, run in runs:
                if dataset is not None and course is not None:
                    run |= judge(dataset, course)
                    run |= verdict(run, record, bool(course.cells.stops))
                record["runs"].append(run)
            return record
    except Exception:
        return {"number": number, "device": "", "runs": [], "broken": traceback.format_exc()}


def verdict(run: dict[str, Any], record: dict[str, Any], stops: bool) -> dict[str, Any]:
    """What is wrong with a run, as far as the integration knows."""
    own = (record["oracle_current"], record["oracle_x"])
    slack = (own[0] + 100 * DEFINITION * stops + 1e-9, own[1] + DEFINITION * stops + 1e-9)
    certain = max(own) < CERTAIN
    beyond = {
        f"{name}_beyond_stated": certain and run[f"{name}_edges"] > 3 * run[attribute] + allowed
        for name, attribute, allowed in (("current", "current_error", slack[0]), ("x", "state_error", slack[1]))
        if run[attribute] is not None
    }
    return {
        "off": max(run["current_edges"] - own[0], run["x_edges"] - own[1]) > ACCURACY,
        "pointwise": run["current"] > ACCURACY + own[0],
        "certain": certain,
        **beyond,
    }


def table(records: list[dict[str, Any]]) -> str:
    """Count what is wrong, a line per engine."""
    whole = [record for record in records if "broken" not in record]
    uncertain = sum(max(r.get("oracle_current", 1), r.get("oracle_x", 1)) >= CERTAIN for r in whole)
    failed = sum("oracle_failed" in r for r in whole)
    lines = [
        f"{len(records)} testbenches; the integration failed in {failed}, is itself off by over {CERTAIN:g} in "
        f"{uncertain - failed} more; {len(records) - len(whole)} broken",
        "",
        "| engine | ran | raised | hung | crashed | warned | pointwise off by > 1e-3 | "
        "off by > 1e-3, edges by their shift | of these without a warning | "
        "mean, power or end state off by > 1e-3 | means missed between instants by > 1e-3 | "
        "current > 3 x stated | x > 3 x stated | worst current | worst x |",
        "|" + " --- |" * 15,
    ]
    for engine in ENGINES:
        runs = [run for record in whole for run in record["runs"] if run["engine"] == engine]
        judged = [run for run in runs if "off" in run]
        cells = [
            engine,
            *[sum(run["outcome"] == outcome for run in runs) for outcome in ("ran", "raised", "hung", "crashed")],
            sum(bool(run["warnings"]) for run in runs),
            sum(run["pointwise"] for run in judged),
            sum(run["off"] for run in judged),
            sum(run["off"] and not run["warnings"] for run in judged),
            sum(max(run["mean"], run["power"], run["x_end"]) > ACCURACY for run in judged),
            sum(run["grid"] > ACCURACY for run in judged),
            *[
                sum(run[key] for run in judged if key in run) if any(key in run for run in judged) else "not stated"
                for key in ("current_beyond_stated", "x_beyond_stated")
            ],
            *[f"{max((run[name] for run in judged), default=math.nan):.2g}" for name in ("current", "x")],
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def worst(records: list[dict[str, Any]]) -> str:
    """Every run that is not as it should be, the worst first."""
    lines = []
    for record in records:
        if "broken" in record:
            lines.append((math.inf, f"{record['number']}: broken: {record['broken'].splitlines()[-1]}"))
        for run in record["runs"]:
            where = f"{record['number']} {record['device']} {record['drive']} {record['shape']} {record['wires']}"
            if run["outcome"] != "ran":
                lines.append((math.inf, f"{run['engine']}: {where}: {run['outcome']} {run.get('message', '')}"))
            elif run.get("off") or run.get("current_beyond_stated") or run.get("x_beyond_stated"):
                keys = ("current", "current_rms", "current_edges", "x", "x_edges", "x_end", "mean", "power")
                said = {name: run[name] for name in ("current_error", "state_error")}
                lines.append((max(run["current_edges"], run["x_edges"]), f"{run['engine']}: {where}: " + ", ".join(
                    f"{key} {run[key]:.2g}" for key in keys) + f", stated {said}, oracle {record['oracle_current']:.1g}"
                    + (" WARNED" if run["warnings"] else "")))  # fmt: skip
    return "\n".join(line for _, line in sorted(lines, key=lambda pair: -pair[0]))


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--numbers", type=int, nargs="*", help="these numbers instead of a range")
    parser.add_argument("--modules", action="store_true", help="random Verilog-A modules")
    parser.add_argument("--most", type=int, help="rows and columns; 6 if left out, of modules 3")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for the integrations, which serve other versions too")
    parser.add_argument("--show", action="store_true", help="print the testbenches instead of running them")
    options = parser.parse_args()
    options.most = options.most or (3 if options.modules else 6)
    numbers = options.numbers or range(options.first, options.first + options.count)
    name = "modules" if options.modules else "testbenches"
    options.out.mkdir(parents=True, exist_ok=True)
    if options.show:
        for number in numbers:
            show(number, options)
        return
    records = []
    with ProcessPoolExecutor(options.jobs) as pool, (options.out / f"{name}.jsonl").open("w") as lines:
        for done in as_completed(
            [pool.submit(one, number, options.modules, options.most, options.keep) for number in numbers]
        ):
            records.append(done.result())
            lines.write(json.dumps(records[-1]) + "\n")
            lines.flush()
    records.sort(key=lambda record: record["number"])
    (options.out / f"{name}.json").write_text(json.dumps(records, indent=1))
    (options.out / f"{name}.md").write_text(table(records) + "\n\n```\n" + worst(records) + "\n```\n")
    print(table(records))


def show(number: int, options: argparse.Namespace) -> None:
    """Print a testbench; a module's file is written beside the results."""
    if options.modules:
        drawn = random_module(number, options.out, options.most)
        values = drawn.values
        print(f"# {number}: {drawn.label}")
    else:
        values = random_bench(number, options.most)
    print(sc.Testbench.from_dict(values).to_yaml())


if __name__ == "__main__":
    main()
