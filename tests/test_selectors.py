"""Cells of a selector in series with a memristor: against their own equations, and ngspice."""

import numpy as np
import pytest

from spicecim.devices import make_device
from spicecim.devices.library import load_presets
from spicecim.devices.selectors import SELECTORS
from spicecim.engines import simulate
from spicecim.errors import ModelError
from spicecim.measure import energy_balance
from spicecim.testbench import Testbench
from spicecim.variation.distributions import lognormal
from spicecim.variation.vary import vary


@pytest.mark.parametrize("selector", list(SELECTORS))
@pytest.mark.parametrize("model", ["yakopcic", "vteam", "linear_drift"])
def test_the_voltages_of_selector_and_memristor_add_up(model, selector):
    cell, memristor, alone = make_device(f"{model}_with_{selector}"), make_device(model), SELECTORS[selector]()
    s = memristor.state_from_x(np.array([[0.1], [0.5], [0.9]]))
    u = np.linspace(-0.9, 0.9, 13)  # over the memristor
    i = memristor.current(u, s)
    v = u + alone.voltage(i)
    np.testing.assert_allclose(cell.current(v, s), i, rtol=1e-9, atol=1e-18)
    # the voltage over the memristor is known to rounding, and moves the state
    rates = memristor.rate(u, s)
    np.testing.assert_allclose(cell.rate(v, s), rates, rtol=1e-6, atol=1e-9 * np.abs(rates).max())


def test_slopes_are_those_of_difference_quotients():
    cell, s, step = make_device("yakopcic_with_exponential"), np.array([0.2, 0.6]), 1e-6
    for v in (-0.9, -0.2, 0.3, 1.1):
        found = cell.slopes(np.full(2, v), s)
        quotient = (cell.current(v + step, s) - cell.current(v - step, s)) / (2 * step)
        np.testing.assert_allclose(found.current_v, quotient, rtol=1e-6)


def test_exponential_and_threshold_selectors_are_what_they_say():
    exponential, threshold = SELECTORS["exponential"](I0=1e-9, V0=0.1), SELECTORS["threshold"]()
    assert exponential.voltage(1e-9 * np.sinh(5.0)) == pytest.approx(0.5, rel=1e-14)
    assert threshold.voltage(0.5 * 0.3 / 1e9) == pytest.approx(0.15)
    assert threshold.voltage(-(0.3 / 1e9 + 1e-3)) == pytest.approx(-(0.3 + 0.1))


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("selector", "ohm"), [("exponential", 0.0), pytest.param("threshold", 5.0, marks=pytest.mark.slow)]
)
def test_both_engines_agree_on_cells_with_selectors(selector, ohm):
    bench = Testbench.from_dict(
        {
            "device": {"model": f"yakopcic_with_{selector}", "preset": "oblea"},
            "crossbar": {"state": [[0.2, 0.5], [0.6, 0.3]], "wire_row": ohm, "wire_column": ohm},
            "drive": {"kind": "sine", "amplitude": 1.0, "frequency": [100, 200]},
            "rows": {"grounded": [1]},
            "analysis": {"probe": "cells", "points_per_period": 100, "accuracy": 3e-4},
        }
    )
    spice = simulate(bench, "ngspice", estimate=False)
    reference = simulate(bench, "reference", time=spice.time.values)
    peak = float(abs(reference.i_row).max())
    assert float(abs(reference.i_row - spice.i_row).max()) < 1e-4 * peak
    assert float(abs(reference.x - spice.x).max()) < 1e-4
    assert energy_balance(reference).error < 1e-9


@pytest.mark.parametrize("backend", ["osdi", "behavioral"])
@pytest.mark.parametrize("selector", ["exponential", "threshold"])
def test_pulses_that_switch_selectors_are_followed(selector, backend, monkeypatch):
    """Newton's method must come back from the side of 0 where the memristor's voltage never is."""
    monkeypatch.setenv("SPICECIM_BACKEND", backend)
    bench = Testbench.from_dict(
        {
            "device": {"model": f"yakopcic_with_{selector}", "preset": "oblea"},
            "crossbar": {"state": [[0.3], [0.3]]},
            "drive": {
                "kind": "samples",
                "time": [0, 0.5e-6, 5e-6, 5.5e-6, 6e-6, 10e-6, 10.5e-6],
                "voltages": [[0, 1, 1, 0, -1, -1, 0], [0, 0.5, 0.5, 0, 0.5, 0.5, 0]],
            },
            "analysis": {"duration": 10.5e-6, "points_per_period": 16, "tolerance": 1e-6, "probe": "cells"},
        }
    )
    spice = simulate(bench, "ngspice", estimate=False)
    reference = simulate(bench, "reference", time=spice.time.values)
    assert float(abs(reference.i_row - spice.i_row).max()) < 1e-4 * float(abs(reference.i_row).max())
    assert float(abs(reference.x - spice.x).max()) < 1e-4
    assert float(abs(reference.x[-1, 0, 0] - 0.3)) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("ohm", [0.0, 5.0])
def test_both_engines_agree_on_drawn_selectors(ohm):
    bench = Testbench.from_dict(
        {
            "device": {"model": "yakopcic_with_exponential", "preset": "oblea"},
            "crossbar": {"state": [[0.2, 0.5], [0.6, 0.3]], "wire_row": ohm},
            "drive": {"kind": "sine", "amplitude": 1.0, "frequency": [100, 200]},
            "analysis": {"probe": "cells", "points_per_period": 50, "periods": 0.5, "accuracy": 3e-4},
        }
    )
    drawn = vary(bench, {"selector_I0": lognormal(0.5), "selector_V0": lognormal(0.05)}, seed=1)
    assert drawn.device.arrays()["selector_V0"].std() > 0.0
    spice = simulate(drawn, "ngspice", estimate=False)
    reference = simulate(drawn, "reference", time=spice.time.values)
    peak = float(abs(reference.i_row).max())
    assert float(abs(reference.i_row - spice.i_row).max()) < 1e-4 * peak
    assert float(abs(reference.x - spice.x).max()) < 1e-4
    same = simulate(bench, "reference", time=spice.time.values)
    assert float(abs(reference.i_row - same.i_row).max()) > 1e-2 * peak


@pytest.mark.ngspice
def test_selectors_that_open_among_floating_lines_are_followed():
    """What the solver tries on its way, states that are no numbers among it, is no property of the model."""
    bench = Testbench.from_dict(
        {
            "device": {"model": "yakopcic_with_threshold"},
            "crossbar": {"state": [[0.3832752960015259, 0.3832752960015259], [0.3, 0.3], [0.3, 0.3]]},
            "drive": {
                "kind": "samples",
                "time": [0.0, 3.7109626304874665e-06, 4.0820588935362126e-05, 4.453155156584959e-05],
                "voltages": [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
            },
            "rows": {"floating": [1, 2]},
            "columns": {"floating": [0]},
            "analysis": {"duration": 4.453155156584959e-05, "points_per_period": 16, "probe": "cells"},
        }
    )
    spice = simulate(bench, "ngspice", estimate=False)
    reference = simulate(bench, "reference", time=spice.time.values)
    assert float(abs(reference.i_row - spice.i_row).max()) < 1e-4 * float(abs(reference.i_row).max())
    assert float(abs(reference.x - spice.x).max()) < 1e-4


def test_a_selector_keeps_the_half_selected_cell_still():
    def moved(model):
        bench = Testbench.from_dict(
            {
                "device": {"model": model, "preset": "oblea"},
                "crossbar": {"state": [[0.3, 0.3]]},
                "drive": {"kind": "pulse", "high": 0.5, "rise": "1u", "fall": "1u", "width": "1m", "period": "2m"},
                "columns": {
                    "drive": {
                        "kind": "pulse", "high": [-0.5, 0.0], "rise": "1u", "fall": "1u", "width": "1m", "period": "2m",
                    }
                },
                "analysis": {"probe": "cells"},
            }
        )  # fmt: skip
        x = simulate(bench, "reference").x
        return (x[-1, 0] - x[0, 0]).values

    plain, selected = moved("yakopcic"), moved("yakopcic_with_exponential")
    assert plain[1] > 0.5  # half of the voltage moves a passive cell
    assert selected[0] > 0.2
    assert abs(selected[1]) < 1e-15


def test_parameters_of_selectors_are_checked_as_all_are():
    cell = make_device("yakopcic_with_exponential", "oblea", {"selector_V0": "50m"})
    assert cell.selector_V0 == 0.05
    assert load_presets("yakopcic_with_exponential").keys() == load_presets("yakopcic").keys()
    with pytest.raises(ModelError, match="selector_V0"):
        make_device("yakopcic_with_exponential", "oblea", {"selector_V0": -1})
    with pytest.raises(ModelError, match="unknown selector 'exponental'; known are exponential, threshold"):
        make_device("yakopcic_with_exponental")
    with pytest.raises(ModelError, match="memdiode: has an inner voltage of its own"):
        make_device("memdiode_with_threshold")
    with pytest.raises(ModelError, match="unknown model"):
        make_device("nothing_with_threshold")
