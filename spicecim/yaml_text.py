"""YAML from outside: the plain part of the language, with its size and depth checked before anything is built.

An alias costs the writer three letters and stands for any number of values, so that a text of 300 bytes can mean more
than a memory holds. What is counted here is what a text stands for.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from spicecim import limits
from spicecim.errors import InputError
from spicecim.outside import exceeds

_PLAIN_TAGS = {None, "!", "tag:yaml.org,2002:str"}


def parse_yaml(text: str) -> Any:
    """Return the values of a YAML text: dictionaries, lists, texts, numbers, truth values and None.

    Raises
    ------
    InputError
        If it is no YAML, stands for too many values, is nested too deep, refers to itself, names a key twice, or asks
        for another type by a tag.
    """
    try:
        _check_size(text)
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise InputError(f"is no valid YAML: {place}{what}") from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise InputError(f"is no valid YAML: {' '.join(str(error).split())}") from None


class _Node:
    """A list, dictionary or value while its events come by."""

    def __init__(self, anchor: str | None, before: int, depth: int) -> None:
        self.anchor = anchor
        self.before = before
        """Values of the text that came before it."""
        self.deepest = depth


def _check_size(text: str) -> None:
    """Raise `InputError` for a text that stands for too much; builds nothing, so that it costs only what is written."""
    count = 0
    open_nodes: list[_Node] = []
    known: dict[str, tuple[int, int] | None] = {}  # values and levels of what an anchor names; None while it is open
    for event in yaml.parse(text, Loader=_Parser):
        if isinstance(event, yaml.CollectionEndEvent):
            node = open_nodes.pop()
            if node.anchor is not None:
                known[node.anchor] = (count - node.before, node.deepest - len(open_nodes))
            if open_nodes:
                open_nodes[-1].deepest = max(open_nodes[-1].deepest, node.deepest)
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        anchor: Any = event.anchor
        tag = getattr(event, "tag", None)
        size, levels = 1, 0
        if isinstance(event, yaml.AliasEvent):
            named = known.get(anchor, (1, 0))  # an unknown one is the loader's to refuse
            if named is None:
                raise InputError(f"{_line(event)}*{anchor} stands within what it names")
            size, levels = named
        elif tag not in _PLAIN_TAGS:
            raise InputError(f"{_line(event)}the tag {tag} is refused; write the value without it")
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append(_Node(anchor, count, len(open_nodes) + 1))
            known[anchor] = None
        else:
            known[anchor] = (1, 0)
        count += size
        if open_nodes:
            open_nodes[-1].deepest = max(open_nodes[-1].deepest, len(open_nodes) + levels)
            if open_nodes[-1].deepest > limits.YAML_DEPTH:
                raise InputError(f"{_line(event)}{exceeds('YAML_DEPTH', 'levels of lists and dictionaries')}")
        if count > limits.YAML_NODES:
            raise InputError(
                f"{_line(event)}the text {exceeds('YAML_NODES', 'values')}, with aliases counted as what they stand "
                "for; write large arrays to a .npy file"
            )


def _line(event: Any) -> str:
    return f"line {event.start_mark.line + 1}: "


_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where it was compiled in: five times as fast."""


class _Loader(_Parser):  # type: ignore[misc]
    """YAML's safe loader with three changes that keep what is written what it looks like.

    A key that stands twice is an error instead of the last one winning, only decimal numbers are numbers (YAML 1.1
    reads ``1:30`` as 90 and ``010`` as 8), and no key is a truth value (YAML 1.1 reads ``on`` and ``off`` as such).
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
            if key.tag == "tag:yaml.org,2002:bool":
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


_NUMERIC_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NUMERIC_TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
