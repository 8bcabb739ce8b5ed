"""Numbers in the sentences of the validations' pages are those of their stored runs, as those of their tables are."""

import re
import runpy
from pathlib import Path

import pytest
from scipy.stats import t

ROOT = Path(__file__).parents[1]
VERDICTS = runpy.run_path(str(ROOT / "scripts" / "verdicts.py"))
DRIFT, OBLEA, MIAO, VTEAM, JO = (
    "linear drift (HP)", "Yakopcic, Oblea", "Yakopcic, Miao", "VTEAM", "Yakopcic, Jo",
)  # fmt: skip


def short(value):
    """A power of ten with one or two digits, without the zero of its exponent."""
    return f"{value:.1e}".replace("e-0", "e-").replace(".0e", "e")


def frequency_weighting():
    claims = VERDICTS["judged"]("frequency-weighting")
    agree, product, eight, power, worst, accuracy = (
        claims[name]
        for name in ("engines-agree", "product-of-drift", "product-of-8-bits", "power-16", "worst-case", "accuracy")
    )
    readouts = {what: value for what, value in agree.measured.items() if what.startswith("readout")}
    powers = [value for what, value in agree.measured.items() if what.startswith("power, patches")]
    yield f"column readouts of all patches agree to {short(max(readouts.values()))} of full scale"
    yield f"average power to {short(max(powers))}, cell by cell and as crossbars"
    corners = max(value for what, value in agree.measured.items() if what.endswith("corners of the range"))
    yield f"at the corners of the range (these two, Miao and VTEAM) to {short(corners)}"
    apart = max(abs(worst.details[f"{case}, ngspice"] / value - 1.0) for case, value in worst.measured.items())
    yield f"worst-case powers differ by {short(apart)} at most between the engines"
    cell = agree.details[f"{DRIFT}: worst cell of the patches, of its full scale"]
    finer = agree.details[f"{DRIFT}: the same with eight times the instants"]
    yield f"eight times as many bring the worst drift cell from {short(cell)} to {short(finer)} of a cell's full scale"

    yield f"multiplies to {short(product.measured['reference engine'])} of full scale in the reference engine"
    yield f"and {short(product.measured['ngspice'])} in ngspice"
    yield f"At a fixed frequency the product is off by {eight.measured[f'{DRIFT}, fixed']:.1f} % (rms)"
    remain = [eight.measured[f"{one}, coscaled"] for one in (OBLEA, MIAO, VTEAM)]
    yield "{:.1f} % (Oblea), {:.1f} % (Miao) and {:.0f} % (VTEAM) remain with co-scaling".format(*remain)
    largest = [
        product.details[f"{OBLEA}, {scheme}: largest error {where} (%)"]
        for where in ("over all pixels and weights", "at the corners of the range, ngspice")
        for scheme in ("fixed", "coscaled")
    ]
    yield (
        "The largest error over all pixels and weights is {:.1f} % for Oblea at a fixed frequency and {:.1f} % with "
        "co-scaling; at the pixels and weights that ngspice samples it is {:.1f} and {:.1f} %".format(*largest)
    )

    def decibels(device, scheme, what):
        start = f"{device}, {scheme}, rectified: PSNR of the camera image, {what}"
        return next(value for name, value in eight.details.items() if name.startswith(start))

    pairs = {
        what: [decibels(device, scheme, what) for device in (DRIFT, OBLEA, MIAO) for scheme in ("coscaled", "fixed")]
        for what in ("Sobel x", "median", "worst")
    }
    yield (
        "{:.0f} dB for drift with co-scaling and {:.0f} dB without, {:.0f} and {:.0f} dB for Oblea, {:.0f} and {:.0f} "
        "dB for Miao".format(*pairs["Sobel x"])
    )
    yield "medians over eight kernels are {:.0f} and {:.0f}, {:.0f} and {:.0f}, {:.0f} and {:.0f} dB".format(
        *pairs["median"]
    )
    yield (
        "{:.1f} dB for drift at a fixed frequency, with co-scaling and without {:.1f} and {:.1f} dB for Oblea, {:.1f} "
        "and {:.1f} dB for Miao".format(*pairs["worst"][1:])
    )

    energy = power.details[f"{DRIFT}, both: largest pixel, energy over time"]
    yield f"weighted by how long each level is read it is {energy:.1f}"
    states = ("OFF", "both")
    milliwatts = [worst.measured[f"{DRIFT}, {one}, 1 V"] for one in states]
    milliwatts += [worst.measured[f"{OBLEA}, {one}, 0.45 V"] for one in states]
    milliwatts += [1e3 * worst.measured[f"{JO}, {one}, 4 V"] for one in states]
    yield (
        "{:.1f} mW (OFF) and {:.1f} mW (both) for drift at 1 V, {:.1f} and {:.1f} mW for Oblea at 0.45 V, {:.0f} and "
        "{:.0f} µW for Jo at 4 V".format(*milliwatts)
    )
    volts = [
        worst.details[f"{one}, {state}: amplitude for 1.1 mW (V)"] for one in (DRIFT, OBLEA, JO) for state in states
    ]
    yield "1.1 mW holds for drift up to {:.0f} and {:.0f} mV, for Oblea up to {:.0f} and {:.0f} mV".format(
        *(1e3 * value for value in volts[:4])
    )
    yield "for Jo up to {:.1f} and {:.1f} V".format(*volts[4:])

    seeds = VERDICTS["stored_run"]("frequency-weighting")["settings"]["network_seeds"]

    def percent(what):
        low, high = accuracy.details[f"accuracy, {what} (%)"]
        return 0.5 * (low + high), 0.5 * (high - low) / t.ppf(0.975, seeds - 1) * seeds**0.5

    plain = [f"{{}} {percent(what)[0]:.1f} ± {percent(what)[1]:.1f} %" for what in ("float", "8 bit", "binarized")]
    yield ", ".join(text.format(name) for text, name in zip(plain, ("Float", "8 bit", "binarized"), strict=True))
    drift = [percent(f"{DRIFT}, coscaled, {bits} bits, devices vary")[0] for bits in (4, 6, 8)]
    yield "co-scaled drift {:.1f}, {:.1f} and {:.1f} % with 4, 6 and 8 bits".format(*drift)
    fixed, oblea, bitwise = (
        percent(f"{case}, 8 bits, devices vary")[0]
        for case in (f"{DRIFT}, fixed", f"{OBLEA}, coscaled", f"{OBLEA}, bit by bit")
    )
    yield f"drift at a fixed frequency {fixed:.0f} % and Oblea co-scaled {oblea:.0f} % with 8 bits"
    yield f"eight reads instead of one: {bitwise:.1f} %"


def forms_architecture():
    claims = VERDICTS["judged"]("forms-architecture")
    measured = {name: claim.measured for name, claim in claims.items()}
    converted = claims["headline-power"].details
    per_watt = [converted[f"{rows} rows, with skipping, 0.226 pJ per conversion of 4 bits"] for rows in (8, 16)]
    yield "published 0.226 pJ per conversion it is {:.2f} per watt at 8 rows and {:.2f} at 16".format(*per_watt)
    cells = claims["crossbar-power"].details
    least, most = (cells[f"crossbars of the chip's power, by presets: {end} (%)"] for end in ("least", "most"))
    yield f"crossbars are {least:.0f} to {most:.0f} % of the chip"
    siemens = cells["conductance of a cell times the share of ones for the published power (S)"]
    yield f"The published 2.44 mW is that of {1e6 * siemens:.0f} µS per cell"
    doubled = measured["two-crossbars"]
    ranges = ["{:.2f} to {:.2f}".format(*doubled[f"per {what}"]) for what in ("area", "watt")]
    yield f"16 rows with skipping give {ranges[0]} per area and {ranges[1]} per watt"
    both = measured["frames-and-peak"]
    yield f"FORMS is {both['8 rows']:.2f} (8 rows) and {both['16 rows']:.2f} (16 rows) of pruned ISAAC"
    apart = max(abs(value - 1.0) for value in measured["crossbar-power-engines"].values())
    yield f"ngspice gives the reference engine's energy within {100 * apart:.2f} %"
    yield "becomes {:.2f} to {:.2f} in frames".format(*measured["skipping-speed"]["8 rows"])


@pytest.mark.parametrize(
    ("page", "phrases"), [("frequency-weighting", frequency_weighting), ("forms-architecture", forms_architecture)]
)
def test_numbers_in_sentences_are_those_of_the_stored_run(page, phrases):
    text = re.sub(r"\s+", " ", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))
    missing = [phrase for phrase in phrases() if phrase not in text]
    assert not missing, "put these into the page"
