"""
An image convolved by frequencies
=================================

A kernel's weights are frequencies and an image's pixels are amplitudes. Drift multiplies them exactly where the
frequency follows the pixel (co-scaled); a device with thresholds does not, and its edges blur.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import camera
from skimage.transform import resize

from spicecim.encodings.frequency_weighting.amplitude import product_table
from spicecim.encodings.frequency_weighting.encoding import FrequencyWeighting
from spicecim.encodings.frequency_weighting.images import convolve, exact_convolution, peak_signal_to_noise
from spicecim.plotting import STYLE

plt.rcParams.update(STYLE)

# %%
# Sobel's kernel, in 32 levels, on the camera image of 128 x 128 pixels. Every distinct product is simulated once.

image = np.round(255 * resize(camera(), (128, 128), anti_aliasing=True)).astype(int)
kernel = 15 * np.outer([1, 2, 1], [-1, 0, 1])
exact = exact_convolution(image, kernel)
devices = {
    "drift (HP)": ({"model": "linear_drift", "preset": "hp"}, 1.0),
    "threshold (Oblea)": ({"model": "yakopcic", "preset": "oblea"}, 0.45),
}
found = {
    label: convolve(product_table(FrequencyWeighting(device=device, amplitude=volts, levels=32).drive), image, kernel)
    for label, (device, volts) in devices.items()
}
quality = {label: peak_signal_to_noise(each, exact) for label, each in found.items()}

# %%

figure, grid = plt.subplots(1, 3, figsize=(7.0, 2.7), layout="constrained", sharey=True)
shown = {"exact, in integers": exact, **found}
largest = abs(exact).max()
for axes, (label, values) in zip(grid, shown.items(), strict=True):
    picture = axes.imshow(values / largest, cmap="RdBu_r", vmin=-1, vmax=1)
    note = f"\n{quality[label]:.0f} dB" if label in quality else "\n"
    axes.set(title=label + note, xlabel="column")
    axes.grid(False)
grid[0].set_ylabel("row")
figure.colorbar(picture, ax=grid, label="output, relative to the largest", shrink=0.8)

# %%

numbers = quality
print(numbers)
