"""A testbench takes what is right, and names the field of what is wrong."""

import json

import numpy as np
import pytest
import yaml
from conftest import bench_dict
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spicecim.device_choice import LibraryDevice
from spicecim.drives import PulseDrive, SampledDrive, SineDrive
from spicecim.errors import InputError, TestbenchError
from spicecim.testbench import Analysis, Crossbar, Testbench

SUBCIRCUIT = {"subcircuit": "memristor.sub", "ports": ["row", "column", "state"]}


def test_texts_become_si_values(make_bench):
    bench = make_bench(
        crossbar={"state": [["0", "500m"]], "wire_row": "2", "source_resistance": "1k", "wire_capacitance": "3f"},
        drive={"kind": "sine", "amplitude": "450mV", "frequency": ["10kHz"]},
        analysis={"duration": "1ms"},
    )
    assert bench.crossbar.state.tolist() == [[0.0, 0.5]]
    assert bench.crossbar.source_resistance == 1000.0
    assert bench.crossbar.wire_capacitance == pytest.approx(3e-15)
    assert bench.drive.frequency.tolist() == [10e3]
    assert bench.duration == 1e-3
    assert not bench.crossbar.ideal


def test_one_value_serves_all_rows(make_bench):
    bench = make_bench()
    assert bench.shape == (3, 2)
    assert bench.drive.amplitude.tolist() == [0.45, 0.45, 0.45]


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"device": {"model": "yakopic"}}, "device.model", "did you mean 'yakopcic'"),
        ({"device": {"model": "yakopcic", "preset": "nope"}}, "device.preset", "known are oblea, miao, jo"),
        ({"device": {"model": "yakopcic", "parameters": {"a1": 1}}}, "device.parameters", "a2: is required"),
        ({"device": {"model": "yakopcic", "preset": "oblea", "parameters": {"a1": -1}}}, "device.parameters", "a1"),
        ({"device": {"model": "yakopcic", "preset": "oblea", "parameters": {"zz": 1}}}, "device.parameters", "zz"),
        ({"device": {"model": "yakopcic", "backend": "magic"}}, "device.backend", "'auto', 'osdi' or 'behavioral'"),
        ({"device": 3}, "device", "dictionary"),
        ({"device": {}}, "device", "none of the keys model, subcircuit"),
        ({"device": {"modle": "yakopcic"}}, "device", "did you mean 'model'"),
        ({"device": {"model": "yakopcic", "subcircuit": "a.sub"}}, "device", "both model and subcircuit"),
        ({"device": {"model": "yakopcic", "prset": "jo"}}, "device.prset", "did you mean 'preset'"),
        ({"device": {"subcircuit": "a.sub"}}, "device.ports", "is required"),
        ({"device": {**SUBCIRCUIT, "port": []}}, "device.port", "did you mean 'ports'"),
        ({"device": {**SUBCIRCUIT, "subcircuit": ""}}, "device.subcircuit", "name of a file"),
        ({"device": {**SUBCIRCUIT, "name": "a b"}}, "device.name", "letters, digits and _.+-"),
        ({"device": {**SUBCIRCUIT, "ports": ["row", "state"]}}, "device.ports", "column once"),
        ({"device": {**SUBCIRCUIT, "ports": ["row", "column", "row"]}}, "device.ports", "row once"),
        ({"device": {**SUBCIRCUIT, "ports": ["row", "column", "gate"]}}, "device.ports.2", "'ground'"),
        ({"device": {**SUBCIRCUIT, "parameters": {"a b": 1}}}, "device.parameters", "'a b' is not a name"),
        ({"device": {**SUBCIRCUIT, "parameters": {"a": 1, "A": 2}}}, "device.parameters", "twice"),
        ({"device": {**SUBCIRCUIT, "parameters": {"a": "{b}"}}}, "device.parameters.a", "not a number"),
        ({"device": {**SUBCIRCUIT, "dialect": "hspice"}}, "device.dialect", "'ngspice', 'ltspice' or 'pspice'"),
        ({"device": {**SUBCIRCUIT, "initial": [1, 1]}}, "device.initial", "two different values"),
        ({"device": {**SUBCIRCUIT, "initial": [1]}}, "device.initial.1", "required"),
        (
            {"device": {**SUBCIRCUIT, "initial_parameter": "x0", "parameters": {"X0": 1}}},
            "device.initial_parameter",
            "crossbar.state sets it",
        ),
        ({"crossbar": {"state": [[0.5, 1.5]]}}, "crossbar.state", "between 0 and 1; element [0, 1] is 1.5"),
        ({"crossbar": {"state": [[0.5, -0.1]]}}, "crossbar.state", "between 0 and 1"),
        ({"crossbar": {"state": [[0.5, "nan"]]}}, "crossbar.state", "element [0, 1]"),
        ({"crossbar": {"state": [0.5, 0.5]}}, "crossbar.state", "shape is (2,)"),
        ({"crossbar": {"state": [[0.5], [0.5, 0.5]]}}, "crossbar.state", "same length"),
        ({"crossbar": {"state": []}}, "crossbar.state", "shape"),
        ({"crossbar": {}}, "crossbar.state", "is required"),
        ({"crossbar": {"state": [[0.5]], "wire_row": -1}}, "crossbar.wire_row", "between 0 and 1e+18"),
        ({"crossbar": {"state": [[0.5]], "wire_col": 1}}, "crossbar.wire_col", "did you mean 'wire_column'"),
        ({"crossbar": {"state": [[0.5]], "sense_resistance": "10M"}}, "crossbar.sense_resistance", "ambiguous"),
        (
            {"drive": {"kind": "sine", "amplitude": 1, "frequency": [1, 0, 2]}},
            "drive.frequency",
            "between 1e-18 and 1e+18",
        ),
        ({"drive": {"kind": "sine", "amplitude": 1, "frequency": [1, float("nan"), 2]}}, "drive.frequency", "finite"),
        ({"drive": {"kind": "sine", "amplitude": 1, "frequency": [1, 2]}}, "drive.frequency", "2 values for 3 rows"),
        ({"drive": {"kind": "sine", "amplitude": [[1]], "frequency": 1}}, "drive.amplitude", "shape"),
        (
            {"drive": {"kind": "sin"}},
            "drive.kind",
            "unknown kind; known are sine, pulse, samples; did you mean 'sine'?",
        ),
        ({"drive": {"amplitude": 1}}, "drive.kind", "is required"),
        (
            {"drive": {"kind": "pulse", "high": 1, "rise": 1, "fall": 1, "width": 1, "period": 2}},
            "drive.period",
            "rise + width + fall",
        ),
        (
            {"drive": {"kind": "pulse", "high": 1, "rise": 0, "fall": 1, "width": 1, "period": 5}},
            "drive.rise",
            "between 1e-18 and 1e+18",
        ),
        ({"drive": {"kind": "samples", "time": [0, 1], "voltages": [[0, 1]]}}, "drive.voltages", "3 rows"),
        ({"drive": {"kind": "samples", "time": [0, 1, 1], "voltages": [[0, 1, 2]] * 3}}, "drive.time", "increase by"),
        ({"drive": {"kind": "samples", "time": [1, 2], "voltages": [[0, 1]] * 3}}, "drive.time", "start at 0"),
        ({"drive": {"kind": "samples", "time": [0, 1], "voltages": [[0, 1, 2]] * 3}}, "drive.voltages", "3 samples"),
        ({"analysis": {"duration": 1, "periods": 2}}, "analysis.periods", "not both"),
        ({"analysis": {"duration": -1}}, "analysis.duration", "between 1e-18 and 1e+18"),
        ({"analysis": {"points_per_period": 2}}, "analysis.points_per_period", "greater than or equal to 8"),
        ({"analysis": {"probe": "all"}}, "analysis.probe", "'columns' or 'cells'"),
        ({"analysis": {"accuracy": 1e-10}}, "analysis.accuracy", "between 1e-9 and 0.1"),
        ({"analysis": {"accuracy": 0.2}}, "analysis.accuracy", "between 1e-9 and 0.1"),
        ({"analysis": {"reference_tolerance": 1e-3}}, "analysis.reference_tolerance", "between 1e-12 and 0.0001"),
        ({"analysis": {"reference_tolerance": "1 V"}}, "analysis.reference_tolerance", "not a number"),
        ({"analysis": {"periods": 1e9}}, "analysis.points_per_period", "over 1e+08 steps"),
        (
            {"drive": {"kind": "sine", "amplitude": 1e308, "frequency": 100}},
            "drive.amplitude",
            "between -1e+06 and 1e+06",
        ),
        ({"drive": {"kind": "sine", "amplitude": 1, "frequency": 1e20}}, "drive.frequency", "between 1e-18 and 1e+18"),
        ({"drive": {"kind": "sine", "amplitude": "0,45", "frequency": 100}}, "drive.amplitude", "not a quantity in V"),
        (
            {"device": {"model": "yakopcic", "preset": "oblea", "parameters": {"a1": True}}},
            "device.parameters.a1",
            "must be a number",
        ),
        (
            {"device": {"model": "yakopcic", "preset": "oblea", "parameters": {"a1": None}}},
            "device.parameters.a1",
            "must be a number",
        ),
        (
            {"device": {"model": "linear_drift", "preset": "joglekar", "parameters": {"p": True}}},
            "device.parameters.p",
            "p",
        ),
        ({"surprise": 1}, "surprise", "unknown key"),
    ],
)
def test_names_what_is_wrong(change, field, reason):
    with pytest.raises(TestbenchError) as caught:
        Testbench.from_dict(bench_dict(**change))
    problems = {problem.field: problem.reason for problem in caught.value.problems}
    assert list(problems) == [field]
    assert reason in problems[field]
    assert isinstance(caught.value, InputError)


def test_reports_all_problems_at_once():
    with pytest.raises(TestbenchError) as caught:
        Testbench.from_dict(bench_dict(device={"model": "x"}, crossbar={"state": [[2]]}))
    assert [problem.field for problem in caught.value.problems] == ["device.model", "crossbar.state"]


@pytest.mark.parametrize(
    "build",
    [
        lambda: Crossbar(state=[[2.0]]),
        lambda: SineDrive(amplitude=1, frequency=-1),
        lambda: Analysis(duration=0),
        lambda: LibraryDevice(model="nope"),
        lambda: Testbench(device=None, crossbar=None, drive=None),
    ],
)
def test_parts_raise_the_same_error_when_built_alone(build):
    with pytest.raises(TestbenchError):
        build()


def test_parts_and_dictionaries_build_the_same(make_bench):
    built = Testbench(
        device=LibraryDevice(model="yakopcic", preset="oblea"),
        crossbar=Crossbar(state=np.array([[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]])),
        drive=SineDrive(amplitude=0.45, frequency=[100, 200, 300]),
        analysis=Analysis(points_per_period=50),
    )
    assert built == make_bench()
    assert built.digest() == make_bench().digest()
    assert built != make_bench(analysis={})


def test_a_testbench_cannot_be_changed(make_bench):
    bench = make_bench()
    with pytest.raises(ValueError, match="read-only"):
        bench.crossbar.state[0, 0] = 2.0
    with pytest.raises(ValueError, match="frozen"):
        bench.device = None


def test_building_does_not_share_the_caller_s_array():
    state = np.array([[0.5]])
    crossbar = Crossbar(state=state)
    state[0, 0] = 0.9
    assert crossbar.state[0, 0] == 0.5


@given(
    state=hnp.arrays(
        float, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4), elements=st.floats(0, 1, allow_subnormal=False)
    ),
    amplitude=st.floats(-10, 10, allow_subnormal=False),
    frequency=st.floats(1e-3, 1e9),
    wire=st.just(0.0) | st.floats(1e-12, 1e6),
    periods=st.floats(1, 50),
)
def test_yaml_brings_the_same_testbench_back(tmp_path_factory, state, amplitude, frequency, wire, periods):
    bench = Testbench(
        device={"model": "linear_drift", "preset": "joglekar", "parameters": {"p": 3}},
        crossbar={"state": state, "wire_column": wire},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": frequency},
        analysis={"periods": periods},
    )
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    bench.to_yaml(path)
    again = Testbench.from_yaml(path)
    assert again == bench
    assert again.digest() == bench.digest()
    assert Testbench.from_dict(json.loads(json.dumps(bench.to_dict()))) == bench


def test_arrays_come_from_files_beside_the_yaml(tmp_path, rng):
    state = rng.uniform(size=(3, 5))
    np.save(tmp_path / "state.npy", state)
    np.savez(tmp_path / "drive.npz", amplitude=[0.1, 0.2, 0.3], other=[1.0])
    values = bench_dict(
        crossbar={"state": "state.npy"},
        drive={"kind": "sine", "amplitude": "drive.npz:amplitude", "frequency": 1e3},
    )
    (tmp_path / "bench.yaml").write_text(yaml.safe_dump(values))
    bench = Testbench.from_yaml(tmp_path / "bench.yaml")
    np.testing.assert_array_equal(bench.crossbar.state, state)
    assert bench.drive.amplitude.tolist() == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("drive.npz", "name one of the arrays"), ("gone.npy", "cannot be read"), ("bad.npy", "Python objects")],
)
def test_says_which_array_file_is_unusable(tmp_path, text, reason):
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 cut off")
    np.savez(tmp_path / "drive.npz", a=[1.0], b=[2.0])
    np.save(tmp_path / "bad.npy", np.array([{"a": "pickle"}], dtype=object), allow_pickle=True)
    with pytest.raises(TestbenchError, match=reason):
        Testbench.from_dict(bench_dict(crossbar={"state": text}), folder=tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "device: {model: a\n",
        "device: 1\ndevice: 2\n",
        "\x00",
        "",
        "[1, 2]",
        "!!python/name:os.system",
        "device: !!float abc",
        "device: !!bool xyz",
        "device: !!timestamp 2020-99-99",
        "device: 2020-99-99",
        "crossbar: {state: &a [*a]}",
        "[" * 3000,
        f"crossbar: {{state: [[{'9' * 400}]]}}",
        f"crossbar: {{state: [[{'9' * 5000}]]}}",
    ],
)
def test_yaml_that_is_no_testbench_is_one_error(tmp_path, text):
    path = tmp_path / "bench.yaml"
    path.write_text(text)
    with pytest.raises(TestbenchError, match=r"bench\.yaml"):
        Testbench.from_yaml(path)


def test_numbers_are_decimal_and_keys_may_be_merged(tmp_path):
    """YAML 1.1 would read 010 as 8 and 1:30 as 90."""
    path = tmp_path / "bench.yaml"
    text = yaml.safe_dump(bench_dict()).replace("frequency:", "phase: &zero 010\n  frequency:")
    path.write_text(text + "common: &common {points_per_period: 50}\n")
    with pytest.raises(TestbenchError, match="common"):
        Testbench.from_yaml(path)
    merged = "x: &d {amplitude: 1, frequency: 1e2}\n"
    path.write_text(
        merged + "device: {model: yakopcic}\ncrossbar: {state: [[0.5]]}\ndrive: {<<: *d, kind: sine, phase: 010}\n"
    )
    with pytest.raises(TestbenchError) as caught:
        Testbench.from_yaml(path)
    assert [problem.field for problem in caught.value.problems] == ["x"]
    path.write_text(
        "device: {model: yakopcic}\ncrossbar: {state: [[0.5]]}\n"
        "drive: {kind: sine, amplitude: 1e-1, frequency: 1e2, phase: 010}\n"
    )
    drive = Testbench.from_yaml(path).drive
    assert (drive.frequency[0], drive.phase[0]) == (100.0, 10.0)
    path.write_text(path.read_text().replace("010", "1:30"))
    with pytest.raises(TestbenchError, match=r"drive\.phase"):
        Testbench.from_yaml(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TestbenchError, match=r"gone\.yaml"):
        Testbench.from_yaml(tmp_path / "gone.yaml")


def test_the_schema_describes_every_section():
    schema = Testbench.model_json_schema()
    sections = {"device", "crossbar", "drive", "rows", "columns", "cell", "word_lines", "analysis"}
    assert set(schema["properties"]) == sections
    assert {"LibraryDevice", "SubcircuitDevice", "SineDrive", "PulseDrive", "SampledDrive", "Crossbar"} <= set(
        schema["$defs"]
    )


def test_a_period_is_the_default_duration(make_bench):
    assert make_bench().duration == pytest.approx(0.01)
    samples = {"kind": "samples", "time": [0, 1, 3], "voltages": [[0, 1, 0]] * 3}
    assert make_bench(drive=samples).duration == 3.0


def test_the_time_grid_steps_as_asked_and_meets_corners(make_bench):
    grid = make_bench().time_grid()
    assert grid[0] == 0.0
    assert grid[-1] == pytest.approx(0.01)
    assert np.diff(grid).max() <= 1 / 300 / 50 * (1 + 1e-9)
    pulse = {"kind": "pulse", "high": 1, "rise": "1us", "fall": "1us", "width": "3us", "period": "10us"}
    assert {1e-6, 4e-6, 5e-6} <= set(make_bench(drive=pulse, analysis={}).time_grid())


class TestDrives:
    """Voltages of the drives against their definitions."""

    def test_sine(self):
        drive = SineDrive(amplitude=[1, 2], frequency=[1, 2], phase=[0, np.pi / 2], offset=[0, 0.5])
        expected = [[0, 2.5], [1 * np.sin(0.5 * np.pi), 0.5 + 2 * np.cos(np.pi)]]
        np.testing.assert_allclose(drive.voltage([0, 0.25]), expected, atol=1e-15)

    def test_pulse_follows_its_trapezoid(self):
        drive = PulseDrive(low=-1, high=1, delay=1, rise=1, fall=2, width=3, period=10).for_rows(1)
        at = {0: -1, 1: -1, 1.5: 0, 2: 1, 5: 1, 6: 0, 7: -1, 10.9: -1, 11.5: 0, 13: 1}
        np.testing.assert_allclose(drive.voltage(list(at))[:, 0], list(at.values()), atol=1e-12)
        np.testing.assert_allclose(drive.corners(12), [1, 2, 5, 7, 11])

    def test_samples_are_joined_by_lines(self):
        drive = SampledDrive(time=[0, 1, 3], voltages=[[0, 2, 0], [1, 1, 1]])
        np.testing.assert_allclose(drive.voltage([0.5, 2.0]), [[1, 1], [1, 1]])
