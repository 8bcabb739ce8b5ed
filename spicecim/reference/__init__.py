"""The numpy reference engine.

A testbench goes to one of three ways of following its cells, by what these have in common (`engine`):

- nothing but the drivers, because all wires are ideal, and the state is moved by a product of a function of the voltage
  and one of the state: its way is tabulated once, and every motion is an evaluation (`tables`);
- nothing but the drivers, with any other equations: each cell is integrated on its own clock (`independent`), and of
  many initial states as few as tell the others (`ideal`);
- wires, transistors or lines that float: all cells and the network around them on one clock (`coupled`, `wires`).

What to change where:

=====================================================  =================================================================
what a voltage or its corners are at an instant        `drive`
polynomials over a step, and their error               `collocation`
how long the next step is                              `step_control`
how a step of cells and wires is solved                `coupled.step`, and of cells alone `collocation.attempt_step`
how a step is accepted, and what follows a rejection   `coupled.follow`, `independent`
how the state of a cell follows its voltage            `tables.flow_map`, `coupled.explicit_cells` and `.implicit_cells`
Kirchhoff's laws, and what solves them                 `wires.network` and its neighbors
the start at rest, and operating points                `static`, `operating_point`, `newton`
waveforms at the instants that were asked for          `coupled.dense_output`, `record`
what errors a run states                               `error_estimates`, `coupled.companion`
time limits, interrupts, overflows                     `guards`
=====================================================  =================================================================
"""
