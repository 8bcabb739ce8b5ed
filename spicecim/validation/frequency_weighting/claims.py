"""The claims of frequency weighting with what was measured of them.

Verdicts follow from the numbers: what a claim says is compared with what came out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from spicecim.encodings.frequency_weighting.calibration import Branches
from spicecim.quantities import format_quantity
from spicecim.validation.claims import Claim, Measurement, Verdict
from spicecim.validation.frequency_weighting.power import PAPER_WORST, amplitude_for
from spicecim.validation.frequency_weighting.subjects import Subject

PAPER = "Eshraghian et al., AICAS 2019, doi:10.1109/AICAS.2019.8771550, abstract"
OWN = "wanted of this project"

_BRANCHES: tuple[tuple[Branches, str], ...] = (("off", "OFF"), ("both", "both"))
_SIXTEEN = 15.0
"""A ratio that counts as sixteen: what is missing is the level of high resistance, which is no insulator."""
_ENOUGH_SEEDS = 5
"""Seeds from which a standard error is worth its name; where there are fewer, the reason says so."""
_WANTED_AGREEMENT = 1e-3
_WANTED_CORE, _WANTED_SPICE = 1e-6, 1e-4


def _sampled(corner: xr.DataArray | xr.Dataset) -> str:
    """Say which pixels and weights ngspice runs."""
    pixels, levels = (", ".join(str(value) for value in corner[name].values) for name in ("pixel", "level"))
    return f"pixels {pixels} with weights {levels}"


def power_claim(power: xr.Dataset, patches: Sequence[tuple[str, xr.Dataset]]) -> Claim:
    """Average power, up to 16 times less."""
    measured = []
    baselines = {
        "8 one-bit": "eight one-bit devices",
        "conductance": "conductance-weighted devices",
        "binarized": "binarized weights",
    }
    for device in power["device"].values:
        one = power.sel(device=device)
        for branch, weights in _BRANCHES:
            name, scheme = f"{device}, {weights}", f"frequency, {weights}"
            for statistics in one["statistics"].values:
                watts = one["power"].sel(statistics=statistics)
                for key, title in baselines.items():
                    ratio = float(watts.sel(scheme=key)) / float(watts.sel(scheme=scheme))
                    if key == "8 one-bit" or statistics == "camera image":
                        measured.append(Measurement(f"{name}, {statistics}: {title} / scheme", reference=ratio))
            largest = one.sel(statistics="largest pixel")
            ratio = float(largest["power"].sel(scheme="8 one-bit") / largest["time_weighted"].sel(branches=branch))
            title = "eight one-bit devices / scheme, energy over time"
            measured.append(Measurement(f"{name}, largest pixel: {title}", reference=ratio))
            joule = one["energy"].sel(statistics="camera image")
            ratio = float(joule.sel(scheme=scheme)) / float(joule.sel(scheme="8 one-bit"))
            title = "energy, scheme / eight one-bit devices that are read as fast as leaves their states alone"
            measured.append(Measurement(f"{name}, camera image: {title}", reference=ratio))
    for device, data in patches:
        spice, core = (data["bit_sliced_power"] / data["power"]).median("patch").values
        name = f"{device}, both, median of {data.sizes['patch']} camera patches: eight one-bit devices / scheme"
        measured.append(Measurement(name, ngspice=float(spice), reference=float(core)))
    off, both = (
        (power["power"].sel(scheme="8 one-bit") / power["power"].sel(scheme=scheme)).sel(statistics="largest pixel")
        for scheme in ("frequency, OFF", "frequency, both")
    )
    verdict: Verdict = "does not hold"
    if float(off.max()) >= _SIXTEEN:
        verdict = "holds" if float(both.min()) >= _SIXTEEN else "holds in part"
    return Claim(
        "the average power of one crossbar convolution falls by up to 16 times for an unsigned 8-bit image",
        PAPER,
        "eight one-bit devices per weight read at once, over one device per weight; mean over pixels by their shares "
        f"and {power.attrs['levels']} levels of the weight's magnitude, of equal shares (baselines: 8 bits), "
        "all cells of a 3 x 3 convolution at work at once, frequency co-scaled",
        tuple(measured),
        verdict,
        _power_reason(power, off, both),
    )


def _power_reason(power: xr.Dataset, off: xr.DataArray, both: xr.DataArray) -> str:
    texts = []
    for device in power["device"].values:
        one = power.sel(device=device)
        shares = one["levels_conductance"].values
        texts.append(
            f"{device} {shares[0]:.3f} (OFF) and {shares[1]:.3f} (both) of low resistance, so that 8 x 1/2 over them "
            f"is {4 / shares[0]:.1f} and {4 / shares[1]:.1f}; measured {float(off.sel(device=device)):.1f} and "
            f"{float(both.sel(device=device)):.1f}"
        )
    return (
        "half of eight one-bit devices conduct, 4 Gon a weight; weights all held in high resistance cover 0 to Gon/2 "
        "where a device turns off as fast as on, since a cycle that switches it spends half of itself in either "
        "state: Gon/4 on average, 16. One that turns off more slowly covers more and saves less. With both states the "
        "levels average Gon/2: 8. Mean conductance of the levels at the largest pixel: "
        + "; ".join(texts)
        + ". At smaller pixels devices with a threshold move less than the product asks for and save more, at the cost "
        "of the product. It is a ratio of powers, not of energies: static devices can be read in a fraction of the time"
    )


def worst_claim(power: xr.Dataset, subjects: Sequence[Subject], spice: dict[str, float]) -> Claim:
    """Worst case of one convolution."""
    measured, apart = [], {}
    for subject in subjects:
        worst = power["worst"].sel(device=subject.title)
        for scheme in ("frequency, OFF", "frequency, both"):
            name = f"{subject.title}, {scheme}"
            largest = float(worst.sel(scheme=scheme))
            measured.append(Measurement(f"{name}, {subject.amplitude:g} V", "W", spice[name], largest))
            apart[name] = abs(spice[name] / largest - 1.0)
    furthest = max(apart, key=lambda name: apart[name])
    found = []
    for subject in subjects:
        for branches, weights in _BRANCHES:
            amplitude = amplitude_for(subject, branches)
            name = f"{subject.title}, frequency, {weights}: amplitude for {format_quantity(PAPER_WORST, 'W')}"
            measured.append(Measurement(name, "V", reference=None if np.isnan(amplitude) else amplitude))
            if not np.isnan(amplitude):
                found.append(f"{subject.title} ({weights}) up to {format_quantity(amplitude, 'V', 3)}")
    schemes = [f"frequency, {weights}" for _, weights in _BRANCHES]
    least = power["worst"].sel(scheme=schemes).min("scheme")
    holding = [str(title) for title in power["device"].values if float(least.sel(device=title)) <= PAPER_WORST]
    everywhere = len(holding) == power.sizes["device"]
    verdict: Verdict = "holds" if everywhere else "holds in part" if holding or found else "does not hold"
    return Claim(
        "one convolution consumes 1.1 mW at worst",
        PAPER,
        "average over a cycle of nine cells at once, pixels of 255 and the weights that draw most, at the amplitude "
        "of the device's preset",
        tuple(measured),
        verdict,
        "power scales with the conductance of low resistance and the square of the amplitude, and the paper's are not "
        f"known here. At the amplitudes of the presets it holds for {', '.join(holding) or 'none of the devices'}; at "
        f"others for {'; '.join(found)}. Where no amplitude is given, the least at which the device moves at all draws "
        f"more. ngspice and the reference engine differ by {apart[furthest]:.0e} at most ({furthest})",
    )


def devices_claim(devices: dict[str, tuple[int, int]], weights: int) -> Claim:
    """Devices per weight."""
    measured = [
        Measurement(f"{name}: {kind} per weight", reference=value / weights)
        for name, values in devices.items()
        for kind, value in zip(("devices", "read cycles"), values, strict=True)
    ]
    ratio = devices["eight one-bit devices"][0] / devices["frequency weighting"][0]
    return Claim(
        "area falls by 8 times",
        PAPER,
        "devices that hold the magnitudes of 8-bit weights; drivers, converters and wires are not counted",
        tuple(measured),
        "holds in part" if ratio >= 8.0 else "does not hold",
        f"the array shrinks by {ratio:g}; what is around it does not: every row needs a source of variable frequency "
        "instead of one tone for all, and since all columns share a row's frequency, each output is a pass of its own",
    )


def product_claim(
    surfaces: xr.Dataset, pictures: xr.Dataset, corners: dict[str, xr.Dataset], drift: str, reads: xr.Dataset
) -> Claim:
    """Pixel times weight is a product."""
    measured = []
    for device in surfaces["device"].values:
        for scheme in surfaces["scheme"].values:
            error = 100 * surfaces["error"].sel(device=device, scheme=scheme)
            name = f"{device}, {scheme}"
            measured.append(Measurement(f"{name}: rms product error", "%", reference=float(np.sqrt((error**2).mean()))))
            largest = float(np.abs(error).max())
            title = f"{name}: largest product error over all pixels and weights"
            measured.append(Measurement(title, "%", reference=largest))
            corner = corners.get(name)
            if corner is not None:
                spice, core = 100 * np.abs(corner["product_error"].values).max(axis=(1, 2))
                title = f"{name}: largest product error at the pixels and weights sampled"
                measured.append(Measurement(title, "%", float(spice), float(core)))
    for case in pictures["case"].values:
        psnr = pictures["psnr"].sel(case=case)
        if psnr.isnull().all():
            measured.append(Measurement(f"{case}: no such drive; the readout does not rise with pixel or weight"))
            continue
        for kernel in ("Sobel x", "Gaussian 3 x 3"):
            name = f"{case}: PSNR of the camera image, {kernel} (dB)"
            measured.append(Measurement(name, reference=float(psnr.sel(kernel=kernel))))
        worst = str(psnr.idxmin("kernel").item())
        name = f"{case}: PSNR of the camera image, worst of {psnr.sizes['kernel']} kernels, {worst} (dB)"
        measured.append(Measurement(name, reference=float(psnr.sel(kernel=worst))))
        name = f"{case}: PSNR of the camera image, median of {psnr.sizes['kernel']} kernels (dB)"
        measured.append(Measurement(name, reference=float(psnr.median())))
    for device in reads["device"].values:
        moved = float(reads["state"].sel(device=device))
        measured.append(Measurement(f"{device}: largest change of the state by one read", reference=moved))
        for number in reads["read"].values[1:]:
            drifted = 100 * float(reads["error"].sel(device=device, read=number))
            name = f"{device}: rms change of read {number} from the first, without a rewrite"
            measured.append(Measurement(name, "%", reference=drifted))
    exact = corners[f"{drift}, coscaled"]["product_error"]
    in_core = float(np.abs(surfaces["error"].sel(device=drift, scheme="coscaled")).max())
    in_spice = float(np.abs(exact.sel(engine="ngspice")).max())
    met = in_core <= _WANTED_CORE and in_spice <= _WANTED_SPICE
    return Claim(
        "amplitude times frequency-held weight is a product, so that images can be convolved",
        OWN,
        "every pixel with every 8-bit weight in the reference engine, weights in both states, errors relative to the "
        f"largest product; in ngspice {_sampled(exact)}; camera image of 512 x 512, "
        "PSNR relative to the span of the exact outputs; 'coscaled' drives a pixel by a frequency "
        "in proportion to its amplitude",
        tuple(measured),
        "holds in part" if met else "does not hold",
        f"for linear drift with co-scaled frequency the product is exact: off by {in_core:.0e} of full scale in the "
        f"reference engine and {in_spice:.0e} in ngspice at most (wanted: {_WANTED_CORE:g} and {_WANTED_SPICE:g}), "
        "since the state depends on the flux alone. Dark pixels pay in read time, 255 / pixel of it. Devices with a "
        "threshold do not follow the flux: below it a pixel moves nothing, whatever the frequency. They need pixels of "
        "one amplitude, bit by bit",
    )


def accuracy_claim(digits: xr.Dataset) -> Claim:
    """Accuracy against binarized networks."""
    percent = 100 * digits["accuracy"]
    seeds = digits.sizes["seed"]
    measured = []
    for name in digits["arithmetic"].values:
        one = percent.sel(arithmetic=name)
        measured += _mean_and_spread(f"{name}", one)
    for case in digits["case"].values:
        for bits in digits["bits"].values:
            for varied in (False, True):
                one = 100 * digits["frequency"].sel(case=case, bits=bits, varied=varied)
                measured += _mean_and_spread(f"{case}, {bits} bits{', devices vary' if varied else ''}", one)
    binarized = percent.sel(arithmetic="binarized")
    most = int(digits["bits"].max())
    gains = {
        str(case): 100 * digits["frequency"].sel(case=case, bits=most, varied=True) - binarized
        for case in digits["case"].values
    }
    better = [case for case, gain in gains.items() if float(gain.mean()) > 0]
    verdict: Verdict = "holds" if len(better) == len(gains) else "holds in part" if better else "does not hold"
    texts = "; ".join(f"{case} {_gain(gain)}" for case, gain in gains.items())
    few = f", from {seeds} seeds only, too few for a reliable standard error" if seeds < _ENOUGH_SEEDS else ""
    return Claim(
        "accuracy does not fall to that of binarized networks",
        PAPER,
        f"convolutional network on the digits of scikit-learn, 500 test images, {seeds} seeds each with a split, a "
        "network and devices of its own; the same float network rounded, run through the products of the device, and "
        "trained on binarized (straight-through); speed of devices log-normal with "
        f"{digits.attrs['speed_variation']:.0%}, conductance with {digits.attrs['conductance_variation']:.0%}",
        tuple(measured),
        verdict,
        f"against binarized weights, with {most} bits and devices that vary{few}: {texts}. It holds where the product "
        "does. A network that was not trained for a device with a threshold does not survive what that makes of small "
        "pixels; pixels read bit by bit at one amplitude (eight reads instead of one) restore it",
    )


def _gain(points: xr.DataArray) -> str:
    """Mean gain in points with its standard error over seeds (seed,), where seeds differ at all."""
    mean, seeds = f"{float(points.mean()):+.1f} points", points.sizes["seed"]
    if seeds < 2:
        return mean
    error = float(points.std(ddof=1)) / np.sqrt(seeds)
    return f"{mean} (standard error {error:.2g})" if error > 1e-9 else f"{mean} (the same for every seed)"


def _mean_and_spread(name: str, values: xr.DataArray) -> list[Measurement]:
    parts = [Measurement(f"{name}: mean accuracy", "%", reference=float(values.mean("seed")))]
    if values.sizes["seed"] > 1:
        spread = float(values.std("seed", ddof=1))
        parts.append(
            Measurement(f"{name}: standard deviation over {values.sizes['seed']} seeds", "%", reference=spread)
        )
    return parts


def agreement_claim(
    cells: Sequence[tuple[str, xr.Dataset]],
    crossbars: Sequence[tuple[str, xr.Dataset]],
    corners: dict[str, xr.Dataset],
    seed: int,
) -> Claim:
    """Agreement of ngspice with the reference engine."""
    measured, largest = [], 0.0
    for kind, found in (("cell by cell", cells), ("as a crossbar", crossbars)):
        for device, data in found:
            for name, title in (
                ("readout_error", "column readout, of full scale"),
                ("power_error", "average power, relative"),
            ):
                worst = float(np.abs(data[name]).max())
                largest = max(largest, worst)
                title = f"{device}, {data.sizes['patch']} patches {kind}: largest difference of the {title}"
                measured.append(Measurement(title, ngspice=worst))
    for name, data in corners.items():
        for key, title in (("readout_error", "readout"), ("power_error", "power")):
            worst = float(np.abs(data[key]).max())
            largest = max(largest, worst)
            measured.append(
                Measurement(f"{name}, corners of the range: largest difference of the {title}", ngspice=worst)
            )
    sampled = [device for device, _ in cells]
    cornered = dict.fromkeys(name.rpartition(", ")[0] for name in corners)
    limits = []
    for device, data in cells:
        coarse, fine = float(data["worst_cell_error"]), float(data["finer_cell_error"])
        measured.append(Measurement(f"{device}: worst cell of the patches, of its full scale", ngspice=coarse))
        measured.append(Measurement(f"{device}: the same with eight times the instants", ngspice=fine))
        limits.append(f"{device} from {coarse:.1e} to {fine:.1e}")
    return Claim(
        "ngspice and the reference engine agree to 1e-3 of full scale on all sampled patches "
        f"({' and '.join(sampled)})",
        OWN,
        f"3 x 3 patches of the camera image and weights drawn at random (seed {seed}), on {' and '.join(sampled)} "
        "only; readouts relative to what nine of the largest products read, power relative to the patch's; corners of "
        f"the range, {_sampled(next(iter(corners.values())))}, on {', '.join(cornered)}, relative to the largest "
        "product and power. The worst-case power of more devices is compared under the claim of the worst case",
        tuple(measured),
        "holds" if largest <= _WANTED_AGREEMENT else "does not hold",
        f"largest difference {largest:.1e}. ngspice's instants limit it, between which the readout is a straight line: "
        f"eight times as many take the worst cell of {' and '.join(limits)} of full scale",
    )
