"""Where `netlist_templates/`, `models/` and `designs/` are.

They are beside the package in a checkout, and inside it in an installed wheel.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def resource_folder(name: str) -> Path:
    """Return the folder `name`, one of the three, in whichever of the two layouts exists."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
