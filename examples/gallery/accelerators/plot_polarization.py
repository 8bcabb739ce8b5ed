"""
Polarization before and after
=============================

Weights of one sign per fragment of four rows: what the nearest such matrix keeps of a filter bank. Left and in the
middle, the same sixteen columns before and after; right, how far the weights move, as a share of their norm, for
fragments of different sizes.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

from spicecim.encodings import WeightSet
from spicecim.plotting import COLORS, STYLE

plt.rcParams.update(STYLE)

# %%

rows, columns, fragment = 24, 16, 4
weights = np.random.default_rng(8).standard_normal((rows, columns))
after = WeightSet(fragment_size=fragment, polarized=True).project(weights)

sizes = [1, 2, 4, 8, 16, 32]
many = np.random.default_rng(9).standard_normal((32 * 60, 64))
moved = [
    np.linalg.norm(WeightSet(fragment_size=size, polarized=True).project(many) - many) / np.linalg.norm(many)
    for size in sizes
]

# %%
# By hand: of each fragment the sign whose weights have the smaller squares goes to zero.

blocks = many.reshape(-1, 4, many.shape[1])
squares = [(np.where(sign * blocks > 0, blocks, 0.0) ** 2).sum(axis=1) for sign in (1, -1)]
by_hand = np.sqrt(np.minimum(*squares).sum() / (many**2).sum())

# %%

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.6, 3.2), layout="constrained", width_ratios=[1, 1, 1.25])
largest = abs(weights).max()
for axes, matrix, title in ((left, weights, "before"), (middle, after, "after")):
    image = axes.imshow(matrix, cmap="RdBu", vmin=-largest, vmax=largest, aspect="auto")
    for edge in itertools.count(fragment - 0.5, fragment):
        if edge > rows - 1:
            break
        axes.axhline(edge, color="#444444", linewidth=0.6)
    axes.grid(False)
    axes.set(title=title, xlabel="column", ylabel="row")
figure.colorbar(image, ax=middle, label="weight")
right.plot(sizes, 100 * np.array(moved), "o-", color=COLORS[0], clip_on=False)
right.set_xscale("log", base=2)
right.set_xticks(sizes, [str(size) for size in sizes])
right.set(xlabel="rows of a fragment", ylabel="distance moved (% of the norm)", ylim=(0, None))

# %%

signs = np.sign(after).reshape(-1, fragment, columns)
numbers = {
    "mixed_before": int(((weights.reshape(-1, fragment, columns) > 0).any(axis=1)
                         & (weights.reshape(-1, fragment, columns) < 0).any(axis=1)).sum()),
    "mixed_after": int(((signs > 0).any(axis=1) & (signs < 0).any(axis=1)).sum()),
    "moved": dict(zip(sizes, moved, strict=True)),
    "by_hand": by_hand,
}  # fmt: skip
print(numbers)
