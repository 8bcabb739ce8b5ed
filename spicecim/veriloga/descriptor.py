"""What a shared library of the Open Source Device Interface (OSDI) tells of its modules: nodes and parameters."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_bool, c_char_p, c_double, c_uint32, c_void_p
from pathlib import Path
from typing import Any

_INSTANCE = 1 << 30
"""Flag of a parameter that every instance has a value of its own of."""
NONE = 0xFFFFFFFF
"""Offset of what there is none of."""


class _Node(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("units", c_char_p),
        ("residual_units", c_char_p),
        *((f"offset_{index}", c_uint32) for index in range(4)),
        ("is_flow", c_bool),
    ]


class _Parameter(Structure):
    _fields_ = [
        ("names", POINTER(c_char_p)),
        ("num_alias", c_uint32),
        ("description", c_char_p),
        ("units", c_char_p),
        ("flags", c_uint32),
        ("length", c_uint32),
    ]


class _JacobianEntry(Structure):
    _fields_ = [("row", c_uint32), ("column", c_uint32), ("react_ptr_off", c_uint32), ("flags", c_uint32)]


class Descriptor(Structure):
    """What a library says of a module, as far as versions 0.3 to 0.5 of the interface begin alike."""

    _fields_ = [
        ("name", c_char_p),
        ("num_nodes", c_uint32),
        ("num_terminals", c_uint32),
        ("nodes", POINTER(_Node)),
        ("num_jacobian_entries", c_uint32),
        ("jacobian_entries", POINTER(_JacobianEntry)),
        ("num_collapsible", c_uint32),
        ("collapsible", POINTER(c_uint32 * 2)),
        ("collapsed_offset", c_uint32),
        ("noise_sources", c_void_p),
        ("num_noise_src", c_uint32),
        ("num_params", c_uint32),
        ("num_instance_params", c_uint32),
        ("num_opvars", c_uint32),
        ("param_opvar", POINTER(_Parameter)),
        ("node_mapping_offset", c_uint32),
        ("jacobian_ptr_resist_offset", c_uint32),
        ("num_states", c_uint32),
        ("state_idx_off", c_uint32),
        ("bound_step_offset", c_uint32),
        ("instance_size", c_uint32),
        ("model_size", c_uint32),
        *((name, c_void_p) for name in ("access", "setup_model", "setup_instance", "eval", "load_noise")),
        *((f"load_residual_{kind}", c_void_p) for kind in ("resist", "react")),
        *((f"load_limit_rhs_{kind}", c_void_p) for kind in ("resist", "react")),
        *((f"load_spice_rhs_{kind}", c_void_p) for kind in ("dc", "tran")),
        *((f"load_jacobian_{kind}", c_void_p) for kind in ("resist", "react", "tran")),
    ]


def read_descriptors(path: Path) -> list[dict[str, Any]]:
    """Return of each module name, nodes, parameters, pairs of nodes that may become one, and constant derivatives.

    Raises
    ------
    OSError
        If the library cannot be loaded.
    ValueError
        If it has not what a library of this interface has.
    """
    library = ctypes.CDLL(str(path.absolute()))
    count = c_uint32.in_dll(library, "OSDI_NUM_DESCRIPTORS").value
    # version 0.4 and newer say how long a descriptor is
    size = c_uint32.in_dll(library, "OSDI_DESCRIPTOR_SIZE").value
    start = ctypes.addressof(ctypes.c_char.in_dll(library, "OSDI_DESCRIPTORS"))
    return [_described(Descriptor.from_address(start + index * size)) for index in range(count)]


def _described(descriptor: Descriptor) -> dict[str, Any]:
    # what the library adds itself, such as $mfactor, is no parameter of the module
    parameters = [descriptor.param_opvar[index] for index in range(descriptor.num_params)]
    return {
        "name": _text(descriptor.name),
        "constant_slopes": _constant_slopes(descriptor),
        "nodes": [
            {
                "name": _text(node.name),
                "units": _text(node.units),
                "residual_units": _text(node.residual_units),
                "is_internal": index >= descriptor.num_terminals,
            }
            for index, node in enumerate(descriptor.nodes[: descriptor.num_nodes])
        ],
        "collapsible": [tuple(descriptor.collapsible[index]) for index in range(descriptor.num_collapsible)],
        "params": [
            {
                "name": _text(item.names[0]),
                "aliases": [_text(item.names[1 + index]) for index in range(item.num_alias)],
                "units": _text(item.units),
                "description": _text(item.description),
                "flags": item.flags,
                "is_instance": bool(item.flags & _INSTANCE),
            }
            for item in parameters
            if not _text(item.names[0]).startswith("$")
        ],
    }


def _constant_slopes(descriptor: Descriptor) -> list[tuple[float, float]]:
    """Resistive and reactive derivative of each entry where that is a constant; 0 where it depends on anything.

    A constant stands in the function that adds an entry to the simulator's matrix, any other derivative in the
    instance, which is filled with zeros here.
    """
    count = descriptor.num_jacobian_entries
    matrix = (c_double * (2 * count))()
    instance = ctypes.create_string_buffer(descriptor.instance_size)
    model = ctypes.create_string_buffer(descriptor.model_size)
    start = ctypes.addressof(matrix)
    for index in range(count):
        for offset, place in (
            (descriptor.jacobian_ptr_resist_offset + index * ctypes.sizeof(c_void_p), index),
            (descriptor.jacobian_entries[index].react_ptr_off, count + index),
        ):
            if offset != NONE:
                c_void_p.from_buffer(instance, offset).value = start + place * ctypes.sizeof(c_double)
    ctypes.CFUNCTYPE(None, c_void_p, c_void_p)(descriptor.load_jacobian_resist)(
        ctypes.addressof(instance), ctypes.addressof(model)
    )
    ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_double)(descriptor.load_jacobian_react)(
        ctypes.addressof(instance), ctypes.addressof(model), 1.0
    )
    return list(zip(matrix[:count], matrix[count:], strict=True))


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
