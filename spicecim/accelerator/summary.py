"""One design, or two beside each other, as plain values: what the command line shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spicecim.accelerator.converters import with_converters
from spicecim.accelerator.design import Design, load_design
from spicecim.accelerator.evaluation import (
    compare,
    compared_values,
    evaluate,
    evaluate_beside,
    workload_differences,
)
from spicecim.accelerator.layers import NetworkShape


def evaluate_design(
    design: str | Path | Design,
    network: str | Path | NetworkShape | None = None,
    *,
    compare_with: str | Path | Design | None = None,
    converters: str = "published",
    chips: int | None = None,
) -> dict[str, Any]:
    """Evaluate a design, and another beside it, as plain values.

    Parameters
    ----------
    design, compare_with
        Designs, their names, or their YAML files.
    network
        A network, its name, or a YAML file with a table of layers.
    converters
        What energy and area of converters follow, in both designs; see `with_converters`.
    chips
        Chips that the network is on; as few as the designs need if left out.

    Returns
    -------
    dict
        What `Evaluation.to_dict` gives, and with another design ``compared_with``, its name, ``ratios``, the first
        design over the other, ``compared_values``, what the other gives of these, and ``differences`` in their work,
        pairs of the first and the other by ``weight_bits``, ``input_bits`` and ``pruning``.

    Raises
    ------
    InputError
        If there is no such design, network or model, they do not fit, or the chips are too few.
    TestbenchError
        If a file is not valid.

    Examples
    --------
    >>> found = evaluate_design("forms_8", compare_with="isaac_pruned")
    >>> round(found["ratios"]["gops_per_mm2"], 2)
    0.39
    """
    first = with_converters(load_design(design), converters)
    if compare_with is None:
        return evaluate(first, network, chips=chips).to_dict()
    one, other = evaluate_beside(first, with_converters(load_design(compare_with), converters), network, chips)
    return {
        **one.to_dict(),
        "compared_with": other.design.name,
        "ratios": compare(one, other),
        "compared_values": compared_values(other),
        "differences": workload_differences(one, other),
    }
