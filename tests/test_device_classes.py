"""Classes of devices that are written in unusual ways: all faces of one agree, or it is refused."""

import numpy as np
import pytest

import spicecim as sc
from spicecim.devices import MODELS, Memristor, Number, get_model, load_presets, parameter
from spicecim.errors import ModelError

ONE = {"description": "d", "source": "s", "x0": 0.5, "amplitude": 1, "frequency": 1e3, "parameters": {}}


@pytest.fixture
def registered():
    """Register devices for one test."""
    before = dict(MODELS._all())

    def register(model, presets=None):
        sc.register_device(model, {"one": ONE} if presets is None else presets)
        return model.name

    yield register
    for name in set(MODELS) - set(before):
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
