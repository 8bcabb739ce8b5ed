"""What the variables are that a module reads before it assigns them: states, times, flags, values of the last step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from spicecim.errors import VerilogAError
from spicecim.veriloga.cure.bounds import Bounds, unclipped, unstopped
from spicecim.veriloga.cure.following import Followed, Follower, moving_variables
from spicecim.veriloga.cure.numbers import NotKnown, Numbers
from spicecim.veriloga.cure.slopes import NoSlope, rate_of
from spicecim.veriloga.cure.syntax import Syntax
from spicecim.veriloga.cure.terms import STEP, TIME, ZERO, Term, at_once, literal, make, name, number, rebuilt, written
from spicecim.veriloga.cure.values import DRAWS, StepSource
from spicecim.veriloga.source import Source

_POINTS = ((0.37, 0.43, 1.3), (-0.81, 0.77, 0.6), (0.05, 0.21, 2.1))
"""Potentials, memories and the factor between these at which terms are compared."""
_SAME = 1e-9
_SETTLING_ROUNDS = 200
_SETTLING = 0.9
"""Largest change of a value, by a change of the same one of the last step, that dies out."""
_NEAR = 0.05
"""Distance of a threshold from the value that is set beyond it, relative to the larger, that makes them one bound."""


@dataclass(frozen=True)
class State:
    """A state.

    Attributes
    ----------
    name
        The variable that holds it in the text.
    own
        The term for its value.
    rate
        Its rate, without bounds.
    lower, upper
        Its bounds; None where it has none.
    initial
        Its value at the start, of parameters.
    place
        Where it is read first, or integrated.
    integral
        Whether an `idt` held it, so that it could wind up beyond its bounds.
    """

    name: str
    own: Term
    rate: Term
    lower: Term | None
    upper: Term | None
    initial: Term
    place: str
    integral: bool


@dataclass
class Memories:
    """What a module remembers.

    Attributes
    ----------
    states
        Its states.
    delayed
        Variables whose value from the last step is, as the step gets small, the present one, with that value.
    loops
        Variables whose value depends on its own from the last step, with the term for it.
    dropped
        Variables that hold times and flags alone.
    step
        What stands for a fixed step.
    followed
        The statements, followed with all that is known.
    notes
        What was assumed.
    """

    states: list[State] = field(default_factory=list)
    delayed: dict[str, Term] = field(default_factory=dict)
    loops: dict[str, Term] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    step: StepSource = field(default_factory=StepSource)
    followed: Followed = field(default_factory=Followed)
    notes: list[str] = field(default_factory=list)


class Finder:
    """Finds what a module remembers.

    Parameters
    ----------
    numbers
        Values of terms, with the parameters that the module has.
    step
        What stands for the time step.
    means
        Whether the mean takes the place of a random draw.
    """

    def __init__(self, source: Source, syntax: Syntax, numbers: Numbers, step: StepSource, means: bool) -> None:
        self._source, self._syntax, self._numbers, self._means = source, syntax, numbers, means
        self._moving = moving_variables(syntax)
        self._known: dict[str, Term] = {}
        self._found = Memories(step=step)

    def find(self) -> Memories:
        """Return what the module remembers.

        Raises
        ------
        VerilogAError
            If a variable is remembered in a way that no rate stands for, with its line and the reason.
        """
        found = self._found
        while True:
            followed, start = self._follow(starting=False), self._follow(starting=True)
            if self._learn(followed, start):
                continue
            relevant = self._relevant(followed)
            found.states = [self._state(leaf, followed, start) for leaf in relevant if leaf.op == "memory"]
            still = [state for state in found.states if literal(state.rate) == 0]
            if not still:
                break
            # set at the start and never again: its first value serves at every instant
            for state in still:
                if STEP in followed.values[state.name].leaves:
                    raise VerilogAError(
                        f"{state.place}: {state.name} moves by no more than the square of the time step"
                    )
                self._known[state.name] = found.delayed[state.name] = state.initial
        found.followed = followed
        found.notes += [note for note in followed.notes if note not in found.notes]
        for index, integral in enumerate(followed.integrals):
            own = make("integral", text=integral.name)
            if own in relevant:
                found.states.append(
                    self._bounded(own, integral.name, integral.rate, start.integrals[index].initial, integral.place,
                                  followed)
                )  # fmt: skip
        return found

    # following

    def _follow(self, *, starting: bool) -> Followed:
        return Follower(
            self._source, self._syntax, starting=starting, known=self._known, moving=self._moving,
            step=self._found.step, means=self._means,
        ).follow()  # fmt: skip

    def _relevant(self, followed: Followed) -> list[Term]:
        """Memories and integrals that a current comes from, directly or through others, in the order they are met."""
        values = {integral.name: integral.rate for integral in followed.integrals}
        waiting = [item.value for item in followed.contributions]
        waiting += [condition for item in followed.contributions for condition in item.conditions]
        found: list[Term] = []
        while waiting:
            for leaf in sorted(waiting.pop(0).leaves, key=lambda leaf: leaf.text):
                if leaf.op in ("memory", "integral") and leaf not in found:
                    found.append(leaf)
                    waiting.append(values[leaf.text] if leaf.op == "integral" else followed.values[leaf.text])
        return found

    def _learn(self, followed: Followed, start: Followed) -> bool:
        """Find what one more variable's last value is, that is no state; false if there is none.

        Times and flags come first: until they are known, what is moved by them does not look like itself.
        """
        remembered = [leaf for leaf in self._relevant(followed) if leaf.op == "memory"]
        for way in (self._time, self._flag, self._delayed, self._loop):
            for leaf in remembered:
                last = way(leaf, followed.values[leaf.text], start if way == self._flag else followed)
                if last is not None:
                    self._known[leaf.text] = last
                    self._known = {key: rebuilt(value, {leaf: last}) for key, value in self._known.items()}
                    return True
        return False

    def _time(self, own: Term, value: Term, followed: Followed) -> Term | None:
        """The last value of what holds the time of the last step, or of what is always assigned before it is read."""
        if _ends(value) <= {TIME, own} and TIME in _ends(value):
            self._found.dropped.add(own.text)
            return make("-", TIME, STEP)
        still = at_once(value)
        if not self._excluded(own, still):
            return None
        # no parameter leads there, so it may be anything: another state, which the choices beside it are, has a rate
        return min((end for end in _ends(still) if end.op == "memory" and end is not own), key=written, default=ZERO)

    def _flag(self, own: Term, value: Term, start: Followed) -> Term | None:
        """The number that a variable has after the first step and then keeps."""
        last = at_once(start.values[own.text])
        for _ in range(3):
            if literal(last) is None:
                return None
            fresh = rebuilt(value, {own: last})
            if fresh is last:
                self._found.dropped.add(own.text)
                return fresh
            last = fresh
        return None

    def _delayed(self, own: Term, value: Term, followed: Followed) -> Term | None:
        """The last value of a variable that is worked out anew from others: as the step gets small, its present one."""
        still = at_once(value)
        if own in still.leaves:
            return None
        if any(leaf.text in DRAWS for leaf in still.leaves):
            raise self._draws(own.text, followed)
        self._found.delayed[own.text] = still
        return still

    def _loop(self, own: Term, value: Term, followed: Followed) -> Term | None:
        """A stand-in for the last value of a variable that goes into itself: to be solved for at the same instant."""
        still = at_once(value)
        if self._kept_as_is(own, still) is not None or self._jumps(own, still) or not self._settles(own, still):
            return None
        self._found.notes.append(
            f"{own.text} at {self._place(own.text, followed)} is worked out from its own value of the last step; as "
            "the step gets small that is an equation, which a node without memory solves"
        )
        stand_in = make("opaque", text=f"loop:{own.text}")
        self._found.loops[own.text] = stand_in
        return stand_in

    def _settles(self, own: Term, still: Term) -> bool:
        """Whether a variable that is worked out from itself again and again comes to rest."""
        others = [leaf for leaf in still.leaves if leaf.op in ("memory", "integral", "opaque") and leaf is not own]
        try:
            for access, memory, factor in _POINTS:
                held = dict.fromkeys(others, memory * factor)

                def of(value: float, held: dict[Term, float] = held, access: float = access) -> float:
                    return self._numbers(still, {**held, own: value}, access)

                value = 0.0
                for _ in range(_SETTLING_ROUNDS):
                    value, last = of(value), value
                shift = 1e-6 * max(abs(value), 1e-12)
                if not abs(value - last) <= shift or not abs(of(value + shift) - of(value)) < _SETTLING * shift:
                    return False
        except NotKnown:
            return False
        return True

    def _excluded(self, own: Term, still: Term) -> bool:
        """Whether only values that the parameters do not have lead to what a variable was."""
        return own in still.leaves and own not in rebuilt(still, self._parameters()).leaves

    def _parameters(self) -> dict[Term, Term]:
        table: dict[Term, Term] = {}
        for key, item in self._syntax.declaration.parameters.items():
            if item.type != "string":
                try:
                    value = self._numbers(name(key))
                except NotKnown:
                    continue
                table[name(key)] = number(int(value) if item.type == "integer" else value)
        return table

    # states

    def _state(self, own: Term, followed: Followed, start: Followed) -> State:
        variable = own.text
        update = followed.values[variable]
        place = str(self._syntax.declaration.reads.get(variable) or self._place(variable, followed))
        bounds = Bounds()
        bare = unclipped(update, own, self._near, bounds)
        still = self._kept_as_is(own, at_once(bare))
        if still is None:
            raise self._no_rate(variable, at_once(bare), followed)
        for leaf in bare.leaves:
            if leaf.text in DRAWS:
                raise self._draws(variable, followed)
        try:
            rate = rate_of(bare)
        except NoSlope as error:
            raise VerilogAError(f"{self._place(variable, followed)}: {variable}: {error}") from None
        initial = at_once(start.values[variable])
        return self._bounded(own, variable, rate, initial, place, followed, bounds)

    def _bounded(
        self, own: Term, variable: str, rate: Term, initial: Term, place: str, followed: Followed,
        bounds: Bounds | None = None,
    ) -> State:  # fmt: skip
        integral = bounds is None
        bounds = bounds or Bounds()
        if integral:
            self._clips(own, followed, bounds)
        rate = unstopped(rate, own, bounds)
        for leaf in rate.leaves:
            if leaf.text in DRAWS:
                raise self._draws(variable, followed)
            if leaf is STEP:
                raise VerilogAError(f"{place}: the rate of {variable} depends on the time step")
        for leaf in initial.leaves:
            if leaf.op == "call" and (leaf.text in self._syntax.potentials or leaf.text in self._syntax.flows):
                raise VerilogAError(
                    f"{place}: {variable} starts from {written(leaf)}, which no parameter can give; start it from a "
                    "parameter"
                )
            if leaf.text in DRAWS:
                raise self._draws(variable, followed)
            if leaf.op in ("memory", "opaque", "integral"):
                raise VerilogAError(f"{place}: the start of {variable} is not known from parameters")
        lower, upper = self._one(bounds.lower, variable, place), self._one(bounds.upper, variable, place)
        initial = _within(initial, {bound for bound in (lower, upper) if bound is not None})
        if integral and (lower is not None or upper is not None):
            self._found.notes.append(
                f"idt at {place} stops at its bounds; as it was written it winds up beyond them, and has to wind back "
                "before the device responds"
            )
        return State(variable, own, rate, lower, upper, initial, place, integral)

    def _clips(self, own: Term, followed: Followed, bounds: Bounds) -> None:
        """Find the bounds that clip an integral, where a variable takes it clipped."""
        for value in followed.values.values():
            if own in value.leaves and STEP not in value.leaves:
                found = Bounds()
                if unclipped(value, own, self._near, found) is own:
                    bounds.lower += found.lower
                    bounds.upper += found.upper

    def _one(self, found: Iterable[Term], variable: str, place: str) -> Term | None:
        """The one bound of several ways to write it."""
        distinct = list(dict.fromkeys(found))
        kept = distinct[:1]
        for other in distinct[1:]:
            if not self._near(kept[0], other):
                raise VerilogAError(
                    f"{place}: {variable} is bounded by {written(kept[0])} and by {written(other)}; one bound on each "
                    "side can be followed"
                )
        bound = kept[0] if kept else None
        if bound is not None and bound.has("memory"):
            raise VerilogAError(f"{place}: the bound {written(bound)[:80]} of {variable} moves, which is not followed")
        return bound

    def _kept_as_is(self, own: Term, still: Term) -> Term | None:
        """`own` if a step of zero leaves a variable as it was, but for a clip; else None."""
        bare = unclipped(still, own, self._near, Bounds())
        if bare is own:
            return own
        leaves = [leaf for leaf in bare.leaves if leaf.op in ("memory", "integral", "opaque")]
        try:
            for access, memory, factor in _POINTS:
                values = {leaf: memory * factor**index for index, leaf in enumerate(sorted(leaves, key=written))}
                # of other parameters too: a step that is 0 by default would look like none
                for numbers in (self._numbers, self._numbers.moved()):
                    if not abs(numbers(bare, values, access) - values[own]) <= _SAME * abs(values[own]):
                        return None
        except NotKnown:
            return None
        return own

    def _jumps(self, own: Term, still: Term) -> bool:
        """Whether a variable keeps its value in some cases and takes another one in others."""
        bare = unclipped(still, own, self._near, Bounds())
        return own in _ends(bare) and bare is not own

    def _near(self, one: Term, other: Term) -> bool:
        if one is other:
            return True
        try:
            a, b = self._numbers(one), self._numbers(other)
        except NotKnown:
            return False
        return abs(a - b) <= _NEAR * max(abs(a), abs(b), 1e-300) or abs(a - b) <= 1e-6

    # problems

    def _place(self, variable: str, followed: Followed) -> str:
        return str(self._source.place(followed.lines.get(variable, 1)))

    def _draws(self, variable: str, followed: Followed) -> VerilogAError:
        return VerilogAError(
            f"{self._place(variable, followed)}: {variable} takes a random draw at every step: there is no limit of "
            "small steps that a node could follow. --also draws puts the mean in the place of each draw"
        )

    def _no_rate(self, variable: str, still: Term, followed: Followed) -> VerilogAError:
        place = self._place(variable, followed)
        text = written(still, {make("memory", text=variable): variable})
        shown = text if len(text) <= 100 else f"{text[:100]}..."
        return VerilogAError(
            f"{place}: {variable} becomes {shown} at every step, however small the step is: it jumps or counts, has no "
            f"rate, and no node can hold it. If a number or a parameter in it is the time step, name it by --step"
        )


def _ends(value: Term) -> set[Term]:
    """The terms among which conditions choose."""
    if value.op == "?:":
        return _ends(value.args[1]) | _ends(value.args[2])
    return {value}


def _within(initial: Term, bounds: set[Term]) -> Term:
    """A start without what clips it to the bounds of its state: the node's value is clipped to them anyway."""
    if initial.op == "?:":
        kept = [arg for arg in initial.args[1:] if arg not in bounds]
        if len(kept) == 1:
            return _within(kept[0], bounds)
    if initial.op == "call" and initial.text.removeprefix("$") in ("min", "max") and len(initial.args) == 2:
        kept = [arg for arg in initial.args if arg not in bounds]
        if len(kept) == 1:
            return _within(kept[0], bounds)
    return initial
