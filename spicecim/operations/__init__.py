"""What is done to an array: reads, SET, RESET and FORM pulses, sequences of them, and write-verify."""

from spicecim.operations.curves import endurance, potentiation
from spicecim.operations.operation import Operation, at_end
from spicecim.operations.program import program
from spicecim.operations.pulses import Pulses, chosen_pulses
from spicecim.operations.schemes import SCHEMES, Scheme
from spicecim.operations.sequence import run_sequence
from spicecim.operations.window import conductance, polarity

__all__ = [
    "SCHEMES",
    "Operation",
    "Pulses",
    "Scheme",
    "at_end",
    "chosen_pulses",
    "conductance",
    "endurance",
    "polarity",
    "potentiation",
    "program",
    "run_sequence",
]
