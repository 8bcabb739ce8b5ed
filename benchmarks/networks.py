"""Networks on crossbars: training LeNet-5 towards polarized weights, time and memory, and tiles in ngspice.

Prints tables in Markdown. ``--quick`` for fewer images, passes and tiles; ``--part`` for one table.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from spicecim.encodings import Encoding, Polarized
from spicecim.networks import (
    Batches,
    accuracy,
    compare_tile,
    constrain,
    crossbars,
    in_integers,
    layers_of,
    lenet5,
    mnist,
    record_inputs,
    report,
    report_table,
    resnet18,
    train,
    train_towards,
    vgg16,
)

LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time (s) of a call, and what it returns."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def line(*cells: object) -> None:
    """Print a line of a table."""
    print("| " + " | ".join(map(str, cells)) + " |")


def heads(*cells: str) -> None:
    """Print the head of a table."""
    print()
    line(*cells)
    line(*["---"] * len(cells))


def polarized_lenet(scheme: Encoding, epochs: int) -> tuple[Any, Any, Any]:
    """Train LeNet-5 on MNIST and draw it to the weights that a scheme holds."""
    data = mnist()
    batches = Batches(data.train_images, data.train_labels, seed=0)
    heads("LeNet-5 on 4000 images of MNIST", "s", "accuracy, 1000 other images", "distance from the sets")
    seconds, model = timed(lambda: train(lenet5(), batches, 2 * epochs, rate=2e-3))
    line(f"float, {2 * epochs} epochs", round(seconds), accuracy(model, *data[2:]), "")
    constraints = dict.fromkeys(LAYERS, scheme.constraint())
    seconds, admm = timed(lambda: train_towards(model, batches, constraints, updates=epochs))
    primal = np.linalg.norm(admm.residuals["primal_residual"], axis=1)
    title = f"ADMM, {epochs} updates of one epoch, projected"
    line(title, round(seconds), accuracy(model, *data[2:]), f"{primal[0]:.3g} to {primal[-1]:.3g}")
    constrain(model, constraints, keep=True)
    seconds, _ = timed(lambda: train(model, batches, epochs // 2, rate=5e-4))
    line(f"trained on within the sets, {epochs // 2} epochs", round(seconds), accuracy(model, *data[2:]), "")
    return data, batches, model


def measure_lenet(quick: bool) -> None:
    """Print how LeNet-5 is trained, what it takes on crossbars, and 200 of its crossbars in ngspice."""
    scheme = Polarized(fragment=8, input_bits=16)
    data, batches, model = polarized_lenet(scheme, 4 if quick else 12)
    found = crossbars(model, scheme, batches)
    images = data.test_images[: 100 if quick else 1000]
    seconds, outputs = timed(lambda: found(images))
    plain, wanted = timed(lambda: in_integers(found, images))
    right = float((outputs.argmax(dim=1) == data.test_labels[: len(images)]).double().mean())
    heads("16-bit inputs, polarized", "ideal crossbars (s)", "PyTorch's integers (s)", "ratio", "outputs that differ",
          "accuracy", "memory (GB)")  # fmt: skip
    ratio = f"{seconds / plain:.1f}"
    line(f"{len(images)} images", f"{seconds:.2f}", f"{plain:.2f}", ratio, different(outputs, wanted), right, memory())
    print(f"\n{report_table(report(found))}")
    few = images[:20]
    noisy = Polarized(fragment=8, input_bits=16, states={"low": 0.1, "high": 0.5}, scatter={"sigma": 0.1})
    seconds, _ = timed(lambda: crossbars(model, noisy, batches)(few))
    print(f"\n{len(few)} images with a log-normal scatter of 0.1, every code computed: {seconds:.1f} s")
    measure_tiles(model, batches, few, 10 if quick else 200)


def measure_tiles(model: Any, batches: Any, images: Any, count: int) -> None:
    """Print how many codes of random crossbars of 8 rows ngspice gives otherwise than the others."""
    found = crossbars(model, Polarized(fragment=8, rows=8), batches)
    seen, layers = record_inputs(found, images), layers_of(found)
    places = [(name, tile) for name, layer in layers.items() for tile in range(len(layer.tiles))]
    rng = np.random.default_rng(0)
    drawn = [places[number] for number in rng.choice(len(places), min(count, len(places)), replace=False)]
    totals, start = np.zeros(3, dtype=int), time.perf_counter()
    for name, tile in drawn:
        vectors = seen[name]
        lit = np.flatnonzero(layers[name].tile_inputs(tile, vectors).any(axis=1))
        chosen = vectors[[rng.choice(lit)]] if lit.size else vectors[:1]
        totals += compare_tile(layers[name], tile, chosen)
    heads("random crossbars in ngspice", "codes", "unlike the reference engine's", "unlike the integers", "s (wall)")
    line(f"{len(drawn)} of {len(places)}", *totals, round(time.perf_counter() - start))


def measure_shapes() -> None:
    """Print what one image costs in networks of published shapes, whose random weights are polarized as they are."""
    heads("one image of 3 x 32 x 32, random weights, 8-bit inputs", "crossbars", "cells", "s", "PyTorch's integers (s)",
          "ratio", "outputs that differ", "memory (GB)")  # fmt: skip
    scheme = Polarized(fragment=8)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for name, build in (("ResNet-18", resnet18), ("VGG-16", vgg16)):
        model = build().eval()
        held = [label for label, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        found = crossbars(constrain(model, dict.fromkeys(held, scheme.constraint())), scheme, [image])
        found(image)
        seconds, outputs = timed(lambda found=found: found(image))  # type: ignore[misc]
        plain, wanted = timed(lambda found=found: in_integers(found, image))  # type: ignore[misc]
        told, ratio = report(found), f"{seconds / plain:.1f}"
        counts = int(told.crossbars.sum()), int(told.cells.sum())
        line(name, *counts, f"{seconds:.2f}", f"{plain:.2f}", ratio, different(outputs, wanted), memory())


def different(outputs: Any, wanted: Any) -> int:
    """Count the outputs that differ."""
    return int((outputs != wanted).sum())


def memory() -> str:
    """Largest memory of the process so far (GB)."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", choices=["lenet", "shapes"])
    chosen = parser.parse_args()
    if chosen.part in (None, "lenet"):
        measure_lenet(chosen.quick)
    if chosen.part in (None, "shapes"):
        measure_shapes()


if __name__ == "__main__":
    main()
