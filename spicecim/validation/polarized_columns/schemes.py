"""The three encodings that are put beside one another."""

from __future__ import annotations

from spicecim.encodings.bit_sliced import BitSliced, DualCrossbar, Offset, Polarized

ENCODINGS: dict[str, type[BitSliced]] = {scheme.name: scheme for scheme in (Polarized, DualCrossbar, Offset)}

TITLES = {"polarized": "polarized", "dual_crossbar": "two crossbars", "offset": "offset"}
