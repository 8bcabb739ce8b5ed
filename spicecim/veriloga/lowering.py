"""What the standard allows and OpenVAF does not take, or gets wrong, written anew where that is exact."""

from __future__ import annotations

from spicecim.veriloga.draws import lower_draws
from spicecim.veriloga.source import Source


def lowered(source: Source) -> Source:
    """Return a source in the part of the language that OpenVAF compiles as the standard says.

    Raises
    ------
    VerilogAError
        If something in it cannot be written so.
    """
    return lower_draws(source)
