"""What the standard allows and OpenVAF does not take, or gets wrong, written anew where that is exact."""

from __future__ import annotations

from spicecim.veriloga.arrays import lower_arrays
from spicecim.veriloga.declarations import tokenize
from spicecim.veriloga.draws import lower_draws
from spicecim.veriloga.instances import lower_instances
from spicecim.veriloga.rewriting import edited
from spicecim.veriloga.source import Source
from spicecim.veriloga.spelling import RULES


def lowered(source: Source) -> Source:
    """Return a source in the part of the language that OpenVAF compiles as the standard says.

    Raises
    ------
    VerilogAError
        If something in it cannot be written so.
    """
    tokens = tokenize(source)
    for rule in RULES:
        edits = list(rule(tokens))
        if edits:
            source = edited(source, edits)
            tokens = tokenize(source)
    source = lower_arrays(source, tokens)
    return lower_draws(lower_instances(source, tokenize(source)))
