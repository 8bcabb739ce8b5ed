"""What is wrong with a person's own device, drive, engine, encoding or measure is said, and the rest still works."""

import importlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from conftest import bench_dict

import spicecim as sc
from spicecim.devices import MODELS, Memristor, Number, parameter
from spicecim.drives import DRIVES, Drive, SmoothDrive, Source, Volts
from spicecim.encodings import ENCODINGS
from spicecim.encodings.base import Encoding, Programmed, Resources
from spicecim.encodings.comparison import compare_encodings
from spicecim.engines import ENGINES
from spicecim.errors import InputError, ModelError, TestbenchError, WaveformError
from spicecim.measure import MEASURES
from spicecim.registry import Registry
from spicecim.runs import run_testbench

LINES = Path(__file__).read_text().splitlines()


def line_with(mark):
    """Where the one line with a mark stands, as messages tell it."""
    (number,) = [number for number, line in enumerate(LINES, 1) if line.endswith(f"# {mark}")]
    return f"line {number} of {Path(__file__).name}"


class Good(Memristor):
    """A base of the bad ones."""

    name, title, source = "bad", "A bad model", "a test"
    R: Number = parameter("ohm", "resistance", 1e3, gt=0)

    def current(self, v, s):
        return s * v / self.R

    def rate(self, v, s):
        return v * (1.0 - s)


class Branches(Good):
    def rate(self, v, s):
        if v > 0.5:  # branches
            return v
        return 0.0 * v


class ShortCircuits(Good):
    def rate(self, v, s):
        return v if v > 0 and s < 1 else -v  # short circuits


class TakesPlainNumber(Good):
    def current(self, v, s):
        return float(v) / self.R  # plain number


class GoesThrough(Good):
    def current(self, v, s):
        return np.array([each / self.R for each in v])  # goes through


class Untranslatable(Good):
    def current(self, v, s):
        return np.cbrt(v) / self.R  # no translation


class Sums(Good):
    def current(self, v, s):
        return np.sum(v * s) / self.R  # reduces


class TwoValues(Good):
    def current(self, v, s):  # two values
        return v / self.R, s


class TwoStates(Good):
    def current(self, v, s, t):  # two states
        return v * s / self.R

    def rate(self, v, s, t):
        return v - t


class Nothing(Good):
    def current(self, v, s):  # nothing
        v / self.R


class Misspelled(Good):
    def current(self, v, s):
        return v / self.r  # misspelled


class NoCurrent(Memristor):  # no current
    name, title, source = "bad", "A bad model", "a test"

    def rate(self, v, s):
        return v


class DriveAlone(Good):  # drive alone
    def drive(self, v):
        return v


class NoTitle(Memristor):  # no title
    name, source = "bad", "a test"

    def current(self, v, s):
        return v


class Lost(Good):  # lost
    def state_from_x(self, x):
        return 2.0 * np.asarray(x)


class OfTheName(Good):  # of the name
    name = "team"


DEVICES = [
    (Branches, "branches", "branches on a value that depends on the voltage or a state; use numpy.where"),
    (ShortCircuits, "short circuits", "branches on a value"),
    (TakesPlainNumber, "plain number", "makes a plain number of a value"),
    (GoesThrough, "goes through", "goes through the entries of an array"),
    (Untranslatable, "no translation", "cbrt has no translation; known are arithmetic"),
    (Sums, "reduces", "has no translation"),
    (TwoValues, "two values", "returns tuple; it must return one value: the rate of a further state is a method"),
    (
        TwoStates,
        "two states",
        "current takes v, s, t, and gets v, s; a further state is declared in states of the class",
    ),
    (Nothing, "nothing", "returns NoneType; it must return one value"),
    (Misspelled, "misspelled", "has no attribute 'r'"),
    (NoCurrent, "no current", "lacks current"),
    (DriveAlone, "drive alone", "lacks motion"),
    (NoTitle, "no title", "title is missing"),
    (Lost, "lost", "x_from_state gives [0.5 1.  1.5] of the states of x = [0.25 0.5  0.75]"),
    (OfTheName, "of the name", "model 'team' exists already, from spicecim; choose another name"),
]
PRESETS = {"one": {"description": "d", "source": "s", "x0": 0.5, "amplitude": 1, "frequency": 1, "parameters": {}}}


@pytest.mark.parametrize(("model", "mark", "said"), DEVICES, ids=[model.__name__ for model, *_ in DEVICES])
def test_a_bad_device_is_refused_with_class_and_line(model, mark, said):
    before = list(MODELS)
    with pytest.raises(ModelError) as caught:
        sc.register_device(model, PRESETS)
    assert model.__name__ in str(caught.value)
    assert line_with(mark) in str(caught.value)
    assert said in str(caught.value)
    assert list(MODELS) == before


def test_a_parameter_without_a_unit_is_refused_with_class_and_line():
    with pytest.raises(ModelError, match=r"class NoUnit \(line \d+ of .*\): R has no unit") as caught:

        class NoUnit(Memristor):  # no unit
            R: Number = 1e3

    assert line_with("no unit") in str(caught.value)


def test_a_bound_by_no_parameter_is_refused_with_class_and_line():
    with pytest.raises(ModelError, match=r"class NoBound .*: R must be above Ron, which it lacks") as caught:

        class NoBound(Memristor):  # no bound
            R: Number = parameter("ohm", "resistance", above="Ron")

    assert line_with("no bound") in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x0": None}, "x0"),
        ({"parameters": {"R": -1}}, "R"),
        ({"parameters": {"Q": 1}}, "Q"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_bad_preset_is_refused(change, said):
    with pytest.raises(ModelError, match=said):
        sc.register_device(Good, {"one": PRESETS["one"] | change})
    assert "bad" not in MODELS


PRESET = "{description: d, source: s, x0: 0.5, amplitude: 1, frequency: 1, parameters: {}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"one: {PRESET}\ntwo: {PRESET}\n", "must have the keys default, model, presets, .*; it has the keys one, two"),
        ("", "must have the keys default, model, presets, presets by name; it has None"),
        ("- 1\n", r"must have the keys .*; it has \[1\.0\]"),
        (f"presets:\n  one: {PRESET}\n", "default: is required; model: is required"),
        (f"model: other\ndefault: one\npresets: {{one: {PRESET}}}\n", r"model: must be filed \(given: 'other'\)"),
        (
            f"model: filed\ndefault: tow\npresets: {{one: {PRESET}, two: {PRESET}}}\n",
            r"default: must be one of the presets, which are one, two \(given: 'tow'\)",
        ),
        (
            f"model: filed\ndefault: one\npreset: 1\npresets: {{one: {PRESET}}}\n",
            "preset: unknown key; known are",
        ),
        ("model: filed\ndefault: one\npresets: [1]\n", "presets: must be a dictionary with a preset by its name"),
        ("model: filed\ndefault: one\npresets: {one: 1}\n", "presets.one: must be a section with the keys "),
        (
            f"model: filed\ndefault: one\npresets:\n  one: {PRESET.replace('x0: 0.5', 'x: 0.5')}\n",
            r"presets\.one\.x0: is required; presets\.one\.x: unknown key; known are description, source",
        ),
        (f"one: {PRESET}\none: {PRESET}\n", "is no valid YAML: line 2, column 1: key 'one' stands twice"),
        ("one: {", "is no valid YAML: line 2"),
        ("one: \x00", "is no valid YAML"),
    ],
)
def test_a_bad_preset_file_is_told_by_its_keys(tmp_path, monkeypatch, text, said):
    (tmp_path / "filed_module.py").write_text(
        "from spicecim.devices import Memristor\n\n"
        "class Filed(Memristor):\n    name, title, source = 'filed', 't', 's'\n"
        "    def current(self, v, s):\n        return v * s\n"
        "    def rate(self, v, s):\n        return v * s * (1 - s)\n"
    )
    (tmp_path / "filed.yaml").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "filed_module", raising=False)
    model = importlib.import_module("filed_module").Filed
    with pytest.raises(ModelError, match=rf"^filed\.yaml, the presets of filed: {said}") as caught:
        sc.register_device(model)
    assert "pydantic" not in str(caught.value)
    assert "input_value" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "filed" not in MODELS


def test_equations_of_another_shape_are_refused_where_they_are_used():
    class Shaped(Good):
        def current(self, v, s):  # shape
            return np.zeros(3)

    with pytest.raises(ModelError, match=r"Shaped\.current .* returns the shape \(3,\), and not \(2,\)") as caught:
        Shaped().current([0.0, 1.0], 0.5)
    assert line_with("shape") in str(caught.value)


class Ramp(SmoothDrive):
    """A base of the bad ones: ``v = height (1 - cos(2 pi 1000 t)) / 2``."""

    kind: Literal["bad_ramp"] = "bad_ramp"
    height: Volts

    def voltage(self, time):
        return self.height * 0.5 * (1.0 - np.cos(2e3 * np.pi * np.asarray(time)[:, None]))

    def largest_voltage(self):
        return float(np.abs(self.height).max())

    def periods(self):
        return np.full(len(np.atleast_1d(self.height)), 1e-3)

    def source(self, row):
        return Source("SIN", [0.5 * self.height[row], 0.5 * self.height[row], 1e3, 0, 0, -90])

    def smooth(self, rows, begin, since):
        return self.height[rows, None] * 0.5 * (1.0 - np.cos(2e3 * np.pi * (begin[:, None] + since)))

    def smooth_slope(self, rows, begin, since):
        return self.height[rows, None] * 1e3 * np.pi * np.sin(2e3 * np.pi * (begin[:, None] + since))


class WrongSlopes(Ramp):  # wrong slopes
    def smooth_slope(self, rows, begin, since):
        return 2.0 * Ramp.smooth_slope(self, rows, begin, since)


class OtherValues(Ramp):  # other values
    def smooth(self, rows, begin, since):
        return Ramp.smooth(self, rows, begin, since) + 0.1


class TooHigh(Ramp):  # too high
    def largest_voltage(self):
        return 0.1


class Flat(Ramp):  # flat
    def voltage(self, time):
        return np.zeros(len(time))


class NoStraightLine(Ramp):  # no straight line
    def curve(self):
        return None


class Raises(Ramp):
    def voltage(self, time):
        return self.hight  # raises


class BadCorners(Ramp):  # bad corners
    def corners(self, duration):
        return np.array([-1.0])


DRIVE_FAULTS = [
    (
        WrongSlopes,
        "wrong slopes",
        r"smooth_slope gives \S+ V/s at \S+ s of row 0, where the voltages of smooth rise by",
    ),
    (OtherValues, "other values", "smooth gives other voltages than voltage"),
    (TooHigh, "too high", r"voltage gives 1 V, above the 0\.1 V of largest_voltage"),
    (Flat, "flat", r"voltage gives the shape \(33,\) of 33 instants and 3 rows"),
    (NoStraightLine, "no straight line", "voltage is no straight line between corners"),
    (Raises, "raises", "has no attribute 'hight'"),
    (BadCorners, "bad corners", "corners must give increasing instants"),
]


@pytest.fixture
def ramp():
    """Register a kind of drive for one test."""

    def register(kind):
        sc.register_drive(kind)
        return bench_dict(drive={"kind": "bad_ramp", "height": 1.0})

    yield register
    DRIVES._members.pop("bad_ramp", None)
    sc.Testbench.model_rebuild(force=True)


def test_the_good_drive_is_taken(ramp):
    assert sc.simulate(sc.Testbench.from_dict(ramp(Ramp)), "reference").i_column.size


@pytest.mark.parametrize(("kind", "mark", "said"), DRIVE_FAULTS, ids=[kind.__name__ for kind, *_ in DRIVE_FAULTS])
def test_a_drive_whose_methods_do_not_fit_is_refused_with_class_and_line(ramp, kind, mark, said):
    values = ramp(kind)
    with pytest.raises(TestbenchError, match=said) as caught:
        sc.Testbench.from_dict(values)
    assert f"drive: class {kind.__name__}" in str(caught.value)
    assert line_with(mark) in str(caught.value)


@pytest.mark.ngspice
@pytest.mark.parametrize(
    "source", [["SIN(", 1, ")"], Source("B", [1]), Source("SIN", ["x"]), Source("SIN", [np.nan]), Source("SIN", 1)]
)
def test_a_source_that_ngspice_has_not_is_refused(ramp, source):
    class NoSource(Ramp):
        def source(self, row):
            return source

    bench = sc.Testbench.from_dict(ramp(NoSource))
    with pytest.raises(InputError, match=r"drive: NoSource\.source\(0\) must"):
        sc.render_netlist(bench)


class NoSmooth(SmoothDrive):  # no smooth
    kind: Literal["bad_ramp"] = "bad_ramp"
    voltage, largest_voltage, periods, source = Ramp.voltage, Ramp.largest_voltage, Ramp.periods, Ramp.source


class NoKind(Drive):  # no kind
    voltage = Ramp.voltage


class NoRun:  # no run
    def obstacle(self):
        return None

    def uncovered(self, testbench):
        return None


class NoName(Encoding):  # no name
    def program(self, weights):
        return None


class NoProgram(Encoding):  # no program
    name = "bad"

    def other(self):
        return None


@pytest.mark.parametrize(
    ("register", "arguments", "mark", "said"),
    [
        (sc.register_drive, (NoSmooth,), "no smooth", "class NoSmooth .*: lacks smooth, smooth_slope"),
        (sc.register_drive, (NoKind,), "no kind", "class NoKind .*: needs a field kind"),
        (sc.register_engine, ("bad", NoRun), "no run", "class NoRun .*: lacks run"),
        (sc.register_engine, ("reference", NoRun), "no run", "class NoRun"),
        (sc.register_encoding, (NoName,), "no name", "class NoName"),
        (
            sc.register_encoding,
            (NoProgram,),
            "no program",
            "class NoProgram .*: needs the name 'bad' and the method program",
        ),
    ],
)
def test_what_lacks_something_is_refused_with_class_and_line(register, arguments, mark, said):
    registries = (MODELS, DRIVES, ENGINES, ENCODINGS, MEASURES)
    before = [list(registry) for registry in registries]
    with pytest.raises(InputError, match=said) as caught:
        register(*arguments)
    assert line_with(mark) in str(caught.value)
    assert [list(registry) for registry in registries] == before


@pytest.mark.parametrize(
    ("register", "arguments"),
    [
        (sc.register_device, (3,)),
        (sc.register_drive, (3,)),
        (sc.register_engine, ("bad", 3)),
        (sc.register_encoding, (3,)),
        (sc.register_measure, ("bad", 3)),
    ],
)
def test_what_is_no_class_or_function_is_refused(register, arguments):
    with pytest.raises(InputError, match=r"must be a .* it is 3"):
        register(*arguments)


@pytest.mark.parametrize("result", [None, 3.0, "other attributes", "no currents"])
def test_an_engine_that_gives_no_waveforms_is_told(make_bench, monkeypatch, result):
    bench = make_bench()
    run = sc.simulate(bench, "reference")
    given = {"other attributes": run.drop_attrs(), "no currents": run.drop_vars("i_column")}.get(result, result)

    class Gives(NoRun):
        def run(self, testbench, *, time, progress, estimate):  # gives
            return given

    monkeypatch.setitem(ENGINES._members, "gives", Gives)
    with pytest.raises(WaveformError, match=r"engine gives: .*Gives\.run .* must give waveforms") as caught:
        sc.simulate(bench, "gives")
    assert line_with("gives") in str(caught.value)
    assert sc.simulate(bench, "reference").i_column.size


class WrongProgram(Encoding):
    name = "wrong_encode"

    def program(self, weights):  # programs
        return weights


class WrongDecode(Encoding):
    name = "wrong_decode"

    def program(self, weights):
        return Decodes(self, np.array(weights), Resources(0, 0, 0))


class Decodes(Programmed):
    def testbenches(self, inputs):
        return ()

    def decode(self, waveforms, inputs):  # decodes
        return [[1.0, np.nan]]


def test_an_encoding_that_returns_the_wrong_thing_is_told():
    with pytest.raises(InputError, match=r"WrongProgram\.program .* must return a Programmed; .* list") as caught:
        compare_encodings([WrongProgram()], [[1], [2]], [[1, 1]])
    assert line_with("programs") in str(caught.value)
    for weights in ([[1], [2]], [[1, 1], [2, 2]]):
        with pytest.raises(InputError, match=r"Decodes\.decode .* must return finite numbers of the shape") as caught:
            compare_encodings([WrongDecode()], weights, [[1, 1]])
        assert line_with("decodes") in str(caught.value)


def test_a_measure_that_returns_the_wrong_thing_is_told(make_bench, monkeypatch, tmp_path):
    def measures(waveforms):  # measures
        return "much"

    assert "mean_current" in list(MEASURES)  # which loads them
    monkeypatch.setitem(MEASURES._members, "much", measures)
    with pytest.raises(InputError, match="must return a number or an array of numbers; it returns 'much'") as caught:
        run_testbench(make_bench(), tmp_path, engine="reference", measures=["much"])
    assert line_with("measures") in str(caught.value)


BROKEN = {
    "broken_import": "import there_is_no_such_package  # at import\n",
    "broken_syntax": "x = 1\ndef f(:\n",
    "broken_exit": "import sys\nsys.exit('I leave')\n",
    "taken": "import numpy as np\nfrom spicecim.devices import Memristor\n\n"
    "class Taken(Memristor):\n    name, title, source = 'yakopcic', 't', 's'\n"
    "    def current(self, v, s):\n        return v\n    def rate(self, v, s):\n        return 0.0 * v\n",
    "no_presets": "from spicecim.devices import Memristor\n\n"
    "class NoPresets(Memristor):\n    name, title, source = 'no_presets', 't', 's'\n"
    "    def current(self, v, s):\n        return v\n    def rate(self, v, s):\n        return 0.0 * v\n",
}
ENTRIES = """
[spicecim.devices]
broken_import = broken_import:Device
yakopcic = taken:Taken
no_presets = no_presets:NoPresets
lacking = taken:Lacking

[spicecim.drives]
broken_syntax = broken_syntax:Drive

[spicecim.engines]
broken_exit = broken_exit:Engine
"""


@pytest.fixture
def spicecim(tmp_path):
    """Run the command where a package is installed whose entry points fail in every way."""
    site = tmp_path / "site"
    about = site / "broken-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    for name, text in BROKEN.items():
        (site / f"{name}.py").write_text(text)
    (site / "no_presets.yaml").write_text("model: no_presets\ndefault: missing\npresets: {}\n")
    (tmp_path / "bench.yaml").write_text(json.dumps(bench_dict(analysis={})))
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "300"}
    program = Path(sys.executable).with_name("spicecim")
    return lambda *arguments: subprocess.run(
        [program, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
def test_entry_points_that_fail_leave_the_rest_as_it_is(spicecim, tmp_path):
    listed = json.loads(spicecim("extensions", "--json").stdout)
    failures = {name: why for found in listed.values() for name, why in found["failures"].items()}
    for name, said in {
        "broken_import": r"the package broken, broken_import:Device: ModuleNotFoundError: No module .* line 1 of brok",
        "yakopcic": r"class Taken \(line 4 of taken\.py\): model 'yakopcic' exists already, from spicecim",
        "no_presets": r"no_presets\.yaml, the presets of no_presets: ",
        "lacking": r"AttributeError: module 'taken' has no attribute 'Lacking'",
        "broken_syntax": r"SyntaxError: .* line 2 of broken_syntax\.py",
        "broken_exit": r"SystemExit: I leave, at line 2 of broken_exit\.py",
    }.items():
        assert re.search(said, failures.pop(name)), name
    assert not failures
    assert "yakopcic" in listed["device"]["members"]
    models = spicecim("models")
    assert models.returncode == 0
    assert "no_presets" not in models.stdout
    assert spicecim("run", "bench.yaml", "-o", "out", "--engine", "reference").returncode == 0
    (tmp_path / "bad.yaml").write_text(json.dumps(bench_dict(drive={"kind": "broken_syntax"})))
    kind = spicecim("netlist", "bad.yaml")
    assert kind.returncode == 2
    assert "drive.kind: of an installed package cannot be used: the package broken" in kind.stderr
    asked = spicecim("models", "broken_import")
    assert asked.returncode == 2
    assert "model 'broken_import' of an installed package cannot be used: the package broken" in asked.stderr


def test_every_entry_point_that_fails_is_told_with_what_it_must_be(monkeypatch):
    entries = [EntryPoint("twin", value, "spicecim.things") for value in ("::::", "math:pi", "math:no_such", "math:e")]
    monkeypatch.setattr("spicecim.registry.entry_points", lambda group: entries)
    registry = Registry("thing", dict, lambda name, member: None)
    assert list(registry) == ["twin"]
    failures = registry.failures["twin"]
    assert "a package, ::::: an entry point must be MODULE:NAME" in failures
    assert "a package, math:no_such: AttributeError" in failures
    assert re.search(r"a package, math:\w+: [\d.]+: thing 'twin' exists already, from a package", failures)


def test_threads_that_ask_first_all_find_the_built_in_members():
    asked = threading.Barrier(4)

    def built_in():
        time.sleep(0.2)  # the others ask meanwhile
        return {"one": 1, "two": 2}

    registry = Registry("thing", built_in, lambda name, member: None)

    def ask(number):
        asked.wait()
        return "two" in registry, registry.names()[:2]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == [(True, ["one", "two"])] * 4


def test_an_interrupted_registry_takes_its_members_anew():
    tries = []

    def built_in():
        tries.append(1)
        if len(tries) == 1:
            raise KeyboardInterrupt
        return {"one": 1}

    registry = Registry("thing", built_in, lambda name, member: None)
    with pytest.raises(KeyboardInterrupt):
        registry.names()
    assert registry["one"] == 1
