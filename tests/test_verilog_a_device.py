"""A Verilog-A module as the device of a testbench, in both engines."""

import json
import shutil

import numpy as np
import pytest
from conftest import bench_dict

from spicecim.device_choice import VerilogADevice
from spicecim.devices import MODELS, load_presets
from spicecim.engines import simulate
from spicecim.errors import (
    ModelError,
    NetlistError,
    SpiceCimError,
    TestbenchError,
    UnsupportedError,
    VerilogAError,
)
from spicecim.measure import compare, energy_balance
from spicecim.netlist import crossbar_netlist
from spicecim.ngspice import backend
from spicecim.ngspice.engine import render_netlist
from spicecim.ngspice.run import run_netlist
from spicecim.testbench import Testbench
from spicecim.veriloga import compiler
from spicecim.veriloga.written import written_module
from spicecim.waveforms import load_waveforms, save_waveforms

pytestmark = [pytest.mark.ngspice, pytest.mark.compiler]


HEAD = '`include "disciplines.vams"\n'

INNER = (
    HEAD
    + """
module inner(a, b);
  inout a, b; electrical a, b, mid, w;
  parameter real Ron = 1k from (0:inf);
  parameter real Roff = 16k from (Ron:inf);
  parameter real k = 2 from (0:inf);
  (* units="Ohm" *) parameter real Rs = 100 from (0:inf);
  analog begin
    I(a, mid) <+ V(a, mid)/Rs;
    I(mid, b) <+ V(mid, b)*(V(w)/Ron + (1 - V(w))/Roff);
    I(w) <+ ddt(V(w)) - k*1k*V(mid, b)*V(w)*(1 - V(w));
  end
endmodule
"""
)
"""A state and a contact resistance in internal nodes; x moves as x' = c v x (1 - x)."""

GAP = (
    HEAD
    + """
module gap(p, n, g);
  inout p, n, g; electrical p, n, g;
  parameter real speed = 1k;
  analog begin
    I(p, n) <+ 1m*exp(-V(g)/0.25)*sinh(V(p, n)/0.25);
    I(g) <+ ddt(V(g)) + speed*V(p, n)*(1.7 - V(g))*(V(g) - 0.2);
  end
endmodule
"""
)
"""A gap between 0.2 and 1.7, which conducts where it is small."""


@pytest.fixture
def bench_of(tmp_path):
    """Build a small testbench of a Verilog-A text."""

    def build(text, name="model.va", analysis=None, crossbar=None, **fields):
        (tmp_path / name).write_text(text, encoding="utf-8")
        sections = bench_dict(device={"verilog_a": name, **fields})
        if analysis is not None:
            sections["analysis"] = analysis
        if crossbar is not None:
            sections["crossbar"] = crossbar
        return Testbench.from_dict(sections, folder=tmp_path)

    return build


def test_both_engines_run_a_module_with_inner_nodes(bench_of):
    bench = bench_of(INNER, analysis={"points_per_period": 200, "probe": "cells"})
    spice = simulate(bench)
    fast = simulate(bench, "reference", time=spice.time.values)
    assert spice.device_backend == "osdi"
    # ngspice's steps: second order, 200 a period
    assert compare(fast, spice, tolerance=1e-4).passed
    np.testing.assert_allclose(spice.x[0], bench.crossbar.state, rtol=1e-12)
    assert float(abs(spice.x - fast.x).max()) < 1e-4
    assert np.ptp(spice.x.values) > 0.3
    assert energy_balance(spice).error < 1e-12


def test_a_state_equation_follows_its_closed_form(bench_of):
    """X' = c v x (1 - x) is the logistic of c times the flux; without the contact's drop the flux is the row's."""
    bench = bench_of(INNER, parameters={"Rs": "1u", "k": 3}, analysis={"points_per_period": 400, "probe": "cells"})
    waves = simulate(bench, "reference")
    omega = 2 * np.pi * bench.drive.frequency
    flux = bench.drive.amplitude / omega * (1 - np.cos(np.outer(waves.time, omega)))
    start = bench.crossbar.state
    exact = 1 / (1 + (1 - start) / start * np.exp(-3e3 * flux[:, :, None]))
    assert np.abs(waves.x.values - exact).max() < 1e-8


def test_the_state_and_its_scale_are_found(bench_of):
    device = bench_of(INNER).device.build()
    assert (device.state_node, device.initial, device.roles) == (
        "w", (0.0, 1.0), {"a": "row", "b": "column", "w": "state"}
    )  # fmt: skip
    falling = INNER.replace("(V(w)/Ron + (1 - V(w))/Roff)", "((1 - V(w))/Ron + V(w)/Roff)")
    assert bench_of(falling).device.build().initial == (1.0, 0.0)


def test_a_scale_that_cannot_be_found_is_asked_for(bench_of):
    with pytest.raises(ModelError, match=r"device.initial: .*do not keep the state between two bounds; give both"):
        simulate(bench_of(GAP))
    bench = bench_of(GAP, initial=[1.7, 0.2], analysis={"points_per_period": 200, "probe": "cells"})
    spice = simulate(bench)
    fast = simulate(bench, "reference", time=spice.time.values)
    np.testing.assert_allclose(spice.x[0], bench.crossbar.state, rtol=1e-12)
    assert compare(fast, spice, tolerance=1e-4).passed


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"state": "v"}, r"device.state: module inner has no node 'v'; it has a, b, mid, w"),
        ({"module": "iner"}, r"device.module: model.va has no 'iner'; it has inner; did you mean 'inner'"),
        (
            {"parameters": {"ron": 5}},
            r"device.parameters.ron: module inner has no such parameter; .* did you mean 'Ron'",
        ),
        ({"parameters": {"Ron": -5}}, r"device.parameters.Ron: must be from \(0:inf\); it is -5"),
        ({"parameters": {"Roff": 10}}, r"device.parameters.Roff: must be from \(Ron:inf\) \(Ron = 1000\); it is 10"),
        ({"parameters": {"Rs": "5V"}}, r"device.parameters.Rs: .*5V"),
    ],
)
def test_what_is_wrong_is_named(bench_of, fields, reason):
    for engine in ("ngspice", "reference"):
        with pytest.raises(ModelError, match=reason):
            simulate(bench_of(INNER, **fields), engine)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"initial": [1, 1]}, "device.initial"),
        ({"parameters": {"Ron": True}}, "device.parameters"),
        ({"backend": "osdi"}, "device.backend"),
        ({"model": "yakopcic"}, "device"),
    ],
)
def test_fields_are_checked_when_a_testbench_is_made(bench_of, fields, field):
    with pytest.raises(TestbenchError, match=field):
        bench_of(INNER, **fields)


def test_a_missing_file_is_named_when_it_is_needed(tmp_path):
    bench = Testbench.from_dict(bench_dict(device={"verilog_a": "none.va"}), folder=tmp_path)
    with pytest.raises(VerilogAError, match=r"none.va"):
        simulate(bench)


def test_memory_outside_a_node_is_an_error_with_its_line(bench_of):
    text = HEAD + (
        "module forgets(p, n, s);\n inout p, n, s; electrical p, n, s; real w, old;\n analog begin\n"
        "  w = old + 1m*V(p, n);\n  old = w;\n  I(p, n) <+ w*V(p, n);\n"
        "  I(s) <+ ddt(V(s)) - V(p, n);\n end\nendmodule\n"
    )
    for engine in ("ngspice", "reference"):
        with pytest.raises(VerilogAError, match=r"model.va:5: old \(declared in model.va:3\) is read before"):
            simulate(bench_of(text), engine)


def test_a_module_without_a_state_is_refused(bench_of):
    with pytest.raises(ModelError, match="holds no state"):
        simulate(bench_of(HEAD + "module r(p, n); inout p, n; electrical p, n; analog I(p, n) <+ V(p, n); endmodule\n"))


def test_waveforms_are_measured_where_the_file_is_gone(bench_of, tmp_path):
    bench = bench_of(INNER, analysis={"points_per_period": 50, "probe": "cells"})
    path = save_waveforms(simulate(bench), tmp_path / "waves.nc")
    (tmp_path / "model.va").unlink()
    waves = load_waveforms(path)
    assert energy_balance(waves).error < 1e-12
    assert json.loads(waves.attrs["testbench"])["device"]["verilog_a"] == str(tmp_path / "model.va")


def test_a_changed_file_is_compiled_anew_in_the_same_session(bench_of):
    """The modules share a name, and ngspice cannot forget the first."""
    before = simulate(bench_of(INNER))
    after = simulate(bench_of(INNER.replace("V(mid, b)*(V(w)", "2*V(mid, b)*(V(w)")))
    assert before.i_column[5, 0] != after.i_column[5, 0]
    again = simulate(bench_of(INNER))
    np.testing.assert_array_equal(before.i_column, again.i_column)


def test_idt_holds_a_state_too(bench_of):
    """The integrator's implicit node is set as any other, whatever its own initial value."""
    text = HEAD + (
        "module m(p, n); inout p, n; electrical p, n; real w;\n"
        "analog begin w = idt(300*V(p, n), 0.5); I(p, n) <+ (1u + 1m*w*w)*V(p, n); end endmodule\n"
    )
    bench = bench_of(text, initial=[0, 1], analysis={"points_per_period": 200, "probe": "cells"})
    omega = 2 * np.pi * bench.drive.frequency
    for engine in ("ngspice", "reference"):
        waves = simulate(bench, engine)
        flux = bench.drive.amplitude / omega * (1 - np.cos(np.outer(waves.time, omega)))
        exact = bench.crossbar.state + 300 * flux[:, :, None]
        assert np.abs(waves.x.values - exact).max() < (2e-5 if engine == "ngspice" else 1e-9)


EVERY_PRESET = [
    pytest.param(model, preset, marks=[pytest.mark.slow, pytest.mark.timeout(900)] if model == "jart_vcm" else [])
    for model in MODELS for preset in load_presets(model)
]  # fmt: skip


@pytest.mark.parametrize(("model", "preset"), EVERY_PRESET)
def test_native_and_behavioral_models_give_the_same_currents(model, preset):
    """To rounding in the same time steps."""
    values = load_presets(model)[preset]
    bench = Testbench.from_dict(
        bench_dict(
            device={"model": model, "preset": preset},
            drive={
                "kind": "sine",
                "amplitude": values.amplitude,
                "frequency": [values.frequency * n for n in (1, 2, 3)],
            },
        )
    )
    runs = []
    for native in (True, False):
        netlist = crossbar_netlist(bench, native=native)
        names = netlist.vectors["i_column"]
        run = run_netlist(netlist.text, ["time", *names], stop=bench.duration, libraries=netlist.libraries)
        runs.append((run.vectors["time"], np.stack([run.vectors[name] for name in names])))
    (times, currents), (other_times, others) = runs
    peak = np.abs(others).max()
    if len(times) == len(other_times) and np.allclose(times, other_times, rtol=1e-11, atol=0):
        assert np.abs(currents - others).max() <= 1e-9 * peak
    else:
        # steps that differ by rounding somewhere, then by more: both are as far from the truth as that
        means = [np.trapezoid(np.abs(values), at) / at[-1] for at, values in runs]
        np.testing.assert_allclose(*means, rtol=1e-3)


def test_the_backend_is_the_one_asked_for(make_bench, monkeypatch):
    def backend_of(choice):
        bench = make_bench(device={"model": "yakopcic", "preset": "oblea", "backend": choice})
        return simulate(bench).device_backend, ".model memristor yakopcic_" in render_netlist(bench)

    monkeypatch.delenv(backend.VARIABLE, raising=False)
    assert backend_of("osdi") == ("osdi", True)
    assert backend_of("behavioral") == ("behavioral", False)
    assert backend_of("auto") == ("osdi", True)
    monkeypatch.setenv(backend.VARIABLE, "behavioral")
    assert backend_of("auto") == ("behavioral", False)
    monkeypatch.setenv(backend.VARIABLE, "spice")
    with pytest.raises(SpiceCimError, match=r"SPICECIM_BACKEND: must be auto, osdi or behavioral; it is 'spice'"):
        backend_of("auto")


def test_without_a_compiler_auto_is_behavioral_and_osdi_says_why(make_bench, bench_of, monkeypatch):
    monkeypatch.delenv(backend.VARIABLE, raising=False)
    problem = "there is no C compiler; install gcc or clang, or set CC to its name"
    monkeypatch.setattr(backend, "compiler_problem", lambda: problem)
    assert simulate(make_bench()).device_backend == "behavioral"
    with pytest.raises(UnsupportedError, match=r"device.backend: osdi .*no C compiler; install gcc"):
        simulate(make_bench(device={"model": "yakopcic", "backend": "osdi"}))
    with pytest.raises(UnsupportedError, match=r"device.verilog_a .*no C compiler"):
        simulate(bench_of(INNER))
    # its equations run in numpy all the same
    assert simulate(bench_of(INNER), "reference").device_backend == "numpy"


def test_a_library_that_is_no_library_is_an_error_and_the_next_run_works(make_bench, tmp_path):
    broken = tmp_path / "broken one.osdi"
    broken.write_text("nothing", encoding="utf-8")
    netlist = crossbar_netlist(make_bench(), native=False)
    with pytest.raises(NetlistError, match="could not load a compiled model"):
        run_netlist(netlist.text, ["time"], libraries=(broken,))
    assert simulate(make_bench()).sizes["column"] == 2


def test_a_cache_in_a_folder_with_spaces_works(make_bench, tmp_path, monkeypatch):
    """Ngspice ends a path at a space."""
    monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path / "a cache with spaces"))
    native = crossbar_netlist(make_bench(device={"model": "vteam"}), native=True)
    copy = tmp_path / "My Models" / native.libraries[0].name
    copy.parent.mkdir()
    shutil.copy(native.libraries[0], copy)
    assert run_netlist(native.text, ["time"], libraries=(copy,)).vectors["time"][-1] > 0


def test_a_current_to_ground_is_no_current_of_the_column(bench_of):
    bench = bench_of(INNER.replace("analog begin", "analog begin I(a) <+ 1u*V(a);"), state="w", initial=[0, 1])
    waves = simulate(bench, "reference")
    lost = waves.i_row.sum("row") - waves.i_column.sum("column")
    expected = 1e-6 * bench.shape[1] * waves.v_row.sum("row")
    np.testing.assert_allclose(lost, expected, atol=1e-9 * float(abs(waves.i_row).max()))


def test_a_current_that_overflows_beyond_the_drive_is_no_current_to_ground(bench_of):
    text = HEAD + (
        "module steep(p, n); inout p, n; electrical p, n, w; analog begin\n"
        "I(p, n) <+ 1e-3*V(w)*(exp(V(p, n)/1m) - 1); I(w) <+ ddt(V(w)) - V(p, n); end endmodule"
    )
    bench = bench_of(text, state="w", initial=[0, 1])
    bench = bench.model_copy(update={"drive": bench.drive.model_copy(update={"amplitude": np.full(3, 1e-3)})})
    assert simulate(bench, "reference").device_backend == "numpy"


@pytest.mark.parametrize(
    "short", ["V(a, b) <+ 0;", "begin V(a, mid) <+ 0; V(mid, b) <+ 0; end", "V(w) <+ 0;", "V(a) <+ 0;"]
)
def test_a_row_a_column_and_a_state_that_are_one_are_refused(bench_of, short):
    """Ngspice leaves nodes apart that are not the device's own, so that a short circuit would conduct nothing."""
    text = INNER.replace("analog begin", f"parameter real short = 0;\n  analog begin if (short > 0) {short}")
    assert simulate(bench_of(text, state="w", initial=[0, 1])).sizes["column"] == 2
    with pytest.raises(ModelError, match=r"device\.parameters: .* makes two of a, b, w and the ground one node"):
        simulate(bench_of(text, state="w", initial=[0, 1], parameters={"short": 1}))


@pytest.mark.parametrize(("capacitance", "width"), [(1e-15, 1.0), (1.0, 1e-9), (1e-9, 1e-9), (1.0, 1e6)])
def test_the_units_of_the_state_change_no_time_step(bench_of, capacitance, width):
    """A state in farads and meters of their own is as exact as one of 1 F that goes from 0 to 1."""
    text = INNER.replace(
        "analog begin", "parameter real C = 1; parameter real D = 1;\n  real x;\n  analog begin\n    x = V(w)/D;"
    )
    text = text.replace("V(w)/Ron + (1 - V(w))/Roff", "x/Ron + (1 - x)/Roff")
    text = text.replace("ddt(V(w)) - k*1k*V(mid, b)*V(w)*(1 - V(w))", "C*(ddt(V(w)) - D*k*1k*V(mid, b)*x*(1 - x))")

    def run(capacitance, width):
        device = {"state": "w", "initial": [0.0, width], "parameters": {"C": capacitance, "D": width}}
        return simulate(bench_of(text, **device))

    plain, scaled = run(1.0, 1.0), run(capacitance, width)
    np.testing.assert_allclose(scaled.time, plain.time, rtol=1e-9, atol=0.0)
    np.testing.assert_allclose(scaled.i_column, plain.i_column, atol=1e-9 * float(abs(plain.i_column).max()))


def test_a_cache_in_a_relative_folder_works(make_bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPICECIM_CACHE", "cache")
    written_module.cache_clear()
    bench = make_bench(device={"model": "vteam", "backend": "osdi"})
    library = crossbar_netlist(bench, native=True).libraries[0]
    assert library.is_absolute()
    assert library.parent == tmp_path / "cache"
    assert simulate(bench).device_backend == "osdi"


def test_a_library_that_is_damaged_while_a_session_runs_heals(make_bench, tmp_path, monkeypatch):
    monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path / "cache"))
    written_module.cache_clear()
    bench = make_bench(device={"model": "vteam", "backend": "osdi"})
    library = crossbar_netlist(bench, native=True).libraries[0]
    whole = library.read_bytes()
    for damage in (b"", whole[:5000]):
        library.unlink()
        library.write_bytes(damage)
        assert simulate(bench).device_backend == "osdi"
        assert library.read_bytes()[:4] == whole[:4]
        assert len(library.read_bytes()) == len(whole)


def test_the_section_goes_to_yaml_and_back(tmp_path):
    device = VerilogADevice(verilog_a=str(tmp_path / "m.va"), state="w", initial=[2, 1], parameters={"Ron": "1k"})
    bench = Testbench.from_dict(bench_dict(device=device.model_dump(exclude_none=True)))
    bench.to_yaml(tmp_path / "bench.yaml")
    assert Testbench.from_yaml(tmp_path / "bench.yaml") == bench


def test_currents_through_a_small_series_resistance_are_right(bench_of):
    """A drop of a nanovolt lies within the tolerance of the potentials, and is all of the current."""
    without = simulate(bench_of(INNER.replace("I(a, mid) <+ V(a, mid)/Rs;", "V(a, mid) <+ 0;")), "reference")
    for resistance in (1e-3, 1e-6, 1e-9):
        waves = simulate(bench_of(INNER, parameters={"Rs": resistance}), "reference", time=without.time.values)
        # its share of 1 kohm, and what rounding of the potentials leaves of the drop
        limit = resistance / 1e3 + 1e-16 / resistance / 1e-4 + 1e-7
        assert float(abs(waves.i_column - without.i_column).max()) < limit * float(abs(without.i_column).max())


def test_a_capacitor_has_no_current_where_its_drive_has_stood_still(bench_of):
    text = INNER.replace("I(w) <+", "I(a, b) <+ ddt(1u*V(a, b));\n    I(w) <+")
    bench = bench_of(text, analysis={"points_per_period": 400})
    spice = simulate(bench)
    fast = simulate(bench, "reference", time=spice.time.values)
    assert float(abs(spice.i_column[0]).max()) < 1e-12 > float(abs(fast.i_column[0]).max())
    assert compare(fast, spice, tolerance=1e-4).passed


def test_what_was_found_in_a_file_is_kept_with_the_waveforms(bench_of, tmp_path):
    bench = bench_of(INNER)
    for engine in ("ngspice", "reference"):
        kept = simulate(bench, engine).attrs
        assert kept["device_module"] == "inner"
        assert kept["device_state"] == "w: 0 at x = 0, 1 at x = 1"
        assert len(kept["device_source_sha256"]) == 64
    filled = bench.device.filled_in()
    assert (filled.module, filled.state, filled.initial) == ("inner", "w", (0.0, 1.0))


@pytest.mark.parametrize("name", ["ü.va", "mem (1)'s #2.va"])
def test_any_name_of_a_file_will_do(bench_of, name):
    assert simulate(bench_of(INNER.replace("inner", "in$ner"), name=name)).sizes["column"] == 2


def test_a_file_in_latin_1_is_refused_with_its_line(bench_of, tmp_path):
    bench = bench_of(INNER)
    (tmp_path / "model.va").write_bytes(INNER.replace("1k from", "1k /* \u00e4 */ from").encode("latin1"))
    with pytest.raises(VerilogAError, match=r"model.va:5 is not in UTF-8.*iconv"):
        simulate(bench)


def test_an_escaped_identifier_is_refused_with_its_line(bench_of):
    with pytest.raises(VerilogAError, match=r"model.va:3: an escaped identifier is not supported"):
        simulate(bench_of(INNER.replace("module inner(", "module \\in-ner (")))


def test_auto_is_behavioral_where_the_compiler_fails(make_bench, monkeypatch):
    monkeypatch.delenv(backend.VARIABLE, raising=False)
    monkeypatch.setenv("CC", "false")
    for function in (compiler.c_compiler, compiler.compiler_version, compiler.compiler_problem):
        function.cache_clear()
    try:
        assert simulate(make_bench()).device_backend == "behavioral"
        with pytest.raises(UnsupportedError, match=r"the C compiler .*false failed"):
            simulate(make_bench(device={"model": "yakopcic", "backend": "osdi"}))
    finally:
        for function in (compiler.c_compiler, compiler.compiler_version, compiler.compiler_problem):
            function.cache_clear()
