"""Named members of a kind: those of spicecim, those of installed packages, and those that a program registers."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from spicecim.errors import InputError
from spicecim.places import line_of, named
from spicecim.problems import did_you_mean

Member = TypeVar("Member")


class Registry(Generic[Member]):
    """Members of one kind by name.

    A package adds members by entry points in the group ``spicecim.KINDs``; a program or a notebook by `register`. An
    entry point is loaded when its name is asked for, or when all members are: a package may be slow, or fail.

    Parameters
    ----------
    kind
        What a member is, in one word: ``device``, ``engine``.
    built_in
        Called once for the members of spicecim itself.
    check
        Raises `InputError` if something cannot be a member of that name.
    error
        Class of the errors about unknown names.
    noun
        What messages call a member, if not by its kind.
    """

    def __init__(
        self,
        kind: str,
        built_in: Callable[[], Mapping[str, Member]],
        check: Callable[[str, Any], None],
        error: type[InputError] = InputError,
        noun: str = "",
    ) -> None:
        self.kind, self.noun = kind, noun or kind
        self._built_in, self._check, self._error = built_in, check, error
        self._members: dict[str, Member] | None = None
        self._complete = False
        """Whether the built-in members are there: another thread must not see some of them."""
        self._origins: dict[str, str] = {}
        self._failures: dict[str, str] = {}
        self._waiting: list[EntryPoint] = []
        """Entry points that are not loaded yet."""
        self._loading = threading.RLock()

    @property
    def group(self) -> str:
        """Group of the entry points."""
        return f"spicecim.{self.kind}s"

    @property
    def failures(self) -> Mapping[str, str]:
        """Why an entry point could not be used, by its name. The other members work all the same."""
        self.load()
        return self._failures

    def failure(self, name: str) -> str:
        """Return why the entry point of a name could not be used; empty if there is none that failed."""
        return "" if name in self else self._failures.get(name, "")

    def describe(self) -> dict[str, dict[str, str]]:
        """Where each member comes from, and why others could not be loaded."""
        return {"members": {name: self._origins[name] for name in self}, "failures": dict(self.failures)}

    def at_hand(self) -> dict[str, Member]:
        """Return the members that no package has to be loaded for."""
        if not self._complete:
            with self._loading:
                self._fill()
        assert self._members is not None
        return self._members

    def _fill(self) -> None:
        """Take the built-in members, unless it is done or this thread is about to."""
        if self._members is not None:
            return
        self._members = {}
        try:
            for name, member in self._built_in().items():
                self._add(name, member, "spicecim")
            self._waiting = sorted(entry_points(group=self.group))
        except BaseException:
            self._members = None
            raise
        self._complete = True

    def names(self) -> list[str]:
        """Return every name that can be asked for; whether that of a package can be used, only loading it tells."""
        return list(dict.fromkeys([*self.at_hand(), *(entry.name for entry in self._waiting)]))

    def load(self, progress: Callable[[str, float], None] = lambda task, fraction: None) -> None:
        """Load what installed packages add; `progress` is told which of them is being loaded."""
        self.at_hand()
        with self._loading:
            count = len(self._waiting)
            while self._waiting:  # what is loaded may itself ask for others
                progress(f"loading {self.noun} {self._waiting[0].name}", 1.0 - len(self._waiting) / count)
                self._load(self._waiting[0])

    def __iter__(self) -> Iterator[str]:
        self.load()
        return iter(self.at_hand())

    def __contains__(self, name: object) -> bool:
        if name not in self.at_hand():
            self._load_named(name)
        return name in self.at_hand()

    def __getitem__(self, name: str) -> Member:
        """Return a member; raises an `InputError` for an unknown name, or one whose entry point failed."""
        if name in self:
            return self.at_hand()[name]
        if name in self._failures:
            raise self._error(f"{self.noun} {name!r} of an installed package cannot be used: {self._failures[name]}")
        known = self.names()
        raise self._error(f"unknown {self.noun} {name!r}; known are {', '.join(known)}{did_you_mean(str(name), known)}")

    def register(self, name: str, member: Member, *, replace: bool = False) -> None:
        """Add a member for this process.

        Raises
        ------
        InputError
            If it cannot be one, or if the name is taken and not to be replaced.
        """
        self._check(name, member)
        self._load_named(name)  # it may be taken
        self._add(name, member, "this program", replace=replace)

    def _load_named(self, name: object) -> None:
        self.at_hand()
        with self._loading:
            for entry in [entry for entry in self._waiting if entry.name == name]:
                self._load(entry)

    def _load(self, entry: EntryPoint) -> None:
        self._waiting.remove(entry)
        origin = f"the package {entry.dist.name}" if entry.dist else "a package"
        # a package of others may print: standard output is for what was asked for
        with contextlib.redirect_stdout(sys.stderr), _interruptions() as interruptions:
            try:
                if not EntryPoint.pattern.match(entry.value):
                    raise self._error("an entry point must be MODULE:NAME")
                member = entry.load()
                self._check(entry.name, member)
                self._add(entry.name, member, origin)
            # whatever it does when it is imported, the library must go on without it
            except BaseException as error:
                if interruptions:
                    self._waiting.append(entry)
                    raise
                failed = [self._failures[entry.name]] if entry.name in self._failures else []
                self._failures[entry.name] = "; ".join([*failed, f"{origin}, {entry.value}: {_said(error)}"])

    def _add(self, name: str, member: Member, origin: str, *, replace: bool = False) -> None:
        members = self.at_hand()
        if name in members and not replace:
            raise self._error(
                f"{named(member)}: {self.noun} {name!r} exists already, from {self._origins[name]}; choose another name"
            )
        members[name] = member
        self._origins[name] = origin


@contextlib.contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Yield a list of signals that end the program: what they raise is not the doing of the code that runs."""
    noted: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        noted.append(number)
        before[number](number, frame)

    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        before |= {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in before:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is note:
                signal.signal(number, handler)


def _said(error: BaseException) -> str:
    if isinstance(error, InputError):
        return str(error)
    place = line_of(error)
    return f"{type(error).__name__}: {error}" + (f", at {place}" if place else "")
