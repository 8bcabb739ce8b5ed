"""Energy and area of converters by their bits and rate, and how often codes of few bits are clipped.

``scaled`` is ISAAC's rule: the capacitive DAC of a successive-approximation converter grows exponentially with its
bits (Saberi et al., IEEE TCAS-I 58 (2011), doi:10.1109/TCSI.2011.2107214), the rest linearly; both parts go through
ISAAC's converter of 8 bits (ISCA 2016, doi:10.1109/ISCA.2016.12). The shares of the two parts are estimated.

``survey`` goes through the most efficient converters of B. Murmann's ADC Performance Survey 1997-2021: those of 4.5 to
8.3 effective bits, 0.9 GS/s or more, and 45 nm or less (least squares of the logarithms over the bits).
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import ArrayLike

from spicecim.accelerator.design import Design
from spicecim.encodings.bit_sliced import Converter, lossless_bits
from spicecim.encodings.bit_sliced.encoding import BitSliced
from spicecim.encodings.integers import check_integer
from spicecim.errors import InputError
from spicecim.quantities import shown

CONVERTER_MODELS = ("published", "scaled", "survey")
"""Where energy and area of converters come from."""

_SCALED_ENERGY = (0.000402e-12, 0.19547e-12)
"""Energy (J) of the part that doubles with a bit, at 0 bits, and of the part that grows by as much with each bit."""
_SCALED_AREA = (2.134e-6, 81.7e-6)
"""The same of the area (mm2)."""
_SURVEY_ENERGY = (0.0943e-12, 0.4954)
"""Energy (J) at 0 bits, and growth of its logarithm with a bit."""
_SURVEY_AREA = (210.97e-6, 0.4066)
"""The same of the area (mm2)."""


def converter_energy(bits: float, model: str = "scaled") -> float:
    """Energy of one conversion (J) at 1 to 2 GS/s and 32 nm.

    Parameters
    ----------
    bits
        Bits of the codes.
    model
        ``"scaled"`` or ``"survey"``.

    Examples
    --------
    >>> round(converter_energy(8) * 1e12, 2), round(converter_energy(4) * 1e12, 2)
    (1.67, 0.79)
    """
    return _by_bits(bits, model, _SCALED_ENERGY, _SURVEY_ENERGY)


def converter_area(bits: float, model: str = "scaled") -> float:
    """Area of one converter (mm2); parameters as those of `converter_energy`."""
    return _by_bits(bits, model, _SCALED_AREA, _SURVEY_AREA)


def _by_bits(bits: float, model: str, scaled: tuple[float, float], survey: tuple[float, float]) -> float:
    if model == "scaled":
        return float(scaled[0] * 2.0**bits + scaled[1] * bits)
    if model == "survey":
        return survey[0] * math.exp(survey[1] * bits)
    raise InputError(f"model: must be scaled or survey (given: {shown(model)})")


def with_converters(
    design: Design, model: str = "published", *, energy: float | None = None, bits: int | None = None
) -> Design:
    """Return a design whose converters have the energy and area of a model, at their own rate.

    Parameters
    ----------
    design
        A design.
    model
        One of `CONVERTER_MODELS`; ``"published"`` keeps what the design says.
    energy
        Energy of one conversion (J), in place of the model's.
    bits
        Bits of a converter, in place of the design's; with the published model its energy and area grow as scaled ones.

    Raises
    ------
    InputError
        If the model is unknown, the bits are not 1 to 32, or the design has no converter with a rate.
    """
    if model not in CONVERTER_MODELS:
        raise InputError(f"converters: must be one of {', '.join(CONVERTER_MODELS)} (given: {shown(model)})")
    if model == "published" and energy is None and bits is None:
        return design
    name, part = design.unit_part("converter"), design.converter
    if name is None or part is None or part.bits is None or part.count is None:
        raise InputError(f"{design.name} has no converters whose energy is known")
    if bits is not None:
        check_integer(bits, "bits", 1, 32)
    width = part.bits.value if bits is None else bits
    joules, area = part.energy_per_event, part.area_mm2
    why: dict[str, Any] = {"estimated": f"converter model {model}, {width} bits"}
    if model == "published":
        ratio = [by(width) / by(part.bits.value) for by in (converter_energy, converter_area)]
        joules, area = (None if value is None else value * by for value, by in zip((joules, area), ratio, strict=True))
    else:
        joules, area = converter_energy(width, model), part.count.value * converter_area(width, model)
    if energy is not None:
        joules, why = energy, {"assumed": "an energy per conversion that was asked for"}
    changes: dict[str, Any] = {"power": None, "bits": {"value": width, **why}}
    changes["energy"] = None if joules is None else {"value": joules, **why}
    changes["area"] = None if area is None else {"value": area, **why}
    return design.changed(components={"unit": {name: changes}})


def lossless_converter_bits(rows: int, cell_bits: int) -> int:
    """Bits that tell all sums of a fragment apart: rows times the highest level, and 0.

    Examples
    --------
    >>> [lossless_converter_bits(rows, 2) for rows in (4, 8, 16)]
    [4, 5, 6]
    """
    return lossless_bits(rows * (2**cell_bits - 1))


def clipped_share(encoding: BitSliced, weights: ArrayLike, inputs: ArrayLike, bits: int) -> float:
    """Share of the conversions that clip, with one level per code.

    Parameters
    ----------
    encoding
        What cuts the layer into fragments.
    weights
        Integers (input line, output).
    inputs
        Integers (vector, input line).
    bits
        Bits of the converters.
    """
    converter = Converter(bits=bits, range=2**bits - 1)
    readout = encoding.model_copy(update={"converter": converter}).program(weights).multiply(inputs)
    return float(readout.clipped / readout.conversions)
