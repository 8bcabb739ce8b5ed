"""The linear network around the cells: resistances (`network`), capacitances, floating lines, and what solves them.

A network is factorized densely, line after line (`ladder`), or box after box where it is large (`dissection`), or as
sparse nodal equations (`nodal`) where wires differ or store charge.
"""
