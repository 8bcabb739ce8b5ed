"""Amplifiers that lines end in: how a testbench names one, and its equations.

A transimpedance amplifier (TIA) holds its input near a potential u, that of the line's drive or ground, and turns the
current i that the line gives into a voltage. With the open-loop gain A and one pole, f the potential of the input and o
that of the output,

    i = (f - o) / R + C d(f - o)/dt,    T do/dt + o = A (u - f),    T = A / (2 pi B),

R and C the feedback, B the gain-bandwidth product (P. R. Gray, P. J. Hurst, S. H. Lewis, R. G. Meyer, Analysis and
Design of Analog Integrated Circuits, 5th ed., Wiley (2009), ISBN 978-0-470-24599-6, sections 1.7 and 9.2). At rest the
input is at (A u + R i) / (1 + A): a line at virtual ground sees a resistance R / (1 + A).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from spicecim.fields import FloatArray, Quantity, QuantityOrArray, Section, resolved_path
from spicecim.parasitics import per_line
from spicecim.problems import FieldError
from spicecim.spice_names import SubcircuitName, check_parameter_names

_FEEDBACK = Quantity("ohm", 1e-3, 1e15)
_FARAD = Quantity("F", 0.0, 1.0, smallest=1e-24)


class TransimpedanceAmplifier(Section):
    """What a line ends in: an amplifier of finite gain with a feedback resistance."""

    kind: Literal["tia"] = Field(default="tia", description="transimpedance amplifier")
    gain: Annotated[float, Quantity("", 1.0, 1e12)] = Field(description="open-loop gain at rest")
    bandwidth: Annotated[float, Quantity("Hz", 1e-3, 1e15)] | None = Field(
        default=None, description="gain-bandwidth product (Hz), at which the gain has fallen to 1; left out, no limit"
    )
    feedback: Annotated[float | FloatArray, QuantityOrArray(_FEEDBACK, (1,))] = Field(
        description="feedback resistance (ohm), one number or one per line"
    )
    feedback_capacitance: Annotated[float | FloatArray, QuantityOrArray(_FARAD, (1,))] = Field(
        default=0.0, description="capacitance beside it (farad), one number or one per line"
    )

    @property
    def time_constant(self) -> float:
        """That of the open loop's pole (s); 0 without a limit of the bandwidth."""
        return 0.0 if self.bandwidth is None else self.gain / (2.0 * math.pi * self.bandwidth)

    def checked(self, count: int, noun: str) -> TransimpedanceAmplifier:
        """Return the section; raises ValueError if an array has another length."""
        for name in ("feedback", "feedback_capacitance"):
            value: Any = getattr(self, name)
            if isinstance(value, np.ndarray) and len(value) != count:
                raise ValueError(f"{name} must have one number per {noun}, {count} of them; there are {len(value)}")
        return self


class SubcircuitAmplifier(Section):
    """What a line ends in: an amplifier of one's own, a SPICE subcircuit that ngspice alone knows."""

    kind: Literal["subcircuit"]
    subcircuit: str = Field(description="file that holds the subcircuit; relative to the testbench's folder")
    name: SubcircuitName | None = Field(
        default=None, description="name of the subcircuit; may be left out if the file has one"
    )
    ports: list[Literal["input", "output", "reference", "ground", "open"]] = Field(
        description="what each port of the subcircuit is, in their order: reference is at the line's drive, or 0 V"
    )
    parameters: dict[str, Annotated[float, Quantity("")]] = Field(
        default_factory=dict, description="parameters by name that differ from the subcircuit's defaults"
    )
    dialect: Literal["ngspice"] = Field(default="ngspice", description="simulator that the file was written for")

    _resolve = field_validator("subcircuit")(resolved_path)
    _check_parameters = field_validator("parameters")(check_parameter_names)

    @field_validator("ports")
    @classmethod
    def _check_ports(cls, value: list[str]) -> list[str]:
        for role, least in {"input": 1, "output": 1, "reference": 0}.items():
            if not least <= value.count(role) <= 1:
                raise ValueError(f"must name {role} {'once' if least else 'once at most'}")
        return value

    def checked(self, count: int, noun: str) -> SubcircuitAmplifier:
        """Return the section, which all lines have alike."""
        return self


def _kind(value: Any) -> str:
    given = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return (SubcircuitAmplifier if given == "subcircuit" else TransimpedanceAmplifier).__name__


def _of_a_known_kind(value: Any) -> Any:
    """Return the value; else the error would name what a TIA alone may be."""
    if isinstance(value, dict) and value.get("kind", "tia") not in ("tia", "subcircuit"):
        raise FieldError("kind", f"must be tia or subcircuit; it is {value['kind']!r}")
    return value


AnyAmplifier = Annotated[
    Annotated[TransimpedanceAmplifier, Tag(TransimpedanceAmplifier.__name__)]
    | Annotated[SubcircuitAmplifier, Tag(SubcircuitAmplifier.__name__)],
    Discriminator(_kind),
    BeforeValidator(_of_a_known_kind),
]
"""Any kind of amplifier; a TIA where no kind is given."""


@dataclass(frozen=True)
class Amplifiers:
    """The amplifiers of a testbench.

    Attributes
    ----------
    lines
        Numbers of the lines that end in one (amplifier,), the columns after the rows.
    gain
        Open-loop gain of each at rest (amplifier,).
    time_constant
        Time constant of its pole (amplifier,), s.
    resistance, capacitance
        Feedback of each (amplifier,), ohm and farad.
    """

    lines: NDArray[np.int_]
    gain: FloatArray
    time_constant: FloatArray
    resistance: FloatArray
    capacitance: FloatArray

    @property
    def dynamic(self) -> bool:
        """Whether an amplifier has a state: a pole, or a feedback capacitance."""
        return bool(self.time_constant.any() or self.capacitance.any())

    def admittance(self, shift: complex) -> NDArray[Any]:
        """Admittance of the feedback (amplifier,) at d/dt = shift, siemens."""
        return 1.0 / self.resistance + shift * self.capacitance

    def lag(self, shift: complex) -> NDArray[Any]:
        """What the outputs are multiplied by in the equations of the amplifiers at d/dt = shift."""
        return 1.0 + shift * self.time_constant


def amplifiers_of(
    section: TransimpedanceAmplifier, chosen: NDArray[np.int_], count: int, first: int
) -> Amplifiers:  # fmt: skip
    """Return those of the chosen rows or columns, of which there are `count`, the first of them line `first`."""
    return Amplifiers(
        first + chosen,
        np.full(len(chosen), section.gain),
        np.full(len(chosen), section.time_constant),
        per_line(section.feedback, count)[chosen],
        per_line(section.feedback_capacitance, count)[chosen],
    )


def joined_amplifiers(parts: list[Amplifiers]) -> Amplifiers | None:
    """Return the amplifiers of several kinds of lines as one; None where there are none."""
    if not parts:
        return None
    names = [field.name for field in fields(Amplifiers)]
    return Amplifiers(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
