"""Cells and the network around them on one clock: how cells follow, how a step is solved, how steps follow."""
