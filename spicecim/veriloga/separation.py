"""The equation of a state on its own: counted from the reference of its own branch, and apart from the terminals.

In a published two-terminal model the state is often counted from a terminal, ``I(x, n) <+ ddt(V(x, n)) - rate``. By
Kirchhoff's law the residual of that equation is a current into the terminal n. It vanishes in a solution; but not where
the state is held at its initial value, and elsewhere only to the tolerance of the iterations, which may be far from
nothing against the currents of the device. So a module is rewritten here. Added up, the equations of x and n hold
nothing of the branch between them: the sum becomes the equation of n. And the potential of n becomes the reference of
x, whose unknown is V(x, n), the state itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from spicecim.errors import ModelError, StateCurrentError
from spicecim.veriloga.module import Entry, Module
from spicecim.veriloga.sums import Key, Sums

_GROUND = -1


def separated(module: Module, state: str, ends: Collection[str]) -> tuple[Module, tuple[tuple[str, str], ...]]:
    """Take the equations of its state, and of all other nodes at which branches end, apart.

    Parameters
    ----------
    module
        The module.
    state
        Node that holds the state.
    ends
        The row and the column, whose equations the others are taken out of.

    Returns
    -------
    module : Module
        The module with these equations apart.
    taken : tuple of tuple of str
        Each node whose equation was taken out of that of another one, with that one.

    Raises
    ------
    ModelError
        If a part of the state's equation ends in a terminal and another in the ground.
    """
    separation = _Separation(module, module.node(state), {module.node(name) for name in ends})
    found = separation.run()
    return found, tuple((module.nodes[node].name, module.nodes[other].name) for node, other in separation.taken)


class _Separation:
    def __init__(self, module: Module, state: int, ends: set[int]) -> None:
        self._module, self._state, self._ends = module, state, ends
        self.taken: list[tuple[int, int]] = []
        self._sums = Sums(module)
        self._values: dict[tuple[int, int, str], str] = {}
        for entry in (*module.residuals, *module.jacobian):
            self._values[entry.row, entry.column, "resistive"] = entry.resistive
            self._values[entry.row, entry.column, "reactive"] = entry.reactive
        self._collapsing = {node for pair in module.collapses.values() for node in pair if node is not None}

    def run(self) -> Module:
        self._separate_equations()
        references = self._references()
        self._count_from(references)
        places = dict.fromkeys((row, column) for row, column, _ in self._values)
        entries = [
            Entry(row, column, self._value(row, column, "resistive"), self._value(row, column, "reactive"))
            for row, column in places
        ]
        kept = [entry for entry in entries if entry.resistive or entry.reactive]
        module = self._sums.finished()
        nodes = [
            replace(node, reference=module.nodes[references[index]].name) if index in references else node
            for index, node in enumerate(module.nodes)
        ]
        return replace(
            module,
            nodes=tuple(nodes),
            residuals=tuple(entry for entry in kept if entry.column < 0),
            jacobian=tuple(entry for entry in kept if entry.column >= 0),
        )

    def _value(self, row: int, column: int, part: str) -> str:
        return self._values.get((row, column, part), "")

    def _terms(self, row: int, parts: Sequence[str] = ("resistive", "reactive")) -> dict[tuple[str, Key], int]:
        """Terms of a node's equation; those of the ground are what all others lack to a sum of zero."""
        if row != _GROUND:
            return {
                (part, key): count
                for part in parts
                for key, count in self._sums.terms(self._value(row, -1, part)).items()
            }
        sums: dict[tuple[str, Key], int] = {}
        for node in range(len(self._module.nodes)):
            for key, count in self._terms(node, parts).items():
                sums[key] = sums.get(key, 0) - count
        return {key: count for key, count in sums.items() if count}

    def _separate_equations(self) -> None:
        """Add the equation of each node at which branches end to that of the one node that they come from."""
        apart: set[int] = set()
        while True:
            nodes = [index for index in range(len(self._module.nodes)) if index not in self._ends | apart]
            found = next(((node, other) for node in nodes for other in self._feeding(node, apart)), None)
            if found is None and self._state not in apart:
                found = self._state, self._reference_of_charge(apart)
            if found is None:
                return
            node, other = found
            if other != _GROUND:
                self._add_row(node, other)
                self.taken.append((node, other))
            apart.add(node)

    def _feeding(self, node: int, apart: set[int]) -> list[int]:
        """The node that all branches of a node lead to; none if there are several, or if it is the ground."""
        terms = self._terms(node)
        others = [other for other in self._others(node, apart) if _opposite(terms, self._terms(other)) == len(terms)]
        return others[:1] if terms and node not in self._collapsing else []

    def _others(self, node: int, apart: set[int]) -> list[int]:
        return [other for other in range(len(self._module.nodes)) if other != node and other not in apart]

    def _reference_of_charge(self, apart: set[int]) -> int:
        """The node that the charge of the state's node comes from."""
        terms = self._terms(self._state, ["reactive"])
        places = [_GROUND, *self._others(self._state, apart)]
        shares = {place: _opposite(terms, self._terms(place, ["reactive"])) for place in places}
        whole = [place for place, share in shares.items() if share == len(terms)]
        name = self._module.nodes[self._state].name
        if not whole:
            ends = ", ".join(self._name(place) for place, share in shares.items() if share)
            raise ModelError(f"state: the charge of {name} comes from several nodes ({ends}); it has to come from one")
        ohmic = self._terms(self._state, ["resistive"])
        grounded = _opposite(ohmic, self._terms(_GROUND, ["resistive"]))
        if grounded != (len(ohmic) if whole[0] == _GROUND else 0):
            other = next(
                (place for place in places[1:] if _opposite(ohmic, self._terms(place, ["resistive"]))), whole[0]
            )
            end = other if whole[0] == _GROUND else whole[0]
            raise StateCurrentError(
                f"state: a part of the equation of {name} ends in {self._name(end)} and another in the ground, so that "
                f"what moves the state would add to the current of {self._name(end)}; count every contribution to "
                f"{name} from one node, such as I({name}) <+ ddt(V({name})) - rate"
            )
        return whole[0]

    def _name(self, node: int) -> str:
        return "the ground" if node == _GROUND else self._module.nodes[node].name

    def _add_row(self, node: int, other: int) -> None:
        for row, column, part in list(self._values):
            if row == node:
                place = (other, column, part)
                self._values[place] = self._sums.add(self._values.get(place, ""), self._value(node, column, part))

    def _references(self) -> dict[int, int]:
        """The node that the potential of each node with a charge is counted from, where that is not the ground."""
        found: dict[int, int] = {}
        nodes = [index for index in range(len(self._module.nodes)) if index not in self._ends | self._collapsing]
        # the state first, for of two nodes that are counted from each other one alone can be
        for node in sorted(nodes, key=lambda index: index != self._state):
            charge = self._value(node, -1, "reactive")
            others = self._counted_from(node, charge) if charge else set()
            if len(others) == 1 and _GROUND not in others:
                reference = others.pop()
                above = reference
                while above in found:
                    above = found[above]
                if above != node:
                    found[node] = reference
        return found

    def _counted_from(self, node: int, value: str) -> set[int]:
        """Nodes that the potential of a node is counted from where a value is worked out from it."""
        taken = self._sums.arguments(value)
        found: set[int] = set()
        for argument in self._module.evaluate.arguments:
            if argument.kind == "voltage" and argument.value in taken:
                pair = {index for index, _ in self._module.unknown(argument) or ()}
                if node in pair:
                    found |= pair - {node} or {_GROUND}
        return found

    def _count_from(self, references: dict[int, int]) -> None:
        """Take the difference of a node from its reference as the unknown, in all derivatives."""
        left = dict(references)
        while left:
            # what nothing else is counted from comes first: its reference moves it
            node = next(node for node in left if node not in left.values())
            reference = left.pop(node)
            for row, column, part in list(self._values):
                if column == node:
                    place = (row, reference, part)
                    self._values[place] = self._sums.add(self._values.get(place, ""), self._value(row, node, part))


def _opposite(terms: dict[tuple[str, Key], int], others: dict[tuple[str, Key], int]) -> int:
    """How many of the terms are in the others, at least as often, with the opposite sign."""
    return sum(others.get(key, 0) * count <= -count * count for key, count in terms.items())
