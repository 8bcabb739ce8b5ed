"""Classes of devices that are written in unusual ways: all faces of one agree, or it is refused."""

import cProfile
import json
from typing import Literal

import numpy as np
import pytest

import spicecim as sc
from spicecim.devices import MODELS, Memristor, Number, get_model, load_presets, parameter
from spicecim.devices.verilog_a import verilog_a
from spicecim.errors import InputError, ModelError
from spicecim.netlist.export import export_model

ONE = {"description": "d", "source": "s", "x0": 0.5, "amplitude": 1, "frequency": 1e3, "parameters": {}}


@pytest.fixture
def registered():
    """Register devices for one test."""
    before = set(MODELS)

    def register(model, presets=None):
        sc.register_device(model, {"one": ONE} if presets is None else presets)
        return model.name

    yield register
    for name in set(MODELS) - before:
        del MODELS._members[name]


def run(name, engine, amplitude=1.0, x0=0.5, **options):
    """One cell behind a sinusoid of 1 kHz."""
    bench = sc.Testbench(
        device={"model": name, **options},
        crossbar={"state": [[x0]]},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": 1e3},
        analysis={"probe": "cells"},
    )
    return sc.simulate(bench, engine)


class Good(Memristor):
    """A base of others."""

    name, title, source = "good_class", "A good model", "a test"
    R: Number = parameter("ohm", "resistance", 1e3, gt=0)
    K: Number = parameter("1/(V s)", "speed", 1e3)

    def current(self, v, s):
        return s * v / self.R

    def rate(self, v, s):
        return self.K * v * np.maximum(s * (1 - s), 0)


# --- which methods make the rate


@pytest.mark.ngspice
@pytest.mark.parametrize("base", ["yakopcic", "vteam"])
def test_a_rate_that_builds_on_that_of_drive_and_motion_counts_in_both_engines(base, registered):
    model, presets = get_model(base), load_presets(base)

    class Half(model):
        name = f"half_{base}"

        def rate(self, v, s):
            return 0.5 * super().rate(v, s)

    registered(Half, {key: preset.model_dump() for key, preset in presets.items()})
    preset = next(iter(presets.values()))
    bench = sc.Testbench(
        device={"model": Half.name},
        crossbar={"state": [[preset.x0]]},
        drive={"kind": "sine", "amplitude": preset.amplitude, "frequency": preset.frequency},
        analysis={"probe": "cells"},
    )
    spice = sc.simulate(bench, estimate=False)
    fast = sc.simulate(bench, "reference", time=spice.time.values)
    assert float(abs(spice.x - fast.x).max()) < 1e-3
    # half of the rate at half of the frequency is the same course
    whole = sc.Testbench(
        device={"model": base},
        crossbar={"state": [[preset.x0]]},
        drive={"kind": "sine", "amplitude": preset.amplitude, "frequency": 2 * preset.frequency},
        analysis={"probe": "cells"},
    )
    other = sc.simulate(whole, "reference", time=np.minimum(spice.time.values / 2, whole.duration))
    np.testing.assert_allclose(fast.x, other.x, atol=1e-4)


def test_the_stops_act_once_on_a_rate_that_builds_on_another():
    class Base(Good):
        def stops(self):
            return 0.0, 1.0

        def rate(self, v, s):
            return v

    class Derived(Base):
        def rate(self, v, s):
            return 2.0 * super().rate(v, s)

    class OfFactors(Base):
        def drive(self, v):
            return v

        def motion(self, s, rising):
            return 1.0

    class Again(OfFactors):
        def rate(self, v, s):
            return 2.0 * super().rate(v, s)

    at = 1.0 - 0.5e-6
    assert [kind.separable for kind in (Base, Derived, OfFactors, Again)] == [False, False, True, False]
    for kind, rate in ((Base, 0.5), (Derived, 1.0), (OfFactors, 0.5), (Again, 1.0)):
        assert float(kind().rate(1.0, at)) == pytest.approx(rate)


def test_rate_and_its_factors_in_one_class_are_refused():
    with pytest.raises(ModelError, match=r"class Both \(line \d+ of .*\): defines rate and drive and motion"):

        class Both(Good):
            def rate(self, v, s):
                return v

            def drive(self, v):
                return v

            def motion(self, s, rising):
                return 1.0


def test_the_methods_of_a_base_that_is_no_device_are_as_those_of_the_class(registered):
    class Mixed:
        def rate(self, v, s):
            return v

        def state_from_x(self, x):
            return 1 - x

        def x_from_state(self, s):
            return 1 - s

    class Mixing(Mixed, Good):
        name = "mixing"

        def stops(self):
            return 0.0, 1.0

    device = Mixing()
    assert device.rate([1.0, -1.0], [1.0, 1.0]).tolist() == [0.0, -1.0]
    assert device.state_from_x([0.0, 1.0]).tolist() == [1.0, 0.0]


# --- names


@pytest.mark.parametrize("name", ["v", "s", "u", "V", "I", "time", "small", "cell", "name", "stops", "copy", "values"])
def test_a_parameter_whose_name_stands_for_something_else_is_refused(name):
    with pytest.raises(ModelError, match=rf"class Named \(line .*a parameter cannot be named '{name}': "):
        type(Good)("Named", (Good,), {"__annotations__": {name: Number}, name: parameter("V", "something", 1.0)})


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("name", ["p", "plus", "current_", "m", "temp", "geometric_sum", "shared", "int", "nan", "x"])
def test_parameters_of_other_names_are_the_same_in_all_faces(name, registered):
    values = {"__annotations__": {name: Number, "n": Number}, "name": f"named_{name}", "__module__": __name__}
    values |= {name: parameter("1/(V s)", "speed", 2e3), "n": parameter("", "factor", 1.5)}
    values["rate"] = lambda self, v, s: getattr(self, name) * self.n * v * np.maximum(s * (1 - s), 0)
    registered(type(Good)("Named", (Good,), values))
    for backend in ("osdi", "behavioral"):
        spice = run(f"named_{name}", "ngspice", backend=backend)
        fast = sc.simulate(sc.testbench_of(spice), "reference", time=spice.time.values)
        assert float(abs(spice.x - fast.x).max()) < 1e-3
    assert "<lambda>" not in export_model(f"named_{name}")


def test_a_name_that_python_alone_takes_does_not_get_into_a_module(registered):
    class Greek(Good):
        name = "greek"
        drive = lambda self, v: (v - 0.1) * (v + 0.1) * v  # noqa: E731
        motion = lambda self, s, rising: 1.0 + s * s  # noqa: E731

        def current(self, v, s):
            μ = v * s / self.R
            return μ + μ * μ * μ

    registered(Greek)
    text = export_model("greek")
    assert "<lambda>" not in text
    assert text.isascii()


def test_no_text_gets_out_of_a_comment():
    for attribute in ("title", "source", "name"):
        kind = type(Good)("Injecting", (Good,), {attribute: "one\nanalog V(p) <+ 1;"})
        with pytest.raises(ModelError, match=f"{attribute} must be a text of one line; it is 'one"):
            sc.register_device(kind, {"one": ONE})
    for arguments in (("V", "one\ntwo"), ("V\n", "one"), (3, "one")):
        with pytest.raises(ModelError, match="must be a text of one line"):
            parameter(*arguments)
    chosen = Literal["plain", "one\nanalog"]
    values = {"__annotations__": {"kind": chosen}, "kind": parameter("", "kind", "plain"), "__doc__": "a\x0bb\x85c \\"}
    for line in verilog_a(type(Good)("Chosen", (Good,), values), {}).splitlines():
        assert not line.strip().startswith("analog") or line.strip() == "analog begin"
        assert not line.endswith("\\")


# --- declarations


def test_a_profiler_goes_on_after_a_module_is_written():
    model = MODELS["yakopcic"]
    values = dict.fromkeys(model.model_fields, 1.0)
    profiler = cProfile.Profile()
    profiler.enable()
    under_it = verilog_a(model, values)
    json.dumps([1])
    profiler.disable()
    assert under_it == verilog_a(model, values)
    called = {entry.code.co_name for entry in profiler.getstats() if hasattr(entry.code, "co_name")}
    assert {"verilog_a", "dumps"} <= called


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"gt": "0"}, "gt must be a finite number; it is '0'"),
        ({"gt": np.nan}, "gt must be a finite number; it is nan"),
        ({"le": True}, "le must be a finite number; it is True"),
        ({"gt": 5, "lt": 1}, "no number is within gt=5, lt=1"),
        ({"gt": 1, "le": 1}, "no number is within gt=1, le=1"),
        ({"alias": "Q"}, "alias is no bound"),
    ],
)
def test_bounds_that_are_none_are_refused_where_they_stand(bounds, said):
    with pytest.raises(ModelError, match=rf"line \d+ of test_device_classes\.py .*{said}"):
        parameter("V", "something", **bounds)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"_x": (Number, parameter("V", "a"))}, "leading underscores"),
        ({"x" * 500: (Number, parameter("V", "a"))}, "60 characters at most"),
        ({"A": (Number, parameter("V", "a", above="A"))}, "A must be above or below itself"),
        ({"A": (Number, parameter("V", "a", above="B")), "B": (Number, parameter("V", "b", above="A"))}, "itself, by"),
        ({"A": (None, parameter("V", "a"))}, "requires a type annotation"),
    ],
)
def test_a_declaration_that_is_none_is_refused_with_its_class(fields, said):
    values = {name: given for name, (_, given) in fields.items()}
    values["__annotations__"] = {name: kind for name, (kind, _) in fields.items() if kind}
    with pytest.raises(ModelError, match=rf"class Declared \(line .*{said}"):
        type(Good)("Declared", (Good,), values)


def test_what_is_wrong_with_the_name_of_a_model_is_said():
    for name, said in (("a b", "letters, digits"), ("x" * 500, "60 characters"), ("module", "Verilog-A")):
        with pytest.raises(ModelError, match=rf"class Named: its name cannot be '{name[:5]}.*: .*{said}"):
            sc.register_device(type(Good)("Named", (Good,), {"name": name}), {"one": ONE})
    with pytest.raises(ModelError, match=r"^must be a subclass of Memristor; it is 'x'"):
        sc.register_device("x")


# --- numpy's results and the traced equations


CONSTANTS = {"K": 1e3}


class Outside(Good):
    name = "outside"

    def rate(self, v, s):
        return CONSTANTS["K"] * v * np.maximum(s * (1 - s), 0)


@pytest.mark.ngspice
def test_what_an_equation_reads_outside_of_its_class_must_not_change(registered, monkeypatch):
    registered(Outside)
    for engine in ("ngspice", "reference"):
        run("outside", engine)
    bench = sc.testbench_of(run("outside", "reference"))
    monkeypatch.setitem(CONSTANTS, "K", 5e3)
    for engine in ("ngspice", "reference"):
        with pytest.raises(ModelError, match=r"Outside .*: rate gives \S+ of arrays at v = .* make it a parameter"):
            sc.simulate(bench, engine)
    monkeypatch.setitem(CONSTANTS, "K", 1e3)
    assert sc.simulate(bench, "reference").x.size


def test_an_equation_that_tells_arrays_from_others_is_refused_when_it_is_registered():
    class Tells(Good):
        name = "tells"

        def rate(self, v, s):
            return (1 if isinstance(v, np.ndarray) else 2) * v * np.maximum(s * (1 - s), 0)

    with pytest.raises(ModelError, match=r"Tells .*: rate gives .* as it was traced for ngspice"):
        sc.register_device(Tells, {"one": ONE})


# --- what equations return


@pytest.mark.ngspice
def test_conversions_that_are_written_for_arrays_get_arrays(registered):
    class Turned(Good):
        name = "turned"
        state_from_x = lambda self, x: 1 - x  # noqa: E731
        x_from_state = lambda self, s: 1 - s  # noqa: E731

        def stops(self):
            return 0.0, 1.0

        def drive(self, v):
            return -1e3 * v

        def motion(self, s, rising):
            return 1.0 + 0.5 * s

    registered(Turned)
    spice = run("turned", "ngspice", backend="behavioral")
    fast = sc.simulate(sc.testbench_of(spice), "reference", time=spice.time.values)
    assert float(abs(spice.x - fast.x).max()) < 1e-3
    assert export_model("turned", format="subcircuit")


@pytest.mark.ngspice
def test_an_equation_may_leave_out_state_and_voltage(registered):
    class Plain(Good):
        name = "plain"

        def stops(self):
            return 0.0, 1.0

        def current(self, v, s):
            return 1e-3 * v

        def rate(self, v, s):
            return 1e3 * v

    registered(Plain)
    assert Plain().rate([[0.0], [1.0]], [0.2, 0.5]).tolist() == [[0.0, 0.0], [1e3, 1e3]]
    spice = run("plain", "ngspice")
    fast = sc.simulate(sc.testbench_of(spice), "reference", time=spice.time.values)
    assert float(abs(spice.x - fast.x).max()) < 1e-3


@pytest.mark.parametrize(("result", "kind"), [((1, 2), "tuple"), (None, "NoneType"), ([1], "list"), ("a", "str")])
@pytest.mark.parametrize("method", ["current", "rate", "drive", "motion"])
def test_an_equation_that_returns_no_value_is_named(method, result, kind):
    values = (
        {"drive": lambda self, v: v, "motion": lambda self, s, rising: 1.0} if method in ("drive", "motion") else {}
    )
    values |= {method: lambda self, *_: result}
    with pytest.raises(ModelError, match=rf"returns {kind}; it must return one value") as caught:
        sc.register_device(type(Good)("Returns", (Good,), values), {"one": ONE})
    assert "test_device_classes.py" in str(caught.value)


@pytest.mark.parametrize(
    ("method", "equation", "said"),
    [
        ("rate", lambda self, v, s: np.log(v) * s, r"rate is not a number \(NaN\) at v = -1\.9 V and x = 0\.25"),
        ("current", lambda self, v, s: np.sqrt(v) * s, r"current is not a number \(NaN\) at v = -1\.9 V"),
        ("stops", lambda self: (1, 1), r"stops must be a lower and an upper state, or None; it gives \(1, 1\)"),
        ("stops", lambda self: (np.nan, 1), r"stops must be a lower and an upper state"),
        ("stops", lambda self: 1, r"stops must be a lower and an upper state"),
        ("stops", lambda self: (0.3, 0.7), r"states of x = 0 and x = 1, 0 and 1; it gives 0\.3 and 0\.7"),
    ],
)
def test_equations_and_stops_that_make_no_device_are_refused(method, equation, said):
    with pytest.raises(ModelError, match=said):
        sc.register_device(type(Good)("Made", (Good,), {method: equation}), {"one": ONE})


@pytest.mark.parametrize("motion", [lambda s: -1.0, lambda s: s - 0.5, lambda s: 0.0, lambda s: np.log(s - 0.5)])
def test_a_motion_that_is_not_positive_is_refused(motion):
    methods = {"drive": lambda self, v: v, "motion": lambda self, s, rising: motion(s)}
    with pytest.raises(ModelError, match=r"motion must be positive between the bounds.* at x = \S+ with rising"):
        sc.register_device(type(Good)("Moves", (Good,), methods), {"one": ONE})


@pytest.mark.ngspice
def test_no_number_at_the_drive_is_told_with_its_place(registered):
    class Logarithm(Good):
        name = "logarithm"

        def current(self, v, s):
            return np.log(3.0 + v) * s / self.R  # a number wherever presets are checked

    registered(Logarithm)
    with pytest.raises(InputError, match=r"at -4 V and x = 0 the device's current is not a number \(NaN\)"):
        run("logarithm", "ngspice", amplitude=4.0)
    with pytest.raises(InputError, match=r"not a number \(NaN\)"):
        run("logarithm", "reference", amplitude=4.0)


# --- presets


@pytest.mark.parametrize(
    ("presets", "said"),
    [
        ({"one": ONE | {"x0": 2}}, r"presets\.one\.x0: .*given: 2\)"),
        ({"one": ONE | {"x0": np.nan}}, r"presets\.one\.x0: .*given: nan\)"),
        ({"one": ONE | {"amplitude": -1}}, r"presets\.one\.amplitude: .*given: -1\)"),
        ({"one": ONE | {"amplitude": 0}}, r"presets\.one\.amplitude: .*given: 0\)"),
        ({"one": ONE | {"frequency": 0}}, r"presets\.one\.frequency: .*given: 0\)"),
        ({"one": ONE | {"frequency": np.nan}}, r"presets\.one\.frequency: .*given: nan\)"),
        ({"one": ONE | {"largest_current": np.inf}}, r"presets\.one\.largest_current: .*given: inf\)"),
        ({"": ONE}, r"the name of a preset must be letters, digits and _\.\+-, 60 at most; it is ''"),
        ({3: ONE}, "it is 3$"),
        ({"a b": ONE}, "it is 'a b'"),
        ({"one\n.end": ONE}, r"it is 'one\\n\.end'"),
        ({"x" * 61: ONE}, "it is 'xxx"),
        ([], r"presets: must be a dictionary with a preset by its name; it is \[\]"),
        ("x", "must be a dictionary with a preset by its name; it is 'x'"),
        ({"one": None}, "presets.one: "),
        ({"one": 3}, r"presets\.one: .*given: 3\)"),
    ],
)
def test_a_preset_that_is_none_is_refused(presets, said):
    with pytest.raises(ModelError, match=said):
        sc.register_device(Good, presets)
    assert "good_class" not in MODELS


# --- calls from Python


@pytest.mark.compiler
def test_a_sweep_takes_a_file(tmp_path):
    (tmp_path / "cell.va").write_text(export_model("yakopcic"))
    options = {"frequency": 100, "amplitude": 0.45, "engine": "reference", "accuracy": 1e-2}
    areas = [
        sc.hysteresis(device, **options).measures.lobe_area.values
        for device in (str(tmp_path / "cell.va"), tmp_path / "cell.va", {"verilog_a": str(tmp_path / "cell.va")})
    ]
    np.testing.assert_array_equal(areas, [areas[0]] * 3)
    with pytest.raises(InputError, match="device: must be the name of a model, a file or a dictionary; it is 3"):
        sc.hysteresis(3, **options)


def test_what_is_no_testbench_is_told():
    with pytest.raises(InputError, match=r"testbench: must be a Testbench; it is \{'device'.*Testbench\.from_dict"):
        sc.simulate({"device": 1})


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ([0, 1e-4, 1e-4], r"time must increase strictly; 0\.0001 s follows 0\.0001 s"),
        ([0, np.nan], "time must increase strictly; nan s follows 0 s"),
        ([], r"a list of instants; it is \[\]"),
        ("now", "time must be numbers .* it is 'now'"),
    ],
)
def test_instants_that_are_none_are_told(time, said, make_bench):
    with pytest.raises(InputError, match=said):
        sc.simulate(make_bench(), "reference", time=time)
