"""What a network on crossbars takes, layer by layer, and any of its crossbars in any engine."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.encodings.base import Programmed
from spicecim.encodings.bit_sliced import ProgrammedSlices, effective_cycles
from spicecim.encodings.integers import IntArray
from spicecim.engines import simulate
from spicecim.errors import InputError
from spicecim.networks.layers import CrossbarLayer
from spicecim.networks.pytorch import torch


def layers_of(model: Any) -> dict[str, CrossbarLayer]:
    """Return the layers of a network that are on crossbars, by their names.

    Raises
    ------
    InputError
        If there are none.
    """
    found = {name: module for name, module in model.named_modules() if isinstance(module, CrossbarLayer)}
    if not found:
        raise InputError("model: has no layer on crossbars; networks.crossbars makes such a network")
    return found


def record_inputs(model: Any, images: Any) -> dict[str, IntArray]:
    """Return the integers (vector, row) that each layer on crossbars gets for inputs of the network, by its name."""
    layers = layers_of(model)
    with ExitStack() as stack, torch.no_grad():
        seen = {name: stack.enter_context(layer.recording()) for name, layer in layers.items()}
        model.eval()(images)
        return {name: np.concatenate(parts) for name, parts in seen.items()}


def in_integers(model: Any, images: Any) -> Any:
    """Return what the integer network of the same ranges gives: products by PyTorch in place of the crossbars."""
    with ExitStack() as stack, torch.no_grad():
        for layer in layers_of(model).values():
            stack.enter_context(layer.in_integers())
        return model.eval()(images)


def report(model: Any, inputs: dict[str, IntArray] | None = None) -> xr.Dataset:
    """Return what each layer on crossbars takes.

    Parameters
    ----------
    model
        A network of `crossbars`.
    inputs
        Input vectors of each layer, such as `record_inputs` returns; those kept from the calibration if left out.

    Returns
    -------
    xarray.Dataset
        Along ``layer``: ``rows`` and ``columns`` of its weights, zeros left out; ``crossbars``, ``cells``,
        ``adc_bits``; ``product_error``, the root mean square error of its products over their root mean square;
        ``input_cycles``, the mean effective input cycles of its fragments (of schemes that read bit by bit).
    """
    found = []
    for name, layer in layers_of(model).items():
        vectors = layer.sample if inputs is None else inputs[name]
        assert vectors is not None
        exact = layer.products(vectors, exact=True)
        size = float(np.sqrt(np.square(exact).mean())) or 1.0
        error = float(np.sqrt(np.square(layer.products(vectors) - exact).mean())) / size
        parts = [group.programmed for group in layer.groups]
        found.append(
            {
                "rows": parts[0].weights.shape[0],
                "columns": sum(part.weights.shape[1] for part in parts),
                "crossbars": sum(part.resources.crossbars for part in parts),
                "cells": sum(part.resources.cells for part in parts),
                "adc_bits": _converter_bits(parts[0]),
                "product_error": error,
                "input_cycles": _cycles(layer, vectors),
            }
        )
    layers = list(layers_of(model))
    return xr.Dataset({key: ("layer", [values[key] for values in found]) for key in found[0]}, coords={"layer": layers})


def report_table(found: xr.Dataset) -> str:
    """Return a `report` as a table in Markdown, with a line for the whole network."""
    heads = ["layer", "rows", "columns", "crossbars", "cells", "ADC bits", "error of products", "input cycles"]
    lines = []
    for name in found["layer"].values:
        one = found.sel(layer=name)
        counts = [str(int(one[key])) for key in ("rows", "columns", "crossbars", "cells", "adc_bits")]
        lines.append([str(name), *counts, f"{float(one['product_error']):.2e}", f"{float(one['input_cycles']):.1f}"])
    totals = [str(int(found[key].sum())) for key in ("crossbars", "cells")]
    shown = ["| " + " | ".join(line) + " |" for line in [heads, *lines, ["all", "", "", *totals, "", "", ""]]]
    return "\n".join([shown[0], "|" + " --- |" * len(heads), *shown[1:]])


class TileCodes(NamedTuple):
    """Codes of one crossbar in an engine."""

    codes: int
    """Codes compared."""
    off_reference: int
    """Codes that are not those of the reference engine."""
    off_integers: int
    """Codes that are not the integer sums of levels; what cells, wires and converters lose is in them."""


def compare_tile(layer: CrossbarLayer, number: int, vectors: ArrayLike, engine: str = "ngspice") -> TileCodes:
    """Run one crossbar of a layer in an engine on inputs of the layer, and compare its codes.

    Parameters
    ----------
    layer
        A layer on crossbars of a bit-sliced scheme.
    number
        Number of the crossbar.
    vectors
        Input vectors (vector, row) of the layer.
    engine
        What runs the testbench.
    """
    tile = layer.tile(number)
    if not isinstance(tile, ProgrammedSlices):
        raise InputError(f"{layer.name}: {layer.scheme.name} has no codes; compare what `decode` and `multiply` give")
    inputs = layer.tile_inputs(number, np.asarray(vectors))
    runs = [simulate(bench, engine, estimate=False) for bench in tile.testbenches(inputs)]
    (found,), (reference,), (exact,) = tile.codes(inputs, runs), tile.codes(inputs), tile.exact_sums(inputs)
    return TileCodes(found.size, int(np.count_nonzero(found != reference)), int(np.count_nonzero(found != exact)))


def _converter_bits(programmed: Programmed) -> int:
    if isinstance(programmed, ProgrammedSlices):
        return programmed.scheme.fitted_converter().bits
    return programmed.resources.converter_bits


def _cycles(layer: CrossbarLayer, vectors: IntArray) -> float:
    """Mean effective input cycles of the fragments of all groups."""
    means = []
    for number, group in enumerate(layer.groups):
        if not isinstance(group.programmed, ProgrammedSlices):
            return float("nan")
        own = layer.group_inputs(number, vectors)
        means.append(float(effective_cycles(own, group.programmed.scheme.fragment_rows).mean()))
    return float(np.mean(means))
