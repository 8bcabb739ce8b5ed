"""The library's Verilog-A files declare what the Python classes do."""

import re
import typing

import pytest

from spicecim.devices import MODELS, load_presets, make_device
from spicecim.resources import resource_folder

PARAMETER = re.compile(
    r'\(\* desc="(?P<desc>[^"]*)", units="(?P<units>[^"]*)" \*\) '
    r"parameter (?P<kind>real|integer) (?P<name>\w+) = (?P<default>\S+) from (?P<bounds>[^;]*);"
)


@pytest.fixture(params=list(MODELS))
def model(request):
    return MODELS[request.param]


def source_of(model):
    return (resource_folder("models") / f"{model.name}.va").read_text(encoding="utf-8")


def choices_of(info):
    """The texts that a parameter may be, or nothing if it is a number."""
    return [choice for choice in typing.get_args(info.annotation) if isinstance(choice, str)]


def test_parameters_are_those_of_the_class(model):
    text = source_of(model)
    declared = {match["name"]: match for match in PARAMETER.finditer(text)}
    assert list(declared) == list(model.model_fields)
    assert len(re.findall(r"\b(local)?parameter\b", re.sub(r"//.*", "", text))) == len(declared)
    for name, info in model.model_fields.items():
        places = ", ".join(f"{place} {choice}" for place, choice in enumerate(choices_of(info)))
        assert declared[name]["desc"] == info.description + (f": {places}" if places else "")
        assert declared[name]["units"] == info.json_schema_extra["unit"]


def test_defaults_are_those_of_the_class_or_its_first_preset(model):
    first = next(iter(load_presets(model.name).values())).parameters
    optional = {name: info.default for name, info in model.model_fields.items() if not info.is_required()}
    values = make_device(model.name, None, {**first, **optional}).verilog_a_parameters()
    for match in PARAMETER.finditer(source_of(model)):
        assert float(match["default"]) == values[match["name"]], match["name"]
        assert (match["kind"] == "integer") == isinstance(values[match["name"]], int)


def test_bounds_are_those_of_the_class(model):
    """But for those between two parameters, such as Roff above Ron, and for choices."""
    for match in PARAMETER.finditer(source_of(model)):
        info = model.model_fields[match["name"]]
        if typing.get_args(info.annotation):
            continue
        lower, upper = match["bounds"][1:-1].split(":")
        kinds = ("gt", "ge", "lt", "le")
        limits = {kind: getattr(bound, kind) for bound in info.metadata for kind in kinds if hasattr(bound, kind)}
        if lower not in model.model_fields:
            assert {"[": limits.get("ge"), "(": limits.get("gt", -float("inf"))}[match["bounds"][0]] == float(lower)
        assert {"]": limits.get("le"), ")": limits.get("lt", float("inf"))}[match["bounds"][-1]] == float(upper)


def test_state_is_a_terminal_and_nothing_is_hidden(model):
    text = re.sub(r"//.*", "", source_of(model))
    terminals = re.search(rf"module {model.name}\((\w+), (\w+), s\);", text)
    assert terminals
    assert "I(s) <+ ddt(V(s));" in text
    assert not re.search(r"@|\bidt|\blog\(|\$", text)
    accessed = set(re.findall(r"\bV\(([^)]*)\)", text))
    assert accessed == {"s", f"{terminals[1]}, {terminals[2]}"}


@pytest.mark.parametrize(
    ("model", "preset", "name", "place"),
    [
        ("linear_drift", "hp", "window", 0),
        ("linear_drift", "biolek", "window", 2),
        ("vteam", "kvatinsky", "conduction", 0),
        ("vteam", "exponential", "conduction", 1),
    ],
)
def test_a_choice_becomes_its_place(model, preset, name, place):
    assert make_device(model, preset).verilog_a_parameters()[name] == place


def test_numbers_stay_as_they_are():
    assert make_device("yakopcic", "oblea", {"eta": -1}).verilog_a_parameters()["eta"] == -1
    assert make_device("linear_drift", "joglekar", {"p": 3}).verilog_a_parameters()["p"] == 3
    assert make_device("linear_drift").verilog_a_parameters()["Roff"] == 16e3
