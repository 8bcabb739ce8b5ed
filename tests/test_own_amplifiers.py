"""Lines that end in an amplifier of one's own, a subcircuit: against the TIA of the library and closed forms."""

import numpy as np
import pytest

from spicecim.engines import simulate
from spicecim.errors import SubcircuitError, TestbenchError, UnsupportedError
from spicecim.ngspice.engine import render_netlist
from spicecim.reference.operating_point import operating_point
from spicecim.testbench import Testbench

INVERTER = """\
.param doubled = {2*500}
.subckt gain plus minus out a=100
E1 out 0 plus minus {a}
.ends
.subckt tia in ref out a=100 r={doubled}
X1 ref in out gain a={a}
Rf in out {r}
.ends
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "amplifier.sub"
    path.write_text(INVERTER)
    return path


def bench_of(sense, **more):
    return Testbench.from_dict(
        {
            "device": {"model": "resistor", "parameters": {"Ron": "1k", "Roff": "100k"}},
            "crossbar": {"state": [[1.0, 0.5, 0.2], [0.3, 0.9, 1.0]], "wire_row": 10, "wire_column": 5},
            "drive": {"kind": "sine", "amplitude": 0.1, "frequency": "1k"},
            "columns": {"sense": sense, **more},
            "analysis": {"points_per_period": 40},
        }
    )


def of_file(file, **more):
    own = {"kind": "subcircuit", "subcircuit": str(file), "name": "tia", "ports": ["input", "reference", "output"]}
    return own | more


@pytest.mark.ngspice
@pytest.mark.parametrize(
    "columns",
    [{}, {"grounded": [1]}, {"floating": [0]}, {"drive": {"kind": "sine", "amplitude": 0.02, "frequency": "1k"}}],
)
def test_a_subcircuit_of_a_tia_is_the_tia(file, columns):
    run = simulate(bench_of(of_file(file, parameters={"a": 50}), **columns), estimate=False)
    known = simulate(
        bench_of({"gain": 50, "feedback": 1e3}, **columns), engine="reference", time=run.time.values, estimate=False
    )
    for name in ("i_column", "i_row", "v_column", "v_sense"):
        np.testing.assert_allclose(run[name], known[name], atol=1e-6 * float(abs(known[name]).max()), err_msg=name)


@pytest.mark.ngspice
@pytest.mark.parametrize("at_columns", ["nothing", "of the library", "one's own"])
def test_rows_end_in_one_alike(file, at_columns):
    drive = {"kind": "sine", "amplitude": 0.05, "frequency": "1k"}
    library, own = {"gain": 50, "feedback": 1e3}, of_file(file, parameters={"a": 50})
    columns = {"nothing": None, "of the library": library, "one's own": own}[at_columns]
    bench = bench_of(columns, drive=drive).with_sections(rows={"sense": own})
    run = simulate(bench, estimate=False)
    same = bench_of(columns and library, drive=drive).with_sections(rows={"sense": library})
    known = simulate(same, engine="reference", time=run.time.values, estimate=False)
    assert {*run.data_vars} == {*known.data_vars} >= {"v_row_sense"}
    for name in known.data_vars:
        np.testing.assert_allclose(run[name], known[name], atol=1e-6 * float(abs(known[name]).max()), err_msg=name)


@pytest.mark.ngspice
def test_an_amplifier_of_the_users_does_not_meet_names_of_the_device(tmp_path, file):
    device = tmp_path / "gain.sub"
    device.write_text(".param doubled=7\n.subckt gain p n r=1k\nR1 p n {r}\n.ends\n")
    bench = bench_of(of_file(file)).to_dict()
    bench["device"] = {"subcircuit": str(device), "ports": ["row", "column"]}
    bench["crossbar"] = {"state": [[0.0], [0.0]]}
    run = simulate(Testbench.from_dict(bench), estimate=False)
    # two cells of 1k: the output is at -R i, but for the gain of 100
    right = -2.0 * run.v_row.values[:, 0] * 100 / (1 + 100 + 2)
    np.testing.assert_allclose(run.v_sense.values[:, 0], right, rtol=1e-6, atol=1e-9)


def test_only_ngspice_takes_it(file):
    bench = bench_of(of_file(file))
    with pytest.raises(UnsupportedError, match=r"columns\.sense: the reference engine has no equations"):
        simulate(bench, engine="reference")
    with pytest.raises(UnsupportedError, match=r"columns\.sense"):
        operating_point(bench, [0.1, 0.1])
    with pytest.raises(UnsupportedError, match=r"rows\.sense: the reference engine has no equations"):
        simulate(bench.with_sections(rows={"sense": of_file(file)}), engine="reference")


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "tai"}, r"columns\.sense\.name: amplifier\.sub has no subcircuit 'tai'.*did you mean 'tia'"),
        ({"ports": ["input", "output"]}, r"columns\.sense\.ports names 2 ports, and tia has 3"),
        ({"parameters": {"gain": 1}}, r"columns\.sense\.parameters: the \.subckt line of tia has no parameter 'gain'"),
        ({"subcircuit": "none.sub"}, r"columns\.sense\.subcircuit: "),
    ],
)
def test_what_does_not_fit_is_named(file, change, message):
    with pytest.raises(SubcircuitError, match=message):
        render_netlist(bench_of(of_file(file, **change)))
    with pytest.raises(SubcircuitError, match=message.replace("columns", "rows")):
        render_netlist(bench_of(None).with_sections(rows={"sense": of_file(file, **change)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ports": ["output"]}, "ports: must name input once"),
        ({"ports": ["input", "reference", "ground"]}, "ports: must name output once"),
        ({"ports": ["input", "input", "output"]}, "ports: must name input once"),
        ({"parameters": {"gain": 1, "GAIN": 2}}, "parameters: has a name twice"),
        ({"parameters": {"a b": 1}}, "parameters: 'a b' is not a name"),
        ({"name": "x y"}, "name: must be a name"),
        ({"feedback": 1e3}, "feedback: "),
    ],
)
def test_what_is_no_amplifier_is_refused_with_its_field(file, change, message):
    with pytest.raises(TestbenchError, match=rf"columns\.sense\.{message}"):
        bench_of(of_file(file, **change))
