"""
Bits of the ADC
===============

A column of m rows of 2-bit cells sums to 3 m levels at most. Fewer bits than that takes cost accuracy, either at the
top, where sums are clipped, or everywhere, where the range is stretched over fewer codes.
"""

import matplotlib.pyplot as plt
import numpy as np

from spicecim.encodings.bit_sliced import Converter, lossless_bits
from spicecim.plotting import COLORS, STYLE

plt.rcParams.update(STYLE)

# %%
# Weights of 8 bits in four slices of 2 bits, inputs of 8 bits; a fragment is converted by itself, bit by bit.

random = np.random.default_rng(6)
rows = 128
weights = np.minimum(np.abs(random.normal(0, 60, (rows, 16))), 255).astype(int)
inputs = random.integers(0, 256, (64, rows))


def error(fragment, bits, stretched):
    """Return the root mean square error of the products, relative to that of the products."""
    largest = 3 * fragment
    span = largest if stretched else min(2**bits - 1, largest)
    converter = Converter(bits=bits, range=max(span, 2**bits - 1)).for_sums(largest)
    products = np.zeros((len(inputs), weights.shape[1]))
    for first in range(0, rows, fragment):
        part = slice(first, first + fragment)
        for bit in range(8):
            ones = inputs[:, part] >> bit & 1
            for digit in range(4):
                sums = ones @ (weights[part] >> 2 * digit & 3)
                products += converter.convert(sums.astype(float)).values * 2.0 ** (bit + 2 * digit)
    exact = inputs @ weights
    return float(np.sqrt(((products - exact) ** 2).mean() / (exact.astype(float) ** 2).mean()))


bits = np.arange(2, 10)
found = {
    (fragment, stretched): np.array([error(fragment, int(count), stretched) for count in bits])
    for fragment in (4, 8, 128)
    for stretched in (False, True)
}

# %%
# An error of zero has no place on a logarithmic axis: it stands at the bottom.

figure, axes = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
for (fragment, stretched), values in found.items():
    color = COLORS[(4, 8, 128).index(fragment)]
    axes.plot(
        bits, 100 * values, "s--" if stretched else "o-", color=color, fillstyle="none" if stretched else "full",
        markersize=4, label=f"{fragment} rows, {'stretched' if stretched else 'clipped'}",
    )  # fmt: skip
axes.set_yscale("symlog", linthresh=0.01)
axes.set_yticks([0, 0.01, 0.1, 1, 10, 100], ["0", "0.01", "0.1", "1", "10", "100"])
axes.set(xlabel="bits of the converter", ylabel="RMS error of the products (%)", ylim=(-0.002, 150))
axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, columnspacing=1.0)

# %%
# Bits from which nothing is lost: ceil(log2(3 m + 1)), or fewer where no sum comes near to the largest.

numbers = {
    "lossless": {
        fragment: int(bits[np.flatnonzero(values == 0)[0]])
        for (fragment, stretched), values in found.items()
        if not stretched
    },
    "expected": {fragment: lossless_bits(3 * fragment) for fragment in (4, 8, 128)},
    "clipped_8_rows_4_bits": float(found[8, False][2]),
}
print(numbers)
