"""Every error that a user can meet, in one tree under `SpiceCimError`.

The two branches below it are the two kinds of failure a caller tells apart: `InputError` (what was asked for is wrong
and nothing was simulated; the command line exits with 2) and `SimulationError` (a simulation was started and did not
succeed; the command line exits with 3).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple


class SpiceCimError(Exception):
    """Base class of all errors raised by spicecim."""


class InputError(SpiceCimError):
    """What was asked for cannot be done as it stands."""


class QuantityError(InputError, ValueError):
    """A text or number is not a usable physical quantity."""


class Problem(NamedTuple):
    """One thing that is wrong with an input: the dotted name of the field, what was given, and what is allowed."""

    field: str
    value: str
    reason: str

    def __str__(self) -> str:
        given = f" (given: {self.value})" if self.value else ""
        return f"{self.field}: {self.reason}{given}" if self.field else f"{self.reason}{given}"


class TestbenchError(InputError):
    """A testbench, or another description made of sections (an encoding, an accelerator's design), is not valid.

    Attributes
    ----------
    problems
        One `Problem` for each thing that is wrong, with the dotted name of its field.
    """

    __test__ = False  # the name starts with "Test", but this is no test class for pytest to collect

    def __init__(self, problems: list[Problem], source: str = "testbench") -> None:
        self.problems = problems
        self.source = source
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))

    def __reduce__(self) -> tuple[type[TestbenchError], tuple[list[Problem], str]]:
        return type(self), (self.problems, self.source)


class ModelError(InputError):
    """A device model, preset or parameter is unknown or outside its bounds."""


class StateCurrentError(ModelError):
    """A part of the equation of a device's state is a current of one of its terminals."""


class VerilogAError(InputError):
    """A Verilog-A file cannot be compiled, or holds something that is not supported or does not work as a memristor."""


class SubcircuitError(InputError):
    """A SPICE subcircuit from a file cannot be used as it stands."""


class UnsupportedError(InputError):
    """The testbench is valid, but the engine or measurement asked for does not cover it."""


class WaveformError(InputError):
    """A dataset or file does not hold the waveforms it should."""


class MeasurementError(InputError):
    """A measurement cannot be taken from these waveforms."""


class ResultsError(InputError, OSError):
    """A file or a folder of results cannot be written; what was there before is unchanged."""


class StoreError(ResultsError):
    """The store of a sweep cannot be read or written, or an entry of it is damaged; what it holds stays as it is."""


class MissingPackageError(InputError, ImportError):
    """A package of an extra is not installed; the message names the extra."""

    @classmethod
    def of(cls, extra: str, what: str) -> MissingPackageError:
        """Return the error for an extra, with what is missing."""
        return cls(f"{what}; install the extra: pip install 'spicecim[{extra}]'")


class AccuracyWarning(UserWarning):
    """A run did not reach the accuracy that was asked for; its result stands, with its estimated error."""


class StateWarning(UserWarning):
    """A cell starts at a state that no voltage of the drive moves it from."""


class CurrentWarning(UserWarning):
    """A cell carries more current than its preset states, or than published cells take.

    Attributes
    ----------
    current
        The largest current of a cell (A).
    """

    def __init__(self, message: str, current: float) -> None:
        self.current = current
        super().__init__(message)

    def __reduce__(self) -> tuple[type[CurrentWarning], tuple[str, float]]:
        return type(self), (str(self), self.current)


class FailedRunsWarning(UserWarning):
    """Runs of a sweep failed or are not done; their values are missing in the result, which holds their errors."""


class NotFiniteWarning(UserWarning):
    """Values that a sweep has measured are NaN or infinite; their runs are kept."""


class ImplausibleWarning(UserWarning):
    """A component of an accelerator takes more power or area than a chip can have."""


class ProgrammingWarning(UserWarning):
    """Cells are off their targets after write-verify; the result marks them (``converged``)."""


class SimulationError(SpiceCimError):
    """A simulation was started and did not succeed.

    Attributes
    ----------
    folder
        Where the netlist (``netlist.cir``) and the simulator's log (``ngspice.log``) were kept, or None.
    log
        The last lines of the simulator's log.
    """

    _speaker = "ngspice"
    _kept = "netlist and log"

    def __init__(self, message: str, folder: Path | None = None, log: str = "") -> None:
        self.message = message
        self.folder = folder
        self.log = log
        parts = [message]
        if log:
            parts.append(f"{self._speaker} said:\n" + "\n".join(f"    {line}" for line in log.splitlines()))
        if folder is not None:
            parts.append(f"{self._kept} kept in {folder}")
        super().__init__("\n".join(parts))

    def kept_in(self, folder: Path | None, log: str) -> SimulationError:
        """Return the same error with the folder that keeps its files, and what the simulator said."""
        return type(self)(self.message, folder, log)

    def __reduce__(self) -> tuple[type[SimulationError], tuple[Any, ...]]:
        return type(self), (self.message, self.folder, self.log)


class NgspiceNotFoundError(SimulationError):
    """No usable libngspice was found."""


class NetlistError(SimulationError):
    """Ngspice could not read the netlist."""


class ConvergenceError(SimulationError):
    """The time integration gave up before the stop time."""


class IncompleteResultError(SimulationError):
    """Ngspice ended without an error, but vectors are missing, short or not finite."""


class TimeLimitError(SimulationError):
    """The run took longer than its time limit and was stopped."""


class CompilerError(SimulationError):
    """There is no working C compiler, or it failed; the folder keeps the C source and the compiler's messages."""

    _speaker = "the compiler"
    _kept = "C source and messages"


class WorkerCrashError(SimulationError):
    """The process of a run died."""


class ManyRunsError(SimulationError):
    """Of many testbenches in one call, some failed.

    Attributes
    ----------
    results
        The waveforms, in the order of the testbenches; in place of those that failed, their errors.
    errors
        The errors alone, by the indices of their testbenches.
    """

    _shown = 5

    def __init__(self, results: list[Any]) -> None:
        self.results = results
        self.errors = {index: result for index, result in enumerate(results) if isinstance(result, Exception)}
        lines = [f"testbench {index}: {type(error).__name__}: {error}" for index, error in self.errors.items()]
        more = len(lines) - self._shown
        lines = [*lines[: self._shown], f"and {more} more"] if more > 0 else lines
        super().__init__("\n".join([f"{len(self.errors)} of {len(results)} testbenches failed", *lines]))

    def __reduce__(self) -> tuple[type[SimulationError], tuple[Any, ...]]:
        return type(self), (self.results,)


class ProgrammingError(SimulationError):
    """The pulses of a write-verify do not program the device, or an operation failed after others were done.

    Attributes
    ----------
    result
        What was reached: the `xarray.Dataset` that `spicecim.program`, `run_sequence`, `potentiation` or `endurance`
        would have returned of what was done.
    """

    def __init__(self, message: str, result: Any, folder: Path | None = None, log: str = "") -> None:
        self.result = result
        super().__init__(message, folder, log)

    def kept_in(self, folder: Path | None, log: str) -> ProgrammingError:
        """Return the same error with the folder that keeps its files, and what the simulator said."""
        return ProgrammingError(self.message, self.result, folder, log)

    def __reduce__(self) -> tuple[type[SimulationError], tuple[Any, ...]]:
        return type(self), (self.message, self.result, self.folder, self.log)


class PhysicsError(SimulationError):
    """A result breaks a law: a state out of its range, a current that no equation gives, charge or energy missing.

    Attributes
    ----------
    reason
        What is wrong.
    place
        Where: a cell, a column, the columns, the crossbar.
    instant
        When it is first so (s).
    value
        By how much, in the unit that `reason` names.
    """

    def __init__(
        self, reason: str, place: str, instant: float, value: float, folder: Path | None = None, log: str = ""
    ) -> None:
        self.reason, self.place, self.instant, self.value = reason, place, instant, value
        super().__init__(f"the result is not physical: {place} at {instant:g} s: {reason}", folder, log)

    def kept_in(self, folder: Path | None, log: str) -> PhysicsError:
        """Return the same error with the folder that keeps its files, and what the simulator said."""
        return PhysicsError(self.reason, self.place, self.instant, self.value, folder, log)

    def __reduce__(self) -> tuple[type[SimulationError], tuple[Any, ...]]:
        return type(self), (self.reason, self.place, self.instant, self.value, self.folder, self.log)


class Interruption(KeyboardInterrupt):
    """A signal has ended what was under way; what was finished is kept.

    Attributes
    ----------
    signal
        Number of the signal: SIGINT (Ctrl-C) or SIGTERM.
    """

    def __init__(self, message: str, number: int) -> None:
        self.signal = number
        super().__init__(message)
