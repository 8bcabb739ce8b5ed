"""Writes a module with its states in nodes."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from spicecim.errors import VerilogAError
from spicecim.veriloga.cure.following import assigned_names
from spicecim.veriloga.cure.leftovers import remembered, without_leftovers
from spicecim.veriloga.cure.memories import Memories, State
from spicecim.veriloga.cure.numbers import NotKnown, Numbers
from spicecim.veriloga.cure.syntax import Block, Case, Event, Loop, Statement, Syntax
from spicecim.veriloga.cure.terms import (
    ONE,
    Term,
    at_once,
    literal,
    make,
    number,
    parts,
    rebuilt,
    subtract,
    written,
)
from spicecim.veriloga.cure.text import Text, tidy
from spicecim.veriloga.declarations import tokenize

STOP_WIDTH = 1e-6
"""Distance from a bound, relative to the range, over which a state slows down: as hard stops of the library do."""

_MOST_CONDITIONS = 4
_VOLTAGES = (1e-3, 0.1, 0.5, 1.0, 2.0, 5.0)
_FAR = (1.0, 1e3, 1e6)
"""Distances of a state without bounds from its start, in its own unit, that it may come to."""
_ROUNDING = 1e-9
"""Rate at a bound, relative to that beside it, that is none."""

_SUFFIX = re.compile(r"(?i)_?(last|old|prev|previous|before|mem|n1)$|^(last|old|prev)_")


@dataclass(frozen=True)
class WrittenState:
    """A state as it is written.

    Attributes
    ----------
    state
        What it is.
    node
        Its node.
    parameter
        The parameter that it starts from.
    unit
        What 1 V in the node stands for.
    scale
        The same as it stands in the text.
    place
        Variable that holds where the node is, which may be a little beyond a bound.
    value
        Variable that holds its value.
    """

    state: State
    node: str
    parameter: str
    unit: Term
    scale: Term
    place: str
    value: str


@dataclass
class Written:
    """The text of a cured module, with its states."""

    text: str
    states: list[WrittenState] = field(default_factory=list)


class Writer:
    """Writes a cured module.

    Parameters
    ----------
    text
        The text as it was.
    memories
        What the module remembers.
    """

    def __init__(self, text: Text, syntax: Syntax, memories: Memories, numbers: Numbers) -> None:
        self._text, self._syntax, self._memories, self._numbers = text, syntax, memories, numbers
        self._taken = {token.text for token in tokenize(text.source)}
        self._still: dict[Term, Term] = {}
        self._states: list[WrittenState] = []
        self._names: dict[Term, str] = {}
        self._declared: list[str] = []
        self._top: dict[str, str] = {}
        self._end: list[str] = []
        self._inserts: dict[int, list[str]] = {}
        self._loop_nodes: list[tuple[str, str, Term]] = []

    def write(self) -> Written:
        """Return the text.

        Raises
        ------
        VerilogAError
            If something would still be read before it is assigned.
        """
        self._declared += [
            text for item in self._syntax.statements() if isinstance(item, Block) for text in item.declares
        ]
        self._name_values()
        for state in self._memories.states:
            self._read(state)
        for variable, stand_in in self._memories.loops.items():
            self._solve_for(variable, stand_in)
        self._top |= dict.fromkeys(self._in_loops(), "0")
        self._rates()
        text = self._assembled([])
        for _ in range(2):
            unread = remembered(self._text.path, text, self._syntax.declaration.name)
            if not unread:
                break
            delayed = self._memories.delayed
            lost = [name for name in unread if name not in delayed]
            if lost:
                raise VerilogAError(
                    f"{self._syntax.declaration.place}: {', '.join(lost)} would still be read before it is assigned"
                )
            text = self._assembled([f"{name} = {written(delayed[name], self._own_names())};" for name in unread])
        return Written(tidy(text), self._states)

    # names

    def _fresh(self, wanted: str) -> str:
        name = wanted
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def _at_once(self, term: Term) -> Term:
        if term not in self._still:
            self._still[term] = at_once(term)
        return self._still[term]

    def _own_names(self) -> dict[Term, str]:
        """Names of states and of what is solved for, which are assigned before anything else."""
        own = {item.state.own: item.value for item in self._states}
        return own | {stand_in: variable for variable, stand_in in self._memories.loops.items()}

    def _name_values(self) -> None:
        """Names by which values can be written at the end of the module: those of its variables."""
        for variable, value in self._memories.followed.values.items():
            still = self._at_once(value)
            if still.args and variable not in self._memories.dropped:
                self._names.setdefault(still, variable)

    def _in_loops(self) -> list[str]:
        """Variables that loops assign and nothing before: OpenVAF does not know that a loop has a round."""
        names: set[str] = set()
        for statement in self._syntax.statements():
            if isinstance(statement, Loop):
                names |= assigned_names(statement.body)
        return sorted(names - self._top.keys() - self._memories.dropped)

    # states

    def _label(self, state: State) -> str:
        if not state.integral:
            return _SUFFIX.sub("", state.name) or state.name
        for variable, value in self._memories.followed.values.items():
            if value is state.own or (state.own in value.leaves and "?:" in {part.op for part in parts(value)}):
                return _SUFFIX.sub("", variable) or variable
        return state.name

    def _read(self, state: State) -> None:
        """Declare a state's node and parameter, and read the state at the beginning."""
        label = self._label(state)
        node = self._fresh(f"{label}_node")
        start = state.initial
        if start.op == "name" and start.text in self._syntax.declaration.parameters:
            parameter = start.text
        else:
            parameter = self._fresh(f"{label}_initial")
            self._declared.append(f"parameter real {parameter} = {written(start)};  // {label} at the start")
        self._declared.append(f"electrical {node};")
        unit, scale = self._unit(state, label)
        value = state.name if state.integral else self._fresh(f"{label}_now")
        place = self._fresh(f"{label}_place")
        self._declared.append(f"real {place}, {value};")
        scaled = f"V({node})" if literal(scale) == 1 else f"{written(scale, None, 10)}*V({node})"
        self._top[place] = f"{parameter} + {scaled}"
        clipped = place
        if state.lower is not None:
            clipped = f"max({written(state.lower)}, {clipped})"
        if state.upper is not None:
            clipped = f"min({written(state.upper)}, {clipped})"
        self._top[value] = clipped
        if not state.integral:
            self._top[state.name] = value
        self._names[state.own] = value
        self._states.append(WrittenState(state, node, parameter, unit, scale, place, value))

    def _unit(self, state: State, label: str) -> tuple[Term, Term]:
        """What 1 V in the node stands for, the range or the magnitude of the start, and the same as it is written."""
        if state.lower is not None and state.upper is not None:
            span = subtract(state.upper, state.lower)
            if literal(span) is not None:
                return span, span
            local = self._fresh(f"{label}_range")
            self._declared.append(f"localparam real {local} = {written(span)};")
            return span, make("name", text=local)
        try:
            magnitude = abs(self._numbers(state.initial))
        except NotKnown:
            magnitude = 0.0
        if 1e-300 < magnitude < 1e300:
            power = number(10.0 ** round(math.log10(magnitude)))
            return power, power
        return ONE, ONE

    def _rates(self) -> None:
        """Write the equations of the states' nodes at the end."""
        rates = [self._at_once(item.state.rate) for item in self._states]
        loops = [self._at_once(self._memories.followed.values[name]) for name in self._memories.loops]
        self._capture([*rates, *loops])
        self._share([*rates, *loops])
        for item, rate in zip(self._states, rates, strict=True):
            # a variable of the module that holds the rate is as good as one more
            text = written(rate, self._names)
            if not text.isidentifier():
                own = self._fresh(f"{item.node.removesuffix('_node')}_rate")
                self._declared.append(f"real {own};")
                self._end.append(f"{own} = {text};")
                text = own
            scale = "" if literal(item.scale) == 1 else f"/{written(item.scale, None, 11)}"
            self._end.append(f"I({item.node}) <+ ddt(V({item.node})) - {text}{self._stop(item, text)}{scale};")

    def _stop(self, item: WrittenState, rate: str) -> str:
        """The factor of a rate that stops it before the bound that it points to."""
        state, place = item.state, item.place
        known = literal(item.scale)
        width = f"({STOP_WIDTH!r}*{written(item.scale, None, 11)})" if known is None else repr(STOP_WIDTH * known)
        above = below = "1.0"
        if state.upper is not None and self._leaves(item, state.upper, 1.0):
            above = f"({written(state.upper, None, 9)} - {place})/{width}"
        if state.lower is not None and self._leaves(item, state.lower, -1.0):
            shift = "" if literal(state.lower) == 0 else f" - {written(state.lower, None, 10)}"
            below = f"({place}{shift})/{width}" if shift else f"{place}/{width}"
        if above == below:
            return ""
        return f"*min(max({rate} > 0.0 ? {above} : {below}, 0.0), 1.0)"

    def _leaves(self, item: WrittenState, bound: Term, outwards: float) -> bool:
        """Whether the rate leads beyond a bound, at some voltage and some values of other states.

        With other parameters than the defaults it must not either: conditions that ask for parameters alone are
        answered both ways, and what the bound depends on is moved.
        """
        mine, rate = item.state.own, item.state.rate
        asked = [part.args[0] for part in parts(rate) if part.op == "?:" and _of_parameters(part.args[0])]
        if len(set(asked)) > _MOST_CONDITIONS:
            return True
        answers = itertools.product((0, 1), repeat=len(set(asked)))
        rates = [rebuilt(rate, dict(zip(dict.fromkeys(asked), map(number, each), strict=True))) for each in answers]
        names = {leaf.text for leaf in bound.leaves if leaf.op == "name"}
        held = {leaf: 0.0 for leaf in rate.leaves if leaf.op == "opaque"}
        try:
            held |= {each.state.own: self._numbers(each.state.initial) for each in self._states}
            start = held[mine]
            others = [{}, *self._far(held, rate, mine)]
            for numbers, each, voltage, far in itertools.product(
                (self._numbers, self._numbers.moved(names)), rates, (*_VOLTAGES, *(-v for v in _VOLTAGES)), others
            ):
                end = numbers(bound)
                beside = numbers(each, {**held, **far, mine: 0.5 * (start + end)}, voltage)
                there = numbers(each, {**held, **far, mine: end}, voltage)
                if not outwards * there <= _ROUNDING * abs(beside):
                    return True
        except NotKnown:
            return True
        return False

    def _far(self, held: Mapping[Term, float], rate: Term, mine: Term) -> Iterator[dict[Term, float]]:
        """Values of each other state that a rate depends on: its bounds, or far away where it has none."""
        for item in self._states:
            own = item.state.own
            if own is mine or own not in rate.leaves:
                continue
            unit = self._numbers(item.unit)
            for bound, sign in ((item.state.lower, -1.0), (item.state.upper, 1.0)):
                ends = [sign * size * unit + held[own] for size in _FAR] if bound is None else [self._numbers(bound)]
                yield from ({own: end} for end in ends)

    def _solve_for(self, variable: str, stand_in: Term) -> None:
        """Read a variable that is solved for from a node of its own."""
        node = self._fresh(f"{variable}_node")
        unit = number(self._magnitude(variable, stand_in))
        self._declared.append(f"electrical {node};")
        scaled = f"V({node})" if literal(unit) == 1 else f"{written(unit)}*V({node})"
        self._top[variable] = scaled
        self._names[stand_in] = f"({scaled})"
        self._loop_nodes.append((variable, node, unit))

    def _magnitude(self, variable: str, stand_in: Term) -> float:
        """Power of ten near the largest value of a variable that is solved for, at 1 V."""
        value = self._at_once(self._memories.followed.values[variable])
        states = {item.state.own: self._middle(item.state) for item in self._states}
        others = {leaf: 0.0 for leaf in value.leaves if leaf.op == "opaque"}
        largest = 0.0
        for access in (-1.0, 1.0):
            held = 0.0
            for _ in range(20):
                try:
                    held = self._numbers(value, {**states, **others, stand_in: held}, access)
                except NotKnown:
                    break
            if math.isfinite(held):
                largest = max(largest, abs(held))
        return 10.0 ** round(math.log10(largest)) if 1e-300 < largest < 1e300 else 1.0

    def _middle(self, state: State) -> float:
        try:
            return self._numbers(state.initial)
        except NotKnown:
            return 0.0

    # texts of values

    def _capture(self, wanted: list[Term]) -> None:
        """Keep values that a variable holds on the way and loses later."""
        needed = {part for term in wanted for part in self._unnamed(term) if part.args}
        last: dict[str, Term] = {}
        for end, values in self._memories.followed.boundaries:
            for variable, value in values.items():
                if last.get(variable) is value:
                    continue
                last[variable] = value
                still = self._at_once(value)
                if still in needed and still not in self._names and variable not in self._memories.dropped:
                    own = self._fresh(f"{variable}_kept")
                    self._declared.append(f"real {own};")
                    self._inserts.setdefault(end, []).append(f"{own} = {variable};")
                    self._names[still] = own

    def _share(self, wanted: list[Term]) -> None:
        """Give what would be written several times a variable."""
        counts: Counter[Term] = Counter()
        order: list[Term] = []
        for term in wanted:
            for part in self._unnamed(term):
                order.append(part)
                counts.update(arg for arg in part.args if arg.args)
        for part in dict.fromkeys(order):
            simple = part.op == "call" and all(arg.op == "name" for arg in part.args)
            if counts[part] > 1 and part not in self._names and not simple and len(part.leaves) > 1:
                own = self._fresh(f"part_{len(self._end)}")
                self._declared.append(f"real {own};")
                self._end.append(f"{own} = {written(part, self._names)};")
                self._names[part] = own

    def _unnamed(self, term: Term) -> list[Term]:
        """Parts of a term that have no name, nor are in one that has; the operands first."""
        seen: set[Term] = set()
        found: list[Term] = []

        def walk(item: Term) -> None:
            if item in seen or item in self._names:
                return
            seen.add(item)
            for arg in item.args:
                walk(arg)
            found.append(item)

        walk(term)
        return found

    # the text

    def _assembled(self, hoisted: list[str]) -> str:
        """The text with everything put in its place."""
        for variable, node, unit in self._loop_nodes:
            line = f"I({node}) <+ V({node}) - {variable}"
            line += ";" if literal(unit) == 1 else f"/{written(unit)};"
            if line not in self._end:
                self._end.append(line)
        edits = dict(self._memories.followed.edits)
        source = self._text.text
        # a block that is obeyed at the start alone is no place for a state
        blocks = [item for item in self._syntax.blocks if not (isinstance(item[1], Event) and item[1].is_start)]
        if not blocks:
            raise VerilogAError(
                f"{self._syntax.declaration.place}: module {self._syntax.declaration.name} has no equations"
            )
        first, last = blocks[0], blocks[-1]

        def lines(items: list[str], indent: str) -> str:
            return "".join(f"\n{indent}{item}" for item in items)

        def insert(place: int, text: str) -> None:
            edits[place, place] = edits.get((place, place), "") + text

        outer = source[source.rfind("\n", 0, first[0]) + 1 : first[0]]
        outer = outer if not outer.strip() else ""
        pad = self._indentation(first[1], outer)
        insert(first[0], "".join(f"{item}\n{outer}" for item in self._declared) + f"\n{outer}" * bool(self._declared))
        for block in (item for item in self._syntax.statements() if isinstance(item, Block) and item.declares):
            edits[block.start + len("begin"), block.head] = ""
        for statement in self._syntax.statements():
            if isinstance(statement, Case):
                edits.update(_as_conditions(statement))
        for place, items in self._inserts.items():
            insert(place, lines(items, outer + pad))
        top = [*(f"{variable} = {value};" for variable, value in self._top.items()), *hoisted]
        for (_, statement), items, at_top in ((first, top, True), (last, self._end, False)):
            if isinstance(statement, Block) and source[statement.start : statement.start + 5] == "begin":
                if at_top:
                    insert(statement.head, lines(items, outer + pad))
                else:
                    insert(statement.end - 3, f"{pad}" + lines(items, outer + pad).strip() + f"\n{outer}")
            elif at_top:
                insert(statement.start, "begin" + lines(items, outer + pad) + f"\n{outer}{pad}")
                if first is not last:
                    insert(statement.end, f"\n{outer}end")
            else:
                head = "" if first is last else "begin\n" + outer + pad
                if head:
                    insert(statement.start, head)
                insert(statement.end, lines(items, outer + pad) + f"\n{outer}end")
        step = self._memories.step.names
        idle = self._memories.dropped | set(self._memories.delayed) | {item.state.name for item in self._states}
        values = self._memories.followed.values
        idle |= {name for name, value in values.items() if value.has("step")} | (step & set(self._syntax.types))
        text = self._text.edited(edits)
        return without_leftovers(self._text.path, text, self._syntax.declaration.name, idle, step)

    def _indentation(self, statement: Statement, outer: str) -> str:
        """How much further in than an `analog` the statements of its block stand."""
        for item in statement.inside():
            source = self._text.text
            before = source[source.rfind("\n", 0, item.start) + 1 : item.start]
            if not before.strip() and before.startswith(outer):
                return before[len(outer) :]
        return "  "


def _of_parameters(condition: Term) -> bool:
    """Whether a condition asks for parameters and numbers alone."""
    return all(leaf.op in ("name", "number", "text") for leaf in condition.leaves)


def _as_conditions(statement: Case) -> dict[tuple[int, int], str]:
    """Changes that write a ``case`` as conditions: of some with choices inside, OpenVAF dies."""
    kinds = [bool(labels) for labels, _ in statement.items]
    if not kinds or not kinds[0] or not all(kinds[:-1]):
        return {}
    edits = {(statement.start, statement.starts[0]): "begin "}
    value = written(statement.value, None, 6)
    for start, (labels, item) in zip(statement.starts, statement.items, strict=True):
        tests = " || ".join(f"{value} == {written(label, None, 7)}" for label in labels)
        head = "" if start == statement.starts[0] else "else "
        # an `if` without a block of its own would take the `else` that follows
        begin, end = ("", "") if isinstance(item, Block) else ("begin ", " end")
        edits[start, item.start] = (f"{head}if ({tests}) " if labels else head) + begin
        last = item is statement.items[-1][1]
        edits[item.end, statement.end if last else item.end] = end + " end" * last
    return edits
