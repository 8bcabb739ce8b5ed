"""The kinds of thing that people add, and the registries that know their members."""

from __future__ import annotations

from typing import Any

from spicecim.registry import Registry


def all_registries() -> list[Registry[Any]]:
    """Return the registry of each kind."""
    from spicecim.devices import MODELS
    from spicecim.drives import DRIVES
    from spicecim.encodings.registered import ENCODINGS
    from spicecim.engines import ENGINES
    from spicecim.measure import MEASURES

    return [MODELS, DRIVES, ENGINES, ENCODINGS, MEASURES]
