"""Named members of a kind: those of spicecim, those of installed packages, and those that a program registers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from spicecim.errors import InputError
from spicecim.places import line_of, named
from spicecim.problems import did_you_mean

Member = TypeVar("Member")


class Registry(Generic[Member]):
    """Members of one kind by name.

    A package adds members by entry points in the group ``spicecim.KINDs``; a program or a notebook by `register`.

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
        self._origins: dict[str, str] = {}
        self._failures: dict[str, str] = {}

    @property
    def group(self) -> str:
        """Group of the entry points."""
        return f"spicecim.{self.kind}s"

    @property
    def failures(self) -> Mapping[str, str]:
        """Why an entry point could not be used, by its name. The other members work all the same."""
        self._all()
        return self._failures

    def describe(self) -> dict[str, dict[str, str]]:
        """Where each member comes from, and why others could not be loaded."""
        return {"members": {name: self._origins[name] for name in self}, "failures": dict(self.failures)}

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def __getitem__(self, name: str) -> Member:
        """Return a member; raises an `InputError` for an unknown name, or one whose entry point failed."""
        members = self._all()
        if name in members:
            return members[name]
        if name in self._failures:
            raise self._error(f"{self.noun} {name!r} of an installed package cannot be used: {self._failures[name]}")
        known = ", ".join(members)
        raise self._error(f"unknown {self.noun} {name!r}; known are {known}{did_you_mean(str(name), members)}")

    def register(self, name: str, member: Member, *, replace: bool = False) -> None:
        """Add a member for this process.

        Raises
        ------
        InputError
            If it cannot be one, or if the name is taken and not to be replaced.
        """
        self._check(name, member)
        self._add(name, member, "this program", replace=replace)

    def _all(self) -> dict[str, Member]:
        if self._members is None:
            self._members = {}
            for name, member in self._built_in().items():
                self._add(name, member, "spicecim")
            for entry in sorted(entry_points(group=self.group)):
                self._load(entry)
        return self._members

    def _load(self, entry: EntryPoint) -> None:
        origin = f"the package {entry.dist.name}" if entry.dist else "a package"
        try:
            if not EntryPoint.pattern.match(entry.value):
                raise self._error("an entry point must be MODULE:NAME")
            member = entry.load()
            self._check(entry.name, member)
            self._add(entry.name, member, origin)
        # whatever a package of others does when it is imported, the library must go on without it
        except (Exception, SystemExit) as error:
            failed = [self._failures[entry.name]] if entry.name in self._failures else []
            self._failures[entry.name] = "; ".join([*failed, f"{origin}, {entry.value}: {_said(error)}"])

    def _add(self, name: str, member: Member, origin: str, *, replace: bool = False) -> None:
        members = self._all()
        if name in members and not replace:
            raise self._error(
                f"{named(member)}: {self.noun} {name!r} exists already, from {self._origins[name]}; choose another name"
            )
        members[name] = member
        self._origins[name] = origin


def _said(error: BaseException) -> str:
    if isinstance(error, InputError):
        return str(error)
    place = line_of(error)
    return f"{type(error).__name__}: {error}" + (f", at {place}" if place else "")
