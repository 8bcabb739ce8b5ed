"""Every default limit: what spicecim takes from outside, how long it waits, and what it warns of.

The limits are far above what a useful input needs; they are there so that a damaged or hostile one ends in an error
instead of a full memory or a run without end. An error from a limit names it. A Python program changes one by setting
it: ``spicecim.limits.ARRAY_VALUES = 200_000_000``.
"""

from __future__ import annotations

# Sizes and depths of files, checked before they are read.

TESTBENCH_BYTES = 50_000_000
"""Bytes of a testbench in YAML: what `YAML_NODES` numbers take when they are written in full."""

DESIGN_BYTES = 4_000_000
"""Bytes of an accelerator's design or of a table of layers in YAML; a network of a thousand layers takes 100 kB."""

YAML_NODES = 2_000_000
"""Numbers, texts, lists and dictionaries in a YAML file, with aliases counted as what they stand for: a crossbar of
1400 x 1400 states. Reading that takes half a minute; more belongs into a .npy file."""

YAML_DEPTH = 32
"""Lists and dictionaries within each other in a YAML file; a testbench has 4."""

JSON_BYTES = 64_000_000
"""Bytes of a JSON text: a testbench with `YAML_NODES` numbers, written in full, takes a sixth of it."""

ARRAY_FILE_BYTES = 500_000_000
"""Bytes of a .npy or .npz file: `ARRAY_VALUES` in double precision, and another array beside them."""

ARRAY_VALUES = 50_000_000
"""Numbers of an array in a file: 400 MB, such as 64 rows of 780,000 samples."""

CELLS = 4_000_000
"""Cells of a crossbar: 2000 x 2000, more than any engine here simulates within a day."""

SPICE_FILE_BYTES = 4_000_000
"""Bytes of a SPICE file; published models take some ten thousand."""

SPICE_INCLUDES = 1000
"""Files that a SPICE file includes, directly and through each other, each as often as it is included."""

SPICE_INCLUDE_DEPTH = 16
"""Files that include each other in a chain."""

SUBCIRCUIT_DEPTH = 32
"""Subcircuits that call each other in a chain, or are defined within each other."""

SUBCIRCUIT_ELEMENTS = 10_000
"""Circuit elements of one cell, when every subcircuit that it calls is put in its place."""

SUBCIRCUIT_CHARACTERS = 100_000
"""Characters of an expression, when every function that it calls is put in its place, or it is adapted for ngspice."""

SPICE_NESTING = 150
"""Levels of an expression that `spicecim model adapt` reads: brackets within each other, or operators in a row."""

VERILOG_A_FILE_BYTES = 4_000_000
"""Bytes of a Verilog-A file; published models take some ten thousand."""

VERILOG_A_DEPTH = 64
"""Verilog-A files that include each other in a chain, or macros that expand to each other."""

VERILOG_A_EXPANSION = 8_000_000
"""Characters that are looked at to expand the macros of a Verilog-A file, each as often as it is: the macros of
published models take some hundred thousand."""

VERILOG_A_CALL_LINES = 500
"""Lines of the arguments of a macro in Verilog-A."""

VERILOG_A_NESTING = 200
"""Brackets within each other, signs in a row, choices (``?``) in a statement of Verilog-A, or powers in one."""

VERILOG_A_ELEMENTS = 256
"""Of an array in Verilog-A: each becomes a variable, parameter or node of its own."""

VERILOG_A_MESSAGE = 2000
"""Characters of what OpenVAF says of a file that are passed on."""

VERILOG_A_BLOCKS = 100_000
"""Blocks of instructions that one evaluation of a Verilog-A module enters: a loop has two or three, so that this is a
loop of 30,000 rounds, which takes seconds. The compiled model has no such limit but the time of a run."""

MEASUREMENT_BYTES = 200_000_000
"""Bytes of a text file of measured values: some millions of samples."""

DATASET_BYTES = 16_000_000_000
"""Bytes of a dataset of waveforms: more does not fit into the memory of a common machine."""

SWEEP_RUNS = 10_000_000
"""Runs of a sweep: at a millisecond each, three hours."""

SWEEP_VALUES_BYTES = 4_000_000
"""Bytes that a measure of one run of a sweep may take in the table of runs: waveforms, which take more, have files."""

# Seconds: how long spicecim waits.

DEFAULT_TIME_LIMIT = 3600.0
"""Seconds for one run of a testbench in either engine; `time_limit` and ``--time-limit`` set another, or none. The
largest cases of the benchmarks take minutes; a run of an hour is more often a mistake in the testbench."""

LONGEST_TIME_LIMIT = 1e6
"""Seconds; the operating system's waits do not take much longer ones."""

COMPILE_TIME_LIMIT = 300.0
"""Seconds for each step of compiling a Verilog-A file: reading it, OpenVAF, the C compiler. Each takes a second or two
for a published model."""

COMPILE_TIME_LIMIT_VARIABLE = "SPICECIM_COMPILE_TIME_LIMIT"
"""Environment variable that sets another limit (s) for the steps of compiling a Verilog-A file."""

WORKER_START_LIMIT = 60.0
"""Seconds that ngspice's process may take to load libngspice and say what it can do, where no run limits it; it takes
0.3 s."""

# Amperes: what spicecim warns of.

CELL_CURRENT = 0.05
"""Amperes in a cell above which `simulate` warns, where its preset states no largest current. Published cells are set
and reset with 1 uA to 10 mA mostly. Through a filament 100 nm wide, 50 mA are 6e8 A/cm2, some hundred times what the
copper lines of a chip are laid out for."""
